/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RDMACHUNK_CORE_POST_COST_H
#define RDMACHUNK_CORE_POST_COST_H

#include <stdbool.h>
#include <stdint.h>

/*
 * Does a provider's post_send() do the NIC's work before it returns, as software
 * RDMA does? An adapter's takes less than a microsecond, but a thread that loses the
 * processor in it, or a guest's that loses its virtual one, returns much later. So
 * only a call that has taken long leads to a closer look at those after it: at the
 * time that the processor spent on them, which is dearer to ask for.
 */

/* Nanoseconds; a call that takes longer is a long one. */
#define POST_COST_LONG UINT64_C(100000)
/* So many long ones in a row, by the processor's time, are no coincidence. */
#define POST_COST_CALLS 3

enum post_cost_clock {
	POST_COST_WALL,
	POST_COST_CPU, /* the thread's */
};

/* All zero at first. */
struct post_cost {
	unsigned int seen; /* long calls in a row; the first by the wall clock */
};

/* What the next call is to be measured with. */
enum post_cost_clock post_cost_clock(const struct post_cost *c);

/* A call took `ns` by that clock. */
void post_cost_add(struct post_cost *c, uint64_t ns);

/* Is it known to be slow? Then it stays so. */
bool post_cost_is_high(const struct post_cost *c);

#endif
