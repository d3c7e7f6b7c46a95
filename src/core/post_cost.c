/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "core/post_cost.h"

enum post_cost_clock post_cost_clock(const struct post_cost *c)
{
	return c->seen ? POST_COST_CPU : POST_COST_WALL;
}

void post_cost_add(struct post_cost *c, uint64_t ns)
{
	if (!post_cost_is_high(c))
		c->seen = ns > POST_COST_LONG ? c->seen + 1 : 0;
}

bool post_cost_is_high(const struct post_cost *c)
{
	return c->seen > POST_COST_CALLS;
}
