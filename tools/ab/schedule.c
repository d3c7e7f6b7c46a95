// SPDX-License-Identifier: GPL-2.0-or-later
#include "schedule.h"

size_t schedule_turns(const struct schedule *schedule)
{
	return schedule->variants * ((size_t)schedule->warmup + schedule->rounds);
}

struct turn schedule_turn(const struct schedule *schedule, size_t number)
{
	size_t n = schedule->variants, round = number / n, place = number % n;
	struct turn turn = {.warmup = round < schedule->warmup};

	if (!turn.warmup)
		round -= schedule->warmup;
	turn.round = (unsigned int)round + 1;
	if (round / n % 2)
		place = n - 1 - place;
	turn.variant = (place + round) % n;
	return turn;
}
