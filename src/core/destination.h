/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RDMACHUNK_CORE_DESTINATION_H
#define RDMACHUNK_CORE_DESTINATION_H

#include "core/ram_blocks.h"

/*
 * The receiving end of a migration: what is registered here that the source has not
 * asked for. All that this end knows of the data is what the source has asked for.
 *
 * One that is not preloaded asks for a chunk at a time. Behind a run of chunks asked for one after
 * the other there is likely more data, so as much as a quarter of it is registered ahead:
 *
 *      |=asked=|==asked==|=ahead, asked since=|..ahead..|
 *      ^start                                 ^position
 *
 * A source that is preloaded asks for pieces, none of which reaches over a multiple of its windows
 * (core/piece.h). So windows are registered before it asks, an MR each and several at once:
 *
 *      |====asked===|==asked==|=ahead, asked since=|....ahead....|....ahead....|
 *      |        window        |       window       |   window    |   window    |
 *                             position             ^
 *
 * Where a piece ends in the middle of one its data does. What was registered and not asked for is
 * counted for the whole connection, since it may never be, and the memory is allocated in vain: it
 * is a twentieth of what was asked for at most. Only where data goes on without a gap it may be
 * more, by 32 MiB at most.
 *
 * Nothing where QEMU has been before.
 */
struct destination {
	struct ram_blocks blocks;
	bool limited;	/* nothing beyond what is asked for */
	bool preloaded; /* the source is: it has asked for more than a chunk at once */
	/* What QEMU registered last; NULL before that. */
	struct ram_block *block;
	uint64_t position; /* the end of it */
	/* The run that it ends: where it starts, and what was asked for of it. */
	uint64_t start;
	uint64_t asked;
	/* Bytes of a chunk, 0 until one is seen that the block's end does not cut. */
	uint64_t chunk;
	/* Of a preloaded source: its windows, as far as has been seen, and for how many requests
	 * half of that would have been enough; what it has asked for in all; what is registered and
	 * was not asked for. In bytes. */
	uint64_t window;
	unsigned int shorter;
	uint64_t total;
	uint64_t unasked;
};

/* QEMU sends the control message `msg`: it tells the source of its RAM blocks, once. */
void destination_send(struct destination *d, const void *msg, size_t len);

/* QEMU registers [addr, addr + length) of its memory. Returns the RAM block that it lies
 * in, with the place in it in *want; NULL when it is no guest memory. */
struct ram_block *destination_register(struct destination *d, uint64_t addr, uint64_t length,
				       struct range *want);

/* QEMU registers `want`. */
void destination_asked(struct destination *d, struct ram_block *block, struct range want);

/* What may be registered there and then, in one with `want`, which was just asked for. */
struct range destination_bounds(const struct destination *d, struct range want);

/* What to register next, ahead of QEMU and by one of so many threads, in *block; false when
 * there is enough. destination_begins(): that is being done. */
bool destination_prefetch(const struct destination *d, unsigned int threads,
			  struct ram_block **block, struct range *piece);
void destination_begins(struct destination *d, struct range piece);

#endif
