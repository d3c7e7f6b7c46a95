/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RDMACHUNK_ATTACH_CHECKS_H
#define RDMACHUNK_ATTACH_CHECKS_H

#include "process.h"
#include "target.h"

/* Room for a line that says why something cannot be done, and "; fix: " and what to do about it.
 */
#define CHECKS_REASON_LEN 1024

/*
 * May the process be traced, and is it a QEMU that migrates over RDMA? Opens *target, to be closed
 * with target_close() if that is so. Changes nothing. 0; or with the reason, and the target
 * closed, -EBUSY while the process is being loaded, else another negative errno.
 */
int checks_target(const struct process *process, struct target *target,
		  char reason[CHECKS_REASON_LEN]);

/* Room for a library's version; a longer one is cut off. */
#define CHECKS_VERSION_LEN 64

/*
 * Can the library at `path`, as the process's root directory has it, be loaded into the process?
 * Sets `version` to the library's.
 */
bool checks_library(const struct process *process, const char *path,
		    char version[CHECKS_VERSION_LEN], char reason[CHECKS_REASON_LEN]);

/* Is there no RDMA connection, and none in the making? A device may be open. 0; or with the reason
 * -EBUSY when there is one, else another negative errno. */
int checks_idle(const struct process *process, char reason[CHECKS_REASON_LEN]);

#endif
