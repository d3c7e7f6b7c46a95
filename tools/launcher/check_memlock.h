/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RDMACHUNK_LAUNCHER_CHECK_MEMLOCK_H
#define RDMACHUNK_LAUNCHER_CHECK_MEMLOCK_H

#include <stdbool.h>

#include "findings.h"
#include "target.h"

/*
 * May QEMU lock all that a migration of its guest registers? `chosen`: the user was given. `strict`
 * says that there is a device whose driver counts locked memory of privileged processes too.
 */
void check_memlock(struct findings *findings, const struct target *target, bool chosen,
		   bool strict);

#endif
