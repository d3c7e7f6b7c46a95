/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "interpose.h"

#include <stddef.h>

#include "world.h"

static struct world *world;

void interpose_begin(struct world *w)
{
	world = w;
}

void interpose_preempt(void)
{
	discard_step(world);
}

/* The linker's names. */
void *__real_malloc(size_t size);
void *__wrap_malloc(size_t size);
bool __real_discard_map_test(const struct discard_map *map, struct range range);
bool __wrap_discard_map_test(const struct discard_map *map, struct range range);

/* An extent map grows. */
void *__wrap_malloc(size_t size)
{
	struct discards *d = &world->discards;

	if (d->scarce && random_percent(&d->random, d->scarce)) {
		world_trace(world, "shim", "gets no memory");
		return NULL;
	}
	return __real_malloc(size);
}

bool __wrap_discard_map_test(const struct discard_map *map, struct range range)
{
	interpose_preempt();
	return __real_discard_map_test(map, range);
}
