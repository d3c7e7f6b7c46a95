// SPDX-License-Identifier: GPL-2.0-or-later
#include "member.h"

#include <math.h>

struct json_object *member(struct json_object *o, const char *name, enum json_type type)
{
	struct json_object *value;

	if (!json_object_object_get_ex(o, name, &value) || !json_object_is_type(value, type))
		return NULL;
	return value;
}

const char *member_string(struct json_object *o, const char *name)
{
	return json_object_get_string(member(o, name, json_type_string));
}

double member_number(struct json_object *o, const char *name)
{
	struct json_object *value = member(o, name, json_type_int);
	double number;

	if (!value)
		value = member(o, name, json_type_double);
	number = value ? json_object_get_double(value) : NAN;
	/* JSON has none, but the library reads 1e999. */
	return isfinite(number) ? number : NAN;
}

double member_count(struct json_object *o, const char *name, double max)
{
	double number = member_number(o, name);

	return number >= 0 && number <= max ? floor(number) : NAN;
}
