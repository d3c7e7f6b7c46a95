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
 * them) and "stdout_from_shim" and "stderr_from_shim" (the shim's of them), "counts" (the counting
 * preload's report, with "has_counts" to tell) and "stats" (an array of what the shim wrote for
 * each connection), each null without.
 */
struct json_object *report_process(const struct vmproc *vm);

/*
 * One migration: "from", "to", "status", "total_time_ms", "setup_time_ms", "downtime_ms" and
 * "passes" of the source's query-migrate @info (not taken; may be NULL), of @ram (NULL: not
 * compared) "ram_identical", "ram_differing_bytes", "ram_first_difference", and what memory the two
 * have now, "from_resident_bytes" and "to_resident_bytes".
 */
struct json_object *report_migration(const struct vmproc *from, const struct vmproc *to,
				     struct json_object *info, const struct comparison *ram);

/*
 * Once all of a run's processes and migrations are in it: "scan_share", of the processor time that
 * the first migration took at the source what the shim says that looking for data took. Nothing
 * where either is not known.
 */
void report_scan_share(struct json_object *run);

/* Is @status the "status" of this migration? */
bool report_has_status(struct json_object *migration, const char *status);

#endif
