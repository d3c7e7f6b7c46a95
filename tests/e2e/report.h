/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The driver's JSON report: what each process and each migration left behind. */
#ifndef TESTS_E2E_REPORT_H
#define TESTS_E2E_REPORT_H

#include <stdbool.h>
#include <json-c/json.h>

#include "ab/pattern.h"
#include "ab/vmproc.h"

/*
 * What a process that has ended left: "exit" (status, or minus the signal), "killed" (by us),
 * "version", "stdout" and "stderr" (first lines) with "stdout_lines" and "stderr_lines" (all of
 * them), "counts" (the counting preload's report, with "has_counts" to tell) and "stats" (an
 * array of what the shim wrote for each connection), each null without.
 */
struct json_object *report_process(const struct vmproc *vm);

/*
 * One migration: "from", "to", "status", "total_time_ms", "setup_time_ms", "downtime_ms" and
 * "passes" of the source's query-migrate @info (not taken; may be NULL), and of @ram (NULL: not
 * compared) "ram_identical", "ram_differing_bytes", "ram_first_difference".
 */
struct json_object *report_migration(const struct vmproc *from, const struct vmproc *to,
				     struct json_object *info, const struct comparison *ram);

/* Is @status the "status" of this migration? */
bool report_has_status(struct json_object *migration, const char *status);

#endif
