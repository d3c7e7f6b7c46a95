/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RDMACHUNK_CORE_RAM_BLOCKS_H
#define RDMACHUNK_CORE_RAM_BLOCKS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/discard_map.h"
#include "core/extent_map.h"

/* The guest's RAM blocks as the RAM_BLOCKS_RESULT message lists them, and what
 * is registered in each. */

struct ram_block {
	uint64_t offset;     /* in the destination's ram_addr_t space */
	uint64_t length;     /* bytes */
	uint64_t host_addr;  /* base in the destination's process */
	uint64_t local_addr; /* base in this process, when local_known */
	bool local_known;
	/* QEMU has been through it once: it has left it, or gone back in it. */
	bool passed;
	struct extent_map remote; /* at the destination, by rkey (source role only) */
	struct extent_map local;  /* in this process, by MR */
	/* What QEMU has discarded here. Before the first registration discard_map_init()
	 * it, or nothing can be told: discard_watch() in the engine. */
	struct discard_map discards;
	bool watched;
	/* Its pages come from a pool that can run out. */
	bool huge;
	/* QEMU has MRs here that `local` does not show. */
	bool unmapped;
	/* and some of them follow the memory by themselves. */
	bool on_demand;
};

/* All zero is an empty table. */
struct ram_blocks {
	struct ram_block *block;
	unsigned int count;
	uint64_t new_bytes; /* of the blocks that QEMU has not been through */
	/* Something in one of them has been, once. Any thread sets it. */
	atomic_bool discarded;
};

/*
 * Replace the table by what a RAM_BLOCKS_RESULT lists. 0; -EBADMSG for a
 * malformed message or a block that is empty or wraps around; -ENOMEM. On
 * failure the table is as it was. The old extents' values must have been
 * released before.
 */
int ram_blocks_load(struct ram_blocks *blocks, const void *msg, size_t len);

void ram_blocks_clear(struct ram_blocks *blocks);

/* QEMU has been through it once. */
void ram_blocks_passed(struct ram_blocks *blocks, struct ram_block *block);

/* Something in `range` of the block has been discarded. Any thread may call this,
 * without a lock, for as long as the table is there. */
void ram_blocks_discard(struct ram_blocks *blocks, struct ram_block *block, struct range range);

/* The block whose local memory holds all of [addr, addr + len), with that
 * place in the block in *where; NULL when there is none. */
struct ram_block *ram_blocks_find_local(struct ram_blocks *blocks, uint64_t addr, uint64_t len,
					struct range *where);

#endif
