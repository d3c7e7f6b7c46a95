/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A scenario in which the guest writes last of all when QEMU has stopped it for the switchover. */
#ifndef TESTS_E2E_SWITCHOVER_H
#define TESTS_E2E_SWITCHOVER_H

#include "scenario.h"

/* The function of struct scenario. RAM has data in its first config->data_size bytes, and is
 * written at each of config->touch. The machine is q35. */
int switchover_run(const struct scenario_config *config, struct vmproc vms[VMS],
		   struct json_object *migrations, int64_t deadline, struct failure *failure);

/* The address, for the guest's processor, of what is at @at of the machine's RAM. */
uint64_t switchover_address(const struct scenario_config *config, uint64_t at);

#endif
