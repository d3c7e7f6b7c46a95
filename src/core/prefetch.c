/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "core/prefetch.h"

/* Data is looked for this far ahead of QEMU, in bytes. */
#define SCAN_AHEAD (UINT64_C(64) << 20)

unsigned int prefetch_shift(const struct extent_map *map, unsigned int shift)
{
	uint64_t registered = extent_map_bytes(map, (struct range){0, UINT64_MAX});
	unsigned int next = PREFETCH_FIRST_SHIFT;

	while (next < shift && registered > UINT64_C(1) << next)
		next++;
	return next < shift ? next : shift;
}

bool prefetch_start(const struct extent_map *map, uint64_t block_length, uint64_t position,
		    uint64_t from, unsigned int shift, uint64_t *start)
{
	uint64_t passed = extent_map_bytes(map, (struct range){0, position});
	uint64_t enough = UINT64_C(1) << prefetch_shift(map, shift);
	uint64_t at = extent_map_free_at(map, from > position ? from : position);

	if (passed < enough)
		enough = passed;
	if (enough < UINT64_C(1) << PREFETCH_FIRST_SHIFT)
		enough = UINT64_C(1) << PREFETCH_FIRST_SHIFT;
	if (at >= block_length || extent_map_bytes(map, (struct range){position, at}) >= enough)
		return false;
	*start = at;
	return true;
}

struct range prefetch_piece(const struct extent_map *map, uint64_t block_length, uint64_t start,
			    unsigned int shift)
{
	uint64_t size = UINT64_C(1) << shift;
	struct range bounds = {start, (start & ~(size - 1)) + size};
	struct range piece = bounds;

	if (bounds.end > block_length)
		bounds.end = block_length;
	extent_map_gap(map, bounds, (struct range){start, start + 1}, &piece);
	return piece;
}

void prefetch_passed(struct prefetch *p, struct ram_blocks *blocks, uint32_t block, uint64_t end)
{
	bool leaves = p->seen && (p->block != block || end < p->position);

	if (leaves)
		blocks->block[p->block].passed = true;
	if (leaves || !p->known)
		p->scanned = 0;
	p->known = true;
	p->seen = true;
	p->block = block;
	p->position = end;
}

bool prefetch_bridges(const struct prefetch *p, const struct ram_block *block)
{
	return p->bridge && !block->huge;
}

/* Of the chunk that QEMU is in: a run of zeros may end within one. */
static uint64_t chunk_start(const struct prefetch *p, uint64_t chunk_size)
{
	return p->position & ~(chunk_size - 1);
}

bool prefetch_next(const struct prefetch *p, const struct ram_blocks *blocks, uint64_t chunk_size,
		   struct prefetch_scan *scan)
{
	const struct ram_block *block;
	uint64_t position, start, limit;
	struct range gap;

	if (!p->on || !p->known)
		return false;
	block = &blocks->block[p->block];
	position = chunk_start(p, chunk_size);
	if (!block->local_known || block->passed ||
	    !prefetch_start(&block->remote, block->length, position, p->scanned, p->shift, &start))
		return false;
	limit = chunk_size > SCAN_AHEAD ? chunk_size : SCAN_AHEAD;
	if (start - position >= limit ||
	    !extent_map_gap(&block->remote, (struct range){start, block->length},
			    (struct range){start, start + 1}, &gap))
		return false;
	*scan = (struct prefetch_scan){
		.block = p->block,
		.range = {start, gap.end - start > limit ? start + limit : gap.end},
		.end = gap.end,
		.position = p->position,
		.place = {.memory = &p->memory, .addr = block->local_addr, .chunk = chunk_size},
		.shift = prefetch_shift(&block->remote, p->shift),
		.bridge = prefetch_bridges(p, block),
	};
	return true;
}

struct range prefetch_find(const struct prefetch_scan *scan)
{
	uint64_t start = data_run_find(&scan->place, scan->range);
	uint64_t size = UINT64_C(1) << scan->shift;
	struct range run = {start, (start & ~(size - 1)) + size};

	if (start == scan->range.end)
		return (struct range){start, start};
	/* In whole chunks: one may be longer than a piece. */
	if (run.end - start < scan->place.chunk)
		run.end = start + scan->place.chunk;
	if (run.end > scan->end)
		run.end = scan->end;
	run.end = data_run_end(&scan->place, run, scan->bridge);
	return run;
}

bool prefetch_scanned(struct prefetch *p, struct ram_blocks *blocks,
		      const struct prefetch_scan *scan, struct range found, bool can_ask)
{
	struct ram_block *block = &blocks->block[scan->block];
	struct range piece;

	/* Meanwhile QEMU may have gone back, or to another block. */
	if (scan->block != p->block || p->position < scan->position)
		return false;
	p->scanned = found.start;
	if (found.start == found.end || !can_ask || block->passed ||
	    !extent_map_gap(&block->remote, found, (struct range){found.start, found.start + 1},
			    &piece))
		return false;
	if (extent_map_insert(&block->remote, piece, PREFETCH_NO_RKEY_YET)) {
		/* There is no memory: QEMU asks for what it needs. */
		p->on = false;
		return false;
	}
	p->asked_block = scan->block;
	p->asked = piece;
	return true;
}

void prefetch_answered(struct prefetch *p, struct ram_blocks *blocks, uint64_t rkey)
{
	struct extent_map *remote = &blocks->block[p->asked_block].remote;

	if (rkey == PREFETCH_NO_RKEY_YET)
		extent_map_remove(remote, p->asked.start);
	else
		extent_map_set(remote, p->asked.start, rkey);
}

/* The part of what the destination has, or will have, registered that comes next. */
static bool next_of_remote(const struct ram_block *block, uint64_t position, struct range *range)
{
	uint64_t at = position;

	for (;;) {
		struct range asked, rest;

		if (!extent_map_next(&block->remote, at, &asked))
			return false;
		at = extent_map_free_at(&block->local, at > asked.start ? at : asked.start);
		if (at >= asked.end)
			continue;
		rest = (struct range){at, asked.end};
		return extent_map_gap(&block->local, rest, (struct range){at, at + 1}, range);
	}
}

bool prefetch_local(const struct prefetch *p, const struct ram_blocks *blocks, uint64_t chunk_size,
		    struct ram_block **block, struct range *range)
{
	if (!p->known || !chunk_size)
		return false;
	*block = &blocks->block[p->block];
	return (*block)->watched && !(*block)->passed &&
	       next_of_remote(*block, chunk_start(p, chunk_size), range);
}
