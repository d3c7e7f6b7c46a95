/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Waiting for a process to take its connections down, as seen by the counting preload. */
#ifndef TESTS_E2E_TEARDOWN_H
#define TESTS_E2E_TEARDOWN_H

#include <stddef.h>
#include <json-c/json.h>

#include "scenario.h"

/* Connections that @vm has taken down until now. */
size_t teardown_count(const struct vmproc *vm);

/*
 * Wait until @vm has taken down @connections. QEMU does so some time after the migration has
 * completed, and not at all when it is told to quit before: then what it had registered looks
 * leaked. Without the counting preload there is nothing to wait for.
 */
void teardown_wait(const struct scenario_config *config, const struct vmproc *vm,
		   size_t connections);

/* Wait for the connections of all of the report's @migrations that @vm was an end of. */
void teardown_wait_all(const struct scenario_config *config, const struct vmproc *vm,
		       struct json_object *migrations);

#endif
