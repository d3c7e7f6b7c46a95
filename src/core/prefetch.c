/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "core/prefetch.h"

/* As many bytes in front of QEMU are looked through for data, besides what is registered. */
#define SCAN_AHEAD (UINT64_C(64) << 20)

/* In a block that QEMU has been through no more than so many times what was found before. */
#define FOLLOW_FACTOR 4

/* A piece takes so many times longer than its request waits for. */
#define QUEUE_FACTOR 3

/* What a request waits for may be no less, in ns, when there was little on the wire just now. */
#define QUEUE_NS UINT64_C(5000000)

/* QEMU may go past a part of what it has asked for, and so much more, before no more is asked for
 * ahead of it. */
#define SKIPPED_PART  4
#define SKIPPED_LEAST (UINT64_C(64) << 20)

/* Where registering is slower than the wire, QEMU waits in any case: so many pieces after it did
 * are as long as may be, as each has a fixed cost. */
#define LATE_PIECES 4

void prefetch_init(struct prefetch *p, unsigned int shift, unsigned int threads)
{
	p->shift = shift;
	p->threads = threads;
	piece_init(&p->there);
	piece_init(&p->here);
}

static uint64_t least(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static uint64_t most(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

static bool is_empty(struct range range)
{
	return range.start == range.end;
}

static uint64_t region(const struct prefetch *p)
{
	return UINT64_C(1) << p->shift;
}

/* An end that is not known yet does not hold the other up. */
static uint64_t of_both(const struct prefetch *p, uint64_t there, uint64_t here)
{
	if (!p->here.ns)
		here = there;
	else if (!p->there.ns)
		there = here;
	return least(least(there, here), region(p));
}

/*
 * In PIECE_NS_MOST one thread of this end registers so much. What a destination has not registered
 * ahead QEMU's thread there does by itself, and that is taken to be no quicker.
 */
static uint64_t of_one_thread(const struct prefetch *p)
{
	if (p->threads < 2 || !p->here.ns)
		return region(p);
	return most(piece_rate_bytes(&p->here, PIECE_NS_MOST) / p->threads, PIECE_LEAST);
}

uint64_t prefetch_bytes(const struct prefetch *p)
{
	return least(of_both(p, p->there.bytes, p->here.bytes), of_one_thread(p));
}

uint64_t prefetch_window(const struct prefetch *p)
{
	uint64_t bytes = prefetch_bytes(p), window = least(PIECE_FIRST, region(p));

	while (2 * window <= bytes)
		window *= 2;
	return window;
}

/*
 * One thread registers it at each end. So this end is not as quick as its threads were together;
 * and a destination that had registered ahead, which is no measure for what it has not, is taken to
 * be no quicker than that.
 */
uint64_t prefetch_bytes_passed(const struct prefetch *p)
{
	return of_both(p, piece_within(&p->there, PREFETCH_PASSED_NS),
		       piece_within(&p->here, PREFETCH_PASSED_NS) / p->threads);
}

uint64_t prefetch_ns(const struct prefetch *p)
{
	return most(p->there.ns, p->here.ns);
}

uint64_t prefetch_planned_ns(const struct prefetch *p)
{
	return piece_ns(&p->there, p->planned.end - p->planned.start);
}

uint64_t prefetch_enough(const struct prefetch *p, const struct rate *wire)
{
	uint64_t ns = 2 * prefetch_ns(p) + PREFETCH_AHEAD_NS;

	/* To begin with, and where registering is quick beside the wire, one piece is. */
	return most(rate_bytes(wire, ns), prefetch_bytes(p));
}

bool prefetch_in_tail(const struct prefetch *p, const struct ram_blocks *blocks,
		      const struct rate *wire)
{
	uint64_t bytes;

	if (!p->on || !p->known || blocks->block[p->block].passed)
		return false;
	bytes = least(rate_bytes(wire, PREFETCH_TAIL_NS), PREFETCH_TAIL_BYTES);
	return blocks->new_bytes - p->position <= bytes;
}

bool prefetch_is_done(const struct prefetch *p, const struct ram_blocks *blocks)
{
	const struct ram_block *block = &blocks->block[p->block];

	return p->known && is_empty(p->planned) && !p->open &&
	       extent_map_free_at(&block->remote, most(p->scanned, p->position)) >= block->length;
}

/* Of the chunk that QEMU is in: a run of zeros may end within one. */
static uint64_t chunk_start(uint64_t position, uint64_t chunk_size)
{
	return position & ~(chunk_size - 1);
}

uint64_t prefetch_ahead(const struct prefetch *p, const struct ram_blocks *blocks)
{
	if (!p->known)
		return 0;
	return extent_map_bytes(&blocks->block[p->block].remote,
				(struct range){p->position, UINT64_MAX});
}

struct range prefetch_piece(const struct extent_map *map, uint64_t block_length, uint64_t start,
			    uint64_t bytes, uint64_t chunk_size)
{
	uint64_t window = most(bytes, chunk_size);
	struct range bounds = {start, (start & ~(window - 1)) + window};
	struct range piece;

	bounds.end = least(bounds.end, block_length);
	piece = bounds;
	extent_map_gap(map, bounds, (struct range){start, start + 1}, &piece);
	return piece;
}

/* Does QEMU, when it comes to `end` of this block, leave the one it was in, or go back in it? */
static bool leaves(const struct prefetch *p, uint32_t block, uint64_t end)
{
	return p->block != block || end < p->position;
}

void prefetch_passed(struct prefetch *p, struct ram_blocks *blocks, uint32_t block, uint64_t end)
{
	bool left = p->seen && leaves(p, block, end);

	if (left)
		ram_blocks_passed(blocks, &blocks->block[p->block]);
	if (left || !p->known) {
		p->scanned = 0;
		p->covered = 0;
		p->follows = 0;
		p->last = 0;
		p->planned = (struct range){0, 0};
	}
	p->known = true;
	p->seen = true;
	p->block = block;
	p->position = end;
}

void prefetch_comes(struct prefetch *p, const struct ram_blocks *blocks, uint32_t block,
		    struct range want, bool asks)
{
	const struct ram_block *before = &blocks->block[p->block];
	struct range between = {p->position,
				leaves(p, block, want.end) ? before->length : want.start};

	if (p->known && !before->passed && between.start < between.end)
		p->skipped += extent_map_bytes(&before->remote, between);
	if (asks)
		p->used += want.end - want.start;
}

bool prefetch_pays(const struct prefetch *p)
{
	return p->skipped <= p->used / SKIPPED_PART + SKIPPED_LEAST;
}

void prefetch_left(struct prefetch *p, struct ram_blocks *blocks)
{
	ram_blocks_passed(blocks, &blocks->block[p->block]);
	p->planned = (struct range){0, 0};
	p->known = false;
	p->seen = false;
}

bool prefetch_bridges(const struct prefetch *p, const struct ram_block *block)
{
	return p->bridge && !block->huge && !block->passed;
}

/* `ahead` bytes in front of QEMU are registered. Are they enough? Where it has been before they are
 * old, and one piece is. */
static bool is_enough(const struct prefetch *p, const struct ram_blocks *blocks,
		      const struct rate *wire, uint64_t ahead)
{
	if (blocks->block[p->block].passed)
		return p->last >= p->position;
	return ahead >= prefetch_enough(p, wire) && !prefetch_in_tail(p, blocks, wire);
}

bool prefetch_next(const struct prefetch *p, const struct ram_blocks *blocks,
		   const struct rate *wire, uint64_t chunk_size, struct prefetch_scan *scan)
{
	const struct ram_block *block;
	uint64_t window = most(prefetch_window(p), chunk_size);
	uint64_t position, start, end, limit, ahead, bytes = window;
	struct range gap;

	if (!p->on || !p->known || !is_empty(p->planned) || !prefetch_pays(p))
		return false;
	block = &blocks->block[p->block];
	if (!block->local_known || p->position >= block->length)
		return false;
	end = block->length;
	if (block->passed) {
		end = least(p->follows, end);
		bytes = prefetch_bytes_passed(p);
		bytes = most(bytes / chunk_size, 1) * chunk_size;
	}
	position = chunk_start(p->position, chunk_size);
	start = extent_map_free_at(&block->remote, most(p->scanned, position));
	ahead = extent_map_bytes(&block->remote, (struct range){position, start});
	limit = most(chunk_size, SCAN_AHEAD);
	if (start >= end || is_enough(p, blocks, wire, ahead) ||
	    start - position - ahead >= limit ||
	    !extent_map_gap(&block->remote, (struct range){start, block->length},
			    (struct range){start, start + 1}, &gap))
		return false;
	*scan = (struct prefetch_scan){
		.block = p->block,
		.passed = block->passed,
		.range = {start, least(start + limit, least(gap.end, end))},
		.end = gap.end,
		.position = p->position,
		.place = {.memory = &p->memory, .addr = block->local_addr, .chunk = chunk_size},
		.bytes = bytes,
		.window = window,
		.bridge = prefetch_bridges(p, block),
	};
	return true;
}

struct range prefetch_find(const struct prefetch_scan *scan)
{
	uint64_t start = data_run_find(&scan->place, scan->range);
	struct range run = {start, (start & ~(scan->window - 1)) + scan->window};

	if (start == scan->range.end)
		return (struct range){start, start};
	run.end = least(least(run.end, start + scan->bytes), scan->end);
	run.end = data_run_end_in_window(&scan->place, run, scan->end, scan->bridge);
	return run;
}

/* Data may follow what was found, or asked for. */
static void follow(struct prefetch *p, struct range range)
{
	p->follows = range.end + least(FOLLOW_FACTOR * (range.end - range.start), SCAN_AHEAD);
}

void prefetch_scanned(struct prefetch *p, const struct ram_blocks *blocks,
		      const struct prefetch_scan *scan, struct range found)
{
	/* Meanwhile QEMU may have gone back, or to another block; or both. */
	if (scan->block != p->block || p->position < scan->position ||
	    scan->passed != blocks->block[p->block].passed || (scan->passed && !p->follows))
		return;
	p->scanned = found.start;
	p->planned = found;
	/* When QEMU has gone past it what follows its own request matters. */
	if (!is_empty(found) && found.end > p->position)
		follow(p, found);
}

void prefetch_taken(struct prefetch *p, struct range range)
{
	follow(p, range);
	if (range.start < p->planned.end && range.end > p->planned.start)
		p->planned = (struct range){0, 0};
}

bool prefetch_ask_for(struct prefetch *p, struct ram_blocks *blocks, struct range range)
{
	if (extent_map_insert(&blocks->block[p->block].remote, range, PREFETCH_NO_RKEY_YET)) {
		/* QEMU asks for what it needs. */
		p->on = false;
		return false;
	}
	prefetch_recorded(p, range);
	p->asked_block = p->block;
	p->asked = range;
	p->last = range.start;
	return true;
}

bool prefetch_ask(struct prefetch *p, struct ram_blocks *blocks, uint64_t bytes)
{
	const struct ram_block *block;
	struct range piece = p->planned, gap;

	if (!p->on || is_empty(piece))
		return false;
	p->planned = (struct range){0, 0};
	block = &blocks->block[p->block];
	/* QEMU has gone past it, or asked for a part of it while that was looked for. */
	if (p->position >= piece.end ||
	    !extent_map_gap(&block->remote, piece, (struct range){piece.start, piece.start + 1},
			    &gap))
		return false;
	if (gap.end - gap.start > bytes) {
		p->planned = (struct range){gap.start + bytes, gap.end};
		gap.end = p->planned.start;
	}
	return prefetch_ask_for(p, blocks, gap);
}

void prefetch_answered(struct prefetch *p, struct ram_blocks *blocks, uint64_t rkey)
{
	struct extent_map *remote = &blocks->block[p->asked_block].remote;

	if (rkey == PREFETCH_NO_RKEY_YET)
		extent_map_remove(remote, p->asked.start);
	else
		extent_map_set(remote, p->asked.start, rkey);
}

void prefetch_asked(struct prefetch *p, uint64_t now, uint64_t queue_ns)
{
	p->open = true;
	p->asked_at = now + queue_ns;
	p->queue_ns = queue_ns;
}

/* That a piece is to take. */
static uint64_t wanted(const struct prefetch *p)
{
	return p->late ? PIECE_NS_MOST
		       : least(PIECE_NS + QUEUE_FACTOR * p->queue_ns, PIECE_NS_MOST);
}

void prefetch_waited(struct prefetch *p)
{
	p->late = LATE_PIECES;
}

/*
 * As long as a piece of the destination's need be: while the WRITEs that its request waits for are
 * on the wire nothing is registered there, so it has to make up for these. At a destination
 * that is not quicker than the wire nothing can. Twice that, so that it lasts.
 */
static uint64_t long_enough(const struct prefetch *p, uint64_t bytes, uint64_t ns)
{
	double wire = (double)p->per_second / 1e9, there = (double)bytes / (double)ns;
	double enough;

	if (!p->per_second || there <= wire)
		return region(p);
	enough = 2 * wire * (double)most(p->queue_ns, QUEUE_NS) / (1 - wire / there);
	if (enough >= (double)region(p))
		return region(p);
	return least(most((uint64_t)enough, PIECE_LEAST), region(p));
}

void prefetch_measured(struct prefetch *p, uint64_t bytes, uint64_t now)
{
	if (p->open && now > p->asked_at)
		piece_took(&p->there, bytes, now - p->asked_at, wanted(p),
			   long_enough(p, bytes, now - p->asked_at));
	p->open = false;
	if (p->late && bytes)
		p->late--;
}

void prefetch_here(struct prefetch *p, uint64_t bytes, uint64_t ns)
{
	piece_took(&p->here, bytes, ns, wanted(p), region(p));
}

void prefetch_here_part(struct prefetch *p, uint64_t now, uint64_t bytes, uint64_t ns, bool last)
{
	if (!p->here_works)
		p->here_since = now - ns;
	p->here_works = !last;
	p->here_bytes += bytes;
	if (!last && p->here_bytes < p->here.bytes)
		return;
	prefetch_here(p, p->here_bytes, now - p->here_since);
	p->here_since = now;
	p->here_bytes = 0;
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
		    uint64_t from, struct ram_block **block, struct range *range)
{
	if (!p->known || !chunk_size)
		return false;
	*block = &blocks->block[p->block];
	if (!(*block)->watched)
		return false;
	from = most(chunk_start(from, chunk_size), p->covered);
	if (!(*block)->passed)
		return next_of_remote(*block, from, range);
	/* What else is not registered here QEMU did not need when it was there. */
	return p->asked_block == p->block &&
	       next_of_remote(*block, most(from, p->asked.start), range) &&
	       range->start < p->asked.end;
}

void prefetch_local_begun(struct prefetch *p, struct range range)
{
	p->covered = range.start;
}

void prefetch_recorded(struct prefetch *p, struct range range)
{
	p->covered = least(p->covered, range.start);
}
