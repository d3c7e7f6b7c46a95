/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "core/destination.h"

#include "core/piece.h"
#include "core/wire.h"

/* What is registered ahead is an MR of its own, which fewer chunks are not worth. */
#define LEAST_CHUNKS 4

/* Of what was asked for, this part may be registered in vain; */
#ifndef DESTINATION_VAIN_PART /* more in one build of the simulation, and so is the next */
#define DESTINATION_VAIN_PART 20
#endif
/* and beyond that, where data has gone on without a gap, this part of it is ahead, but no more than
 * so many bytes: it is in vain where the data ends. */
#ifndef DESTINATION_AHEAD_PART
#define DESTINATION_AHEAD_PART 8
#endif
#define AHEAD_MAX (UINT64_C(32) << 20)

/* A source is no further ahead of QEMU: at 100 Gbit/s 70 ms, or the tail of its first pass. */
#define SOURCE_AHEAD (UINT64_C(1) << 30)

/* After so many requests that half a window would have been enough for, it is half as long. */
#define SHORTER_MAX 16

void destination_send(struct destination *d, const void *msg, size_t len)
{
	struct wire_header header;

	if (d->blocks.count || wire_parse_header(msg, len, &header) ||
	    header.type != WIRE_RAM_BLOCKS_RESULT || ram_blocks_load(&d->blocks, msg, len))
		return;
	for (unsigned int i = 0; i < d->blocks.count; i++) {
		d->blocks.block[i].local_addr = d->blocks.block[i].host_addr;
		d->blocks.block[i].local_known = true;
	}
}

struct ram_block *destination_register(struct destination *d, uint64_t addr, uint64_t length,
				       struct range *want)
{
	struct ram_block *block = ram_blocks_find_local(&d->blocks, addr, length, want);

	if (block)
		destination_asked(d, block, *want);
	return block;
}

/* The shortest window that `want` is in. */
static uint64_t window_of(struct range want)
{
	uint64_t size = PIECE_LEAST;

	while (size < UINT64_C(1) << 62 && want.start / size != (want.end - 1) / size)
		size *= 2;
	return size;
}

/* It asks for windows, or what there is of them in front of it; for less where data ends. */
static void learn_window(struct destination *d, struct range want)
{
	uint64_t least = d->chunk > PIECE_LEAST ? d->chunk : PIECE_LEAST;
	uint64_t window = window_of(want);

	if (d->window < least)
		d->window = least;
	/* One that is for much less than its window says nothing of it. */
	if (window > d->window && want.end - want.start > window / 2)
		d->window = window;
	d->shorter = window > d->window / 2 ? 0 : d->shorter + 1;
	if (d->shorter < SHORTER_MAX || d->window == least)
		return;
	d->window /= 2;
	d->shorter = 0;
}

/* Learn from the length of `want`. A source that is preloaded asks for one chunk at
 * first, for it does not know their size either. */
static void learn(struct destination *d, const struct ram_block *block, struct range want)
{
	uint64_t length = want.end - want.start;

	if (!d->chunk && want.end < block->length)
		d->chunk = length;
	else if (d->chunk && length > d->chunk)
		d->preloaded = true;
	if (d->preloaded && !block->passed)
		learn_window(d, want);
}

/* `part` of what it asks for is new. What is registered of that was ahead of it, in one MR or in
 * several. */
static void count(struct destination *d, const struct ram_block *block, struct range part)
{
	uint64_t ahead = extent_map_bytes(&block->local, part);

	d->total += part.end - part.start;
	d->unasked -= ahead < d->unasked ? ahead : d->unasked;
}

/*
 * A source that is preloaded is ahead of QEMU, which comes to chunks that it has taken for zeros,
 * and asks for them itself. So QEMU has not been there.
 */
static bool was_missed(const struct destination *d, struct range want)
{
	return d->preloaded && d->position - want.end <= SOURCE_AHEAD;
}

void destination_asked(struct destination *d, struct ram_block *block, struct range want)
{
	bool back = block == d->block && want.end < d->position;
	uint64_t from = want.start;

	/* QEMU had to wait for a part of it, and asks again. */
	if (block == d->block && want.end == d->position && want.start >= d->start)
		return;
	if (back && was_missed(d, want)) {
		count(d, block, want);
		return;
	}
	learn(d, block, want);
	if (d->block && (back || block != d->block))
		ram_blocks_passed(&d->blocks, d->block);
	if (block != d->block || back || (d->preloaded && from > d->position) ||
	    extent_map_free_at(&block->local, d->position) < from) {
		d->start = from;
		d->asked = 0;
	} else if (from < d->position) {
		from = d->position;
	}
	d->block = block;
	d->position = want.end;
	d->asked += want.end - from;
	count(d, block, (struct range){from, want.end});
}

/* What may be registered in front of QEMU: from the first address that is not, in
 * whole chunks. */
static bool room(const struct destination *d, struct range *free)
{
	uint64_t from, unasked, bytes;

	if (!d->block || d->block->passed || d->limited || d->preloaded || !d->chunk)
		return false;
	from = extent_map_free_at(&d->block->local, d->position);
	unasked = from - d->start - d->asked;
	if (from >= d->block->length || unasked > d->asked / 4)
		return false;
	bytes = d->asked / 4 - unasked;
	bytes -= bytes % d->chunk;
	*free = (struct range){from, d->block->length};
	if (bytes < free->end - from)
		free->end = from + bytes;
	return bytes >= LEAST_CHUNKS * d->chunk &&
	       extent_map_gap(&d->block->local, *free, (struct range){from, from + 1}, free);
}

struct range destination_bounds(const struct destination *d, struct range want)
{
	struct range free;

	if (room(d, &free) && free.start == want.end)
		want.end = free.end;
	return want;
}

/* Behind a run of chunks. */
static bool next_of_run(const struct destination *d, struct range *piece)
{
	/* One half of what may be ahead is in use while the other is made. */
	return room(d, piece) && piece->start - d->position <= d->asked / 8;
}

/* May so many bytes more be registered? */
static bool is_justified(const struct destination *d, uint64_t bytes)
{
	uint64_t ahead =
		extent_map_bytes(&d->block->local, (struct range){d->position, d->block->length});
	uint64_t vain = d->unasked > ahead ? d->unasked - ahead : 0;
	uint64_t most = d->asked / DESTINATION_AHEAD_PART;

	if (most > AHEAD_MAX)
		most = AHEAD_MAX;
	return d->unasked + bytes <= d->total / DESTINATION_VAIN_PART ||
	       (vain <= d->total / DESTINATION_VAIN_PART && ahead + bytes <= most);
}

/* The rest of the window that the source is in, or the next. */
static bool next_window(const struct destination *d, unsigned int threads, struct range *piece)
{
	uint64_t start, end;

	if (d->block->passed || d->limited || d->position % PIECE_FIRST)
		return false;
	start = extent_map_free_at(&d->block->local, d->position);
	end = start - start % d->window + d->window;
	if (end > d->block->length)
		end = d->block->length;
	if (start >= end || start / d->window > (d->position - 1) / d->window + threads ||
	    !extent_map_gap(&d->block->local, (struct range){start, end},
			    (struct range){start, start + 1}, piece))
		return false;
	return is_justified(d, piece->end - piece->start);
}

bool destination_prefetch(const struct destination *d, unsigned int threads,
			  struct ram_block **block, struct range *piece)
{
	struct range next;

	if (!d->block || !d->block->watched)
		return false;
	if (!(d->preloaded ? next_window(d, threads, &next) : next_of_run(d, &next)))
		return false;
	*block = d->block;
	*piece = next;
	return true;
}

void destination_begins(struct destination *d, struct range piece)
{
	d->unasked += piece.end - piece.start;
}
