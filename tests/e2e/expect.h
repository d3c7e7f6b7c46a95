/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Assertions on the driver's report, as given on its command line. */
#ifndef TESTS_E2E_EXPECT_H
#define TESTS_E2E_EXPECT_H

#include <json-c/json.h>

#include "ab/failure.h"

/*
 * Check PATH OP VALUE (no spaces needed) against one run of a report. PATH goes through members
 * and array indexes: src.counts.reg_mr_calls, migrations.0.total_time_ms. OP and VALUE:
 *
 *	== != <= >= < >		a number, or @FILE: the same path in the first run of that report
 *	~ !~ =~			an extended regular expression; of an array, any element, no
 *				element, all elements
 *
 * A path that does not exist is a failure, as is an expression that is not one.
 */
int expect_check(struct json_object *run, const char *expression, struct failure *failure);

#endif
