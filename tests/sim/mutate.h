/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RDMACHUNK_TESTS_SIM_MUTATE_H
#define RDMACHUNK_TESTS_SIM_MUTATE_H

#include <stdbool.h>

/*
 * Faults put into the core, to show that the simulation finds them. They are made
 * outside it, by the linker's --wrap.
 */

/* False for a name that is not in the list. */
bool mutate(const char *name);

/* The names, one a line. */
void mutate_list(void);

#endif
