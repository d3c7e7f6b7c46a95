/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RDMACHUNK_TESTS_SIM_INTERPOSE_H
#define RDMACHUNK_TESTS_SIM_INTERPOSE_H

struct world;

/*
 * What the core calls, led here by the linker's --wrap: it may get no memory, and
 * threads that need no lock act between two of its steps.
 */

/* It is the core of this world that calls. */
void interpose_begin(struct world *w);

/* Before the core looks at what has been discarded, or forgets it. */
void interpose_preempt(void);

#endif
