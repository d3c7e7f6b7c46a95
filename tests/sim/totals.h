/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RDMACHUNK_TESTS_SIM_TOTALS_H
#define RDMACHUNK_TESTS_SIM_TOTALS_H

#include <stdint.h>

#include "core/order.h"

struct world;

/* Sums over many migrations, to see that they went where the rules matter. */
struct totals {
	uint64_t seeds, steps, succeeded;
	struct order_counters order;
	uint64_t requests_seen, requests_answered, requests_held, requests_prefetched;
	uint64_t discards, pages_discarded, renewed, given_back;
};

void totals_add(struct totals *t, const struct world *w);
void totals_print(const struct totals *t);

#endif
