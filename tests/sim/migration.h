/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RDMACHUNK_TESTS_SIM_MIGRATION_H
#define RDMACHUNK_TESTS_SIM_MIGRATION_H

#include "world.h"

/* One migration, of a world that seed_init() has made. False when it broke a rule; w->why says
 * which. */
bool migration_run(struct world *w);

#endif
