/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RDMACHUNK_CORE_PREFETCH_H
#define RDMACHUNK_CORE_PREFETCH_H

#include <stdbool.h>
#include <stdint.h>

#include "core/data_run.h"
#include "core/extent_map.h"
#include "core/ram_blocks.h"

/*
 * Registration ahead of QEMU, at a source: how much at once, and what next. To register a
 * whole region before its first byte is sent leaves the wire idle meanwhile; so
 * the first piece is small, and each further one is registered while the data of
 * those before it flows. A piece is as long as all that is registered already,
 * so that there are few of them and each is done when it is needed.
 *
 *      |--16M--|--16M--|------32M------|-------------64M-------------|   up to 2^shift
 */

#define PREFETCH_FIRST_SHIFT 24

/*
 * From when a piece is to be asked for until the destination has registered it, its extent
 * is in the block's map with this in the place of an rkey, so that nothing else is asked
 * for there.
 */
#define PREFETCH_NO_RKEY_YET UINT64_MAX

struct prefetch {
	bool on;
	/* Where QEMU is: the end of what it asked for or zeroed last. */
	bool known;
	/* It was in `block` before, if we do not know any better. */
	bool seen;
	uint32_t block;
	uint64_t position;
	/* Up to here there is no data in memory that is not registered. */
	uint64_t scanned;
	/* What the destination is asked for, while it has not answered. */
	uint32_t asked_block;
	struct range asked;
	/* The piece of 2^shift bytes at most; are gaps in it bridged? */
	unsigned int shift;
	bool bridge;
	struct guest_memory memory;
};

/* Guest memory in which to look for the next run of data. */
struct prefetch_scan {
	uint32_t block;
	struct range range; /* where the run may begin */
	uint64_t end;	    /* and where it ends at the latest */
	uint64_t position;  /* where QEMU was */
	struct data_run_place place;
	unsigned int shift; /* 2^shift bytes at most */
	bool bridge;
};

/* QEMU has come to `end` of a block, in bytes from its start. */
void prefetch_passed(struct prefetch *p, struct ram_blocks *blocks, uint32_t block, uint64_t end);

/* Is it time to ask for more? Then *scan is where to look for it: prefetch_find() does so,
 * and prefetch_scanned() is told. Not while a piece is asked for. */
bool prefetch_next(const struct prefetch *p, const struct ram_blocks *blocks, uint64_t chunk_size,
		   struct prefetch_scan *scan);

/* What to ask for; empty, at the end of scan->range, when there is no data in that. Reads
 * guest memory, and nothing of the connection's: needs no lock. */
struct range prefetch_find(const struct prefetch_scan *scan);

/* True when p->asked, of p->asked_block, is to be asked for, which `can_ask` must allow. */
bool prefetch_scanned(struct prefetch *p, struct ram_blocks *blocks,
		      const struct prefetch_scan *scan, struct range found, bool can_ask);

/* The destination has answered, or has never been asked: rkey is PREFETCH_NO_RKEY_YET. */
void prefetch_answered(struct prefetch *p, struct ram_blocks *blocks, uint64_t rkey);

/* What to register next in this process: a part of *block that the destination has been
 * asked for, and that is watched. False when there is none. */
bool prefetch_local(const struct prefetch *p, const struct ram_blocks *blocks, uint64_t chunk_size,
		    struct ram_block **block, struct range *range);

/* A huge page of zeros that lies in an MR stays pinned when QEMU gives it back, and the
 * guest that writes there again finds no other: it is ended (SIGBUS). */
bool prefetch_bridges(const struct prefetch *p, const struct ram_block *block);

/* log2 of the bytes of the piece after those in `map`: what they hold, rounded
 * up; `shift` at most. */
unsigned int prefetch_shift(const struct extent_map *map, unsigned int shift);

/*
 * Where the next piece begins at the earliest: the first free address from
 * `from` on. False when as much is registered in front of QEMU, which is at
 * `position`, as it has passed, or as a piece has at most: when QEMU has not yet
 * come to the last piece, that is. False at the end of the block.
 */
bool prefetch_start(const struct extent_map *map, uint64_t block_length, uint64_t position,
		    uint64_t from, unsigned int shift, uint64_t *start);

/* The piece of 2^shift bytes at most that begins at `start`, which is free: to the
 * end of the aligned region around it, clipped to what is registered, and to the
 * block. */
struct range prefetch_piece(const struct extent_map *map, uint64_t block_length, uint64_t start,
			    unsigned int shift);

#endif
