/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RDMACHUNK_TESTS_SIM_SEED_H
#define RDMACHUNK_TESTS_SIM_SEED_H

#include "world.h"

/* The settings that a seed makes, with or without QEMU's discards. */
void seed_init(struct world *w, uint64_t seed, bool discards, bool trace);

#endif
