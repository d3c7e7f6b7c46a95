/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "seed.h"

#include <stddef.h>
#include <string.h>

#include "interpose.h"
#include "schedule.h"

static void choose_guest(struct world *w)
{
	struct settings *s = &w->settings;
	/* Now and then one that fills the send queue. */
	bool large = !random_below(&w->random, 400);

	s->chunk_shift = RANDOM_OF(&w->random, 20, 20, 20, 21, 22, 25);
	s->chunk_pages = RANDOM_OF(&w->random, 1, 2, 2, 4);
	s->blocks = 1 + random_below(&w->random, GUEST_BLOCKS);
	for (unsigned int i = 0; i < s->blocks; i++)
		s->block_pages[i] =
			1 + random_below(&w->random,
					 large ? 600 : RANDOM_OF(&w->random, 8, 32, 64, 128));
	s->zero_percent = RANDOM_OF(&w->random, 0, 10, 20, 50, 80, 100);
	s->guest_zero_percent = RANDOM_OF(&w->random, 0, 20, 50);
	s->guest_percent = RANDOM_OF(&w->random, 1, 5, 20);
	s->guest_writes = RANDOM_OF(&w->random, 0, 1, 3);
	s->iterations = 1 + random_below(&w->random, large ? 2 : 3);
	s->iteration_pages = large ? 2000 : RANDOM_OF(&w->random, 8, 64, 200, 400);
	s->dirty_percent = RANDOM_OF(&w->random, 50, 95, 100, 100);
}

void seed_init(struct world *w, uint64_t seed, bool discards, bool trace)
{
	struct settings *s = &w->settings;

	memset(w, 0, offsetof(struct world, physical));
	w->seed = seed;
	w->trace = trace;
	w->random.state = seed;
	choose_guest(w);
	s->shift = s->chunk_shift + RANDOM_OF(&w->random, 0, 1, 2, 3, 5, 7);
	if (s->shift > 30)
		s->shift = 30;
	s->writes = random_percent(&w->random, 80);
	s->zeros = random_percent(&w->random, 80);
	s->ahead = random_percent(&w->random, 80);
	s->poster = s->writes && random_percent(&w->random, 50);
	s->one_cq = random_percent(&w->random, 25);
	s->swallows = seed % 2;
	s->max_message = UINT64_C(1) << (s->chunk_shift + RANDOM_OF(&w->random, 0, 1, 2, 5, 5));
	s->rewind_percent = RANDOM_OF(&w->random, 0, 0, 5, 30);
	s->wide_fail_percent = RANDOM_OF(&w->random, 0, 0, 0, 0, 0, 0, 50, 100);
	s->busy_percent = RANDOM_OF(&w->random, 0, 0, 0, 0, 0, 0, 0, 20);
	if (random_percent(&w->random, 35)) {
		s->fault = (enum fault)(1 + random_below(&w->random, FAULTS - 1));
		s->fault_step = random_below(&w->random, RANDOM_OF(&w->random, 40, 400, 2000));
	}
	/* From far too short for any piece to far too long. */
	s->tick_ns = RANDOM_OF(&w->random, 0, 10, 1000, 100000, 1000000, 20000000);
	s->threads = 1 + (unsigned int)(seed / 16 % DRIVER_THREADS);
	schedule_init(w);
	world_trace(w, "seed", "%llu: chunks of 2^%u bytes and %u pages, regions of 2^%u bytes",
		    (unsigned long long)seed, s->chunk_shift, s->chunk_pages, s->shift);
	world_trace(w, "seed", "writes %s, zeros %s, ahead %s, %s CQ, fault %d at step %u",
		    s->writes ? "on" : "off", s->zeros ? "on" : "off", s->ahead ? "on" : "off",
		    s->one_cq ? "one" : "two", s->fault, s->fault_step);
	discard_init(w, discards);
	interpose_begin(w);
}
