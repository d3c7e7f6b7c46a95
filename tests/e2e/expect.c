// SPDX-License-Identifier: GPL-2.0-or-later
#include "expect.h"

#include <ctype.h>
#include <regex.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum op { OP_EQ, OP_NE, OP_LE, OP_GE, OP_NO_MATCH, OP_ALL_MATCH, OP_LT, OP_GT, OP_MATCH, OPS };

/* Longer ones first: "<=" begins with "<". */
static const char *const op_names[OPS] = {
	[OP_EQ] = "==", [OP_NE] = "!=",	      [OP_LE] = "<=",
	[OP_GE] = ">=", [OP_NO_MATCH] = "!~", [OP_ALL_MATCH] = "=~",
	[OP_LT] = "<",	[OP_GT] = ">",	      [OP_MATCH] = "~",
};

static struct json_object *look_up(struct json_object *o, char *path)
{
	char *save, *name;

	for (name = strtok_r(path, ".", &save); name && o; name = strtok_r(NULL, ".", &save)) {
		if (json_object_is_type(o, json_type_array) && isdigit((unsigned char)*name))
			o = json_object_array_get_idx(o, strtoul(name, NULL, 10));
		else if (!json_object_object_get_ex(o, name, &o))
			o = NULL;
	}
	return o;
}

static bool compare(double a, enum op op, double b)
{
	switch (op) {
	case OP_EQ:
		return a == b;
	case OP_NE:
		return a != b;
	case OP_LE:
		return a <= b;
	case OP_GE:
		return a >= b;
	case OP_LT:
		return a < b;
	default:
		return a > b;
	}
}

/* Does the pattern match any element (@which is true), or does it miss any (false)? */
static bool any_is(struct json_object *value, const regex_t *regex, bool which)
{
	if (!json_object_is_type(value, json_type_array))
		return !regexec(regex, json_object_get_string(value), 0, NULL, 0) == which;
	for (size_t i = 0; i < json_object_array_length(value); i++)
		if (any_is(json_object_array_get_idx(value, i), regex, which))
			return true;
	return false;
}

static int check_match(struct json_object *value, enum op op, const char *pattern,
		       const char *expression, struct failure *failure)
{
	regex_t regex;
	bool holds;

	if (regcomp(&regex, pattern, REG_EXTENDED | REG_NOSUB))
		return fail(failure, "expectation %s: bad regular expression", expression);
	if (op == OP_ALL_MATCH)
		holds = !any_is(value, &regex, false);
	else
		holds = any_is(value, &regex, true) == (op == OP_MATCH);
	regfree(&regex);
	if (!holds)
		return fail(failure, "expected %s, but it is %s", expression,
			    json_object_to_json_string_ext(value, JSON_C_TO_STRING_PLAIN));
	return 0;
}

static bool is_number(struct json_object *o)
{
	return json_object_is_type(o, json_type_int) || json_object_is_type(o, json_type_double) ||
	       json_object_is_type(o, json_type_boolean);
}

/* The number that VALUE stands for. */
static int right_side(const char *text, const char *path, double *number, struct failure *failure)
{
	struct json_object *report, *runs, *value;
	char *copy, *end;
	int ret = 0;

	if (*text != '@') {
		*number = strtod(text, &end);
		return *text && !*end ? 0 : fail(failure, "'%s' is not a number", text);
	}
	report = json_object_from_file(text + 1);
	copy = strdup(path);
	value = NULL;
	if (report && json_object_object_get_ex(report, "runs", &runs))
		value = look_up(json_object_array_get_idx(runs, 0), copy);
	if (value && is_number(value))
		*number = json_object_get_double(value);
	else
		ret = fail(failure, "no number %s in %s", path, text + 1);
	free(copy);
	json_object_put(report);
	return ret;
}

static int check(struct json_object *run, char *path, enum op op, const char *text,
		 const char *expression, struct failure *failure)
{
	char *copy = strdup(path);
	struct json_object *value = look_up(run, copy);
	double number = 0;

	free(copy);
	if (!value)
		return fail(failure, "expectation %s: the report has no %s", expression, path);
	if (op == OP_MATCH || op == OP_NO_MATCH || op == OP_ALL_MATCH)
		return check_match(value, op, text, expression, failure);
	if (!is_number(value))
		return fail(failure, "expectation %s: %s is not a number", expression, path);
	if (right_side(text, path, &number, failure))
		return -1;
	if (!compare(json_object_get_double(value), op, number))
		return fail(failure, "expected %s (%.15g), but it is %.15g", expression, number,
			    json_object_get_double(value));
	return 0;
}

int expect_check(struct json_object *run, const char *expression, struct failure *failure)
{
	size_t at = strcspn(expression, "=!<>~");
	char *path = strndup(expression, at);
	int ret = -1;

	for (size_t op = 0; op < OPS; op++) {
		size_t len = strlen(op_names[op]);

		if (strncmp(expression + at, op_names[op], len))
			continue;
		ret = check(run, path, (enum op)op, expression + at + len, expression, failure);
		goto out;
	}
	fail(failure, "'%s' is not an expectation", expression);
out:
	free(path);
	return ret;
}
