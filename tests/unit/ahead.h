/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RDMACHUNK_TESTS_UNIT_AHEAD_H
#define RDMACHUNK_TESTS_UNIT_AHEAD_H

#include <string.h>

#include "core/prefetch.h"
#include "support.h"

/*
 * A struct prefetch under test, and the guest's RAM that it registers ahead of QEMU: two blocks
 * with data all over. Each program has its own.
 */

#define MS     UINT64_C(1000000)
#define LOCAL  UINT64_C(0x7f0000000000)
#define LENGTH (8 * GIB)

static struct prefetch p;
static struct rate wire;
static struct ram_block block[2];
static struct ram_blocks blocks = {.block = block, .count = 2};
static struct extent_map *map = &block[0].remote;
static struct fake_memory memory;

/* QEMU is at the start of the first block, and nothing is registered. */
static inline void setup(void)
{
	memset(&p, 0, sizeof(p));
	memset(&memory, 0, sizeof(memory));
	wire.per_second = 0;
	prefetch_init(&p, 30, 1);
	p.on = true;
	p.bridge = true;
	p.memory = fake_memory_of(&memory);
	for (unsigned int i = 0; i < 2; i++) {
		block[i] = (struct ram_block){.length = LENGTH,
					      .local_addr = LOCAL,
					      .local_known = true,
					      .watched = true};
	}
	blocks.new_bytes = 2 * LENGTH;
	prefetch_passed(&p, &blocks, 0, 0);
}

static inline void teardown(void)
{
	for (unsigned int i = 0; i < 2; i++) {
		extent_map_clear(&block[i].remote);
		extent_map_clear(&block[i].local);
	}
}

static inline void add(uint64_t start, uint64_t end)
{
	ck_assert_int_eq(extent_map_insert(map, (struct range){start, end}, 1), 0);
}

/* It looks, and plans for what it finds. */
static inline bool plan(void)
{
	struct prefetch_scan scan;

	if (!prefetch_next(&p, &blocks, &wire, MIB, &scan))
		return false;
	prefetch_scanned(&p, &blocks, &scan, prefetch_find(&scan));
	return true;
}

#endif
