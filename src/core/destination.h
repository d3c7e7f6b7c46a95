/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RDMACHUNK_CORE_DESTINATION_H
#define RDMACHUNK_CORE_DESTINATION_H

#include "core/ram_blocks.h"

/*
 * The receiving end of a migration: how far its registrations may be widened. It
 * knows nothing of the data but what the source has asked for. Behind a run of
 * chunks asked for one after the other there is likely more data, so as much as a
 * quarter of it is registered ahead, and no more:
 *
 *      |=asked=|==asked==|=ahead, asked since=|..ahead..|
 *      ^start                                 ^position
 *
 * Nothing where QEMU has been before; nothing when the source is preloaded, too,
 * for then it asks for what it is going to need itself.
 */
struct destination {
	struct ram_blocks blocks;
	bool exact; /* nothing beyond what is asked for */
	/* What QEMU registered last; NULL before that. */
	struct ram_block *block;
	uint64_t position; /* the end of it */
	/* The run that it ends: where it starts, and what was asked for of it. */
	uint64_t start;
	uint64_t asked;
	/* Bytes of a chunk, 0 until one is seen that the block's end does not cut. */
	uint64_t chunk;
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

/* What to register next, ahead of QEMU, in *block; false when there is enough. */
bool destination_prefetch(const struct destination *d, struct ram_block **block,
			  struct range *piece);

#endif
