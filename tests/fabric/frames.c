// SPDX-License-Identifier: GPL-2.0-or-later
#include "frames.h"

#include "raw.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

/* Frames come from arenas that are aligned to their size, so that an address tells its arena. */
#define ARENA_SIZE   (2ull << 20)
#define ARENA_FRAMES (ARENA_SIZE / FAB_PAGE_SIZE) /* the first is the arena's own */

struct arena {
	struct arena *next, *previous;
	uint32_t used;
	uint32_t first_maybe_free;
	bool taken[ARENA_FRAMES];
	uint32_t references[ARENA_FRAMES];
};

_Static_assert(sizeof(struct arena) <= FAB_PAGE_SIZE, "an arena's first page holds its state");

static struct arena *arenas; /* those with room */
static _Atomic uint64_t live, total;

static struct arena *arena_of(uintptr_t frame)
{
	return (struct arena *)(frame & ~(ARENA_SIZE - 1));
}

static uint32_t index_of(uintptr_t frame)
{
	return (frame & (ARENA_SIZE - 1)) >> FAB_PAGE_SHIFT;
}

static void unlink_arena(struct arena *arena)
{
	if (arena->next)
		arena->next->previous = arena->previous;
	if (arena->previous)
		arena->previous->next = arena->next;
	else
		arenas = arena->next;
}

static void link_first(struct arena *arena)
{
	arena->previous = NULL;
	arena->next = arenas;
	if (arenas)
		arenas->previous = arena;
	arenas = arena;
}

static struct arena *new_arena(void)
{
	char *memory = raw_memory(2 * ARENA_SIZE), *start;
	struct arena *arena;

	if (memory == MAP_FAILED)
		return NULL;
	start = (char *)(((uintptr_t)memory + ARENA_SIZE - 1) & ~(ARENA_SIZE - 1));
	if (start > memory)
		raw_munmap(memory, start - memory);
	raw_munmap(start + ARENA_SIZE, memory + ARENA_SIZE - start);
	arena = (struct arena *)start;
	arena->used = 1;
	arena->first_maybe_free = 1;
	link_first(arena);
	return arena;
}

uintptr_t fab_frame_new(void)
{
	struct arena *arena = arenas;
	uint32_t i;

	if (!arena)
		arena = new_arena();
	if (!arena)
		return 0;
	for (i = arena->first_maybe_free; arena->taken[i]; i++)
		continue;
	arena->taken[i] = true;
	arena->first_maybe_free = i + 1;
	if (++arena->used == ARENA_FRAMES)
		unlink_arena(arena);
	atomic_fetch_add(&live, 1);
	atomic_fetch_add(&total, 1);
	return (uintptr_t)arena + ((uintptr_t)i << FAB_PAGE_SHIFT);
}

void fab_frame_ref(uintptr_t frame)
{
	arena_of(frame)->references[index_of(frame)]++;
}

void fab_frame_drop_unused(uintptr_t frame)
{
	struct arena *arena = arena_of(frame);
	uint32_t i = index_of(frame);

	if (arena->references[i])
		return;
	arena->taken[i] = false;
	if (i < arena->first_maybe_free)
		arena->first_maybe_free = i;
	atomic_fetch_sub(&live, 1);
	if (arena->used-- == ARENA_FRAMES) {
		link_first(arena);
	} else if (arena->used == 1) {
		unlink_arena(arena);
		raw_munmap(arena, ARENA_SIZE);
	}
}

void fab_frame_unref(uintptr_t frame)
{
	arena_of(frame)->references[index_of(frame)]--;
	fab_frame_drop_unused(frame);
}

void fab_frame_counts(struct frame_counts *counts)
{
	counts->live = atomic_load(&live);
	counts->total = atomic_load(&total);
}
