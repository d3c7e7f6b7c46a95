/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The scenario `sparse': a guest of anonymous memory of which one page in each 64 MiB has data.
 * What is read of such memory stays where it is not, so that what is resident afterwards is what
 * somebody has brought there. Contents are checked by qtest, page for page of those.
 */
#ifndef TESTS_E2E_SPARSE_H
#define TESTS_E2E_SPARSE_H

#include "scenario.h"

int sparse_run(const struct scenario_config *config, struct vmproc vms[VMS],
	       struct json_object *migrations, int64_t deadline, struct failure *failure);

#endif
