/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RDMACHUNK_TESTS_SIM_SCHEDULE_H
#define RDMACHUNK_TESTS_SIM_SCHEDULE_H

#include "world.h"

/*
 * Who acts when, decided by the seed: at each step of QEMU's source, and while it sleeps, any of
 * the others, in any order: the NICs, the destination's CPU, the shim's threads, the guest; and
 * what goes wrong.
 */

void schedule_init(struct world *w);

#endif
