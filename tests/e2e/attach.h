/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A command that does something to a QEMU that runs: puts the shim into it. */
#ifndef TESTS_E2E_ATTACH_H
#define TESTS_E2E_ATTACH_H

#include <stdbool.h>
#include <stdint.h>

#include "ab/vmproc.h"

/*
 * Run the shell command with QEMU's process number behind it; NULL: nothing happens. With `stats'
 * it finds in its environment where the statistics go. Its output goes to the QEMU's log. Returns 0
 * when its exit status is 0.
 */
int attach_run(const char *command, const struct vmproc *vm, bool stats, struct failure *failure);

/* vm_connect(), and the command. */
int attach_connect(const char *command, struct vmproc *vm, bool stats, int64_t deadline,
		   struct failure *failure);

#endif
