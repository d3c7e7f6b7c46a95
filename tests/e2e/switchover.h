/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Scenarios in which the guest writes late: when QEMU has been there, or has stopped it for the
 * switchover. */
#ifndef TESTS_E2E_SWITCHOVER_H
#define TESTS_E2E_SWITCHOVER_H

#include "scenario.h"

/* The function of struct scenario. RAM has data in its first config->data_size bytes, and is
 * written at each of config->touch. The machine is q35. */
int switchover_run(const struct scenario_config *config, struct vmproc vms[VMS],
		   struct json_object *migrations, int64_t deadline, struct failure *failure);

/* The address, for the guest's processor, of what is at @at of the machine's RAM. */
uint64_t switchover_address(const struct scenario_config *config, uint64_t at);

/*
 * The same; but half of the data, from 16 MiB on, is only written when QEMU has been there and is
 * still in its first pass. The report's "later_ms" is from the end of that pass on.
 */
int switchover_run_later(const struct scenario_config *config, struct vmproc vms[VMS],
			 struct json_object *migrations, int64_t deadline, struct failure *failure);

#endif
