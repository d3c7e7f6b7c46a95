/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Members of JSON that another program or person has written. One of another type than is asked for
 * is as good as none, and so is one of what is no object (or NULL).
 */
#ifndef TOOLS_AB_MEMBER_H
#define TOOLS_AB_MEMBER_H

#include <stdint.h>
#include <json-c/json.h>

/* The member, still @o's, or NULL. */
struct json_object *member(struct json_object *o, const char *name, enum json_type type);

/* A string, valid as long as @o is; NULL: none. */
const char *member_string(struct json_object *o, const char *name);

/* A finite number; NAN: none. */
double member_number(struct json_object *o, const char *name);

/* A number from 0 to @max, without its fraction; NAN: none. */
double member_count(struct json_object *o, const char *name, double max);

/* The largest count that a double tells from its neighbours. */
#define MEMBER_COUNT_MAX 9e15

#endif
