/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Scenarios in which the source's QEMU discards guest memory during a migration, as it does for a
 * balloon and for free page reports, and the guest then writes there. The guest's processor does
 * not run: its accesses are made over qtest, so that each is where it is meant to be.
 */
#ifndef TESTS_E2E_DISCARD_H
#define TESTS_E2E_DISCARD_H

#include "scenario.h"

/* The functions of struct scenario. RAM has 64 MiB at least. */

int discard_run_zero(const struct scenario_config *config, struct vmproc vms[VMS],
		     struct json_object *migrations, int64_t deadline, struct failure *failure);
int discard_run_written(const struct scenario_config *config, struct vmproc vms[VMS],
			struct json_object *migrations, int64_t deadline, struct failure *failure);
int discard_run_queued(const struct scenario_config *config, struct vmproc vms[VMS],
		       struct json_object *migrations, int64_t deadline, struct failure *failure);
int discard_run_many(const struct scenario_config *config, struct vmproc vms[VMS],
		     struct json_object *migrations, int64_t deadline, struct failure *failure);
int discard_run_cancel(const struct scenario_config *config, struct vmproc vms[VMS],
		       struct json_object *migrations, int64_t deadline, struct failure *failure);

#endif
