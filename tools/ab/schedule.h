/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which variant comes when. Every round has each variant once, so that what changes slowly (heat,
 * load, memory) touches all alike. The order moves on by one from round to round, and is reversed
 * in every other cycle, so that each has every place and not always the same one before it.
 */
#ifndef TOOLS_AB_SCHEDULE_H
#define TOOLS_AB_SCHEDULE_H

#include <stdbool.h>
#include <stddef.h>

struct schedule {
	size_t variants;
	unsigned int warmup, rounds;
};

struct turn {
	size_t variant;
	unsigned int round; /* from 1 on, of warm-up or of measurement */
	bool warmup;
};

/* All the turns there are. */
size_t schedule_turns(const struct schedule *schedule);

/* The turn with this number, from 0 on. */
struct turn schedule_turn(const struct schedule *schedule, size_t number);

#endif
