/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "core/destination.h"

#include "core/wire.h"

/* What is registered ahead is an MR of its own, which fewer chunks are not worth. */
#define LEAST_CHUNKS 4

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

/* Learn from the length of `want`. A source that is preloaded asks for one chunk at
 * first, for it does not know their size either. */
static void learn(struct destination *d, const struct ram_block *block, struct range want)
{
	uint64_t length = want.end - want.start;

	if (!d->chunk && want.end < block->length)
		d->chunk = length;
	else if (d->chunk && length > d->chunk)
		d->exact = true;
}

void destination_asked(struct destination *d, struct ram_block *block, struct range want)
{
	bool back = block == d->block && want.end < d->position;
	uint64_t from = want.start;

	learn(d, block, want);
	if (d->block && (back || block != d->block))
		d->block->passed = true;
	if (block != d->block || back || extent_map_free_at(&block->local, d->position) < from) {
		d->start = from;
		d->asked = 0;
	} else if (from < d->position) {
		from = d->position;
	}
	d->block = block;
	d->position = want.end;
	d->asked += want.end - from;
}

/* What may be registered in front of QEMU: from the first address that is not, in
 * whole chunks. */
static bool room(const struct destination *d, struct range *free)
{
	uint64_t from, unasked, bytes;

	if (!d->block || d->block->passed || d->exact || !d->chunk)
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

bool destination_prefetch(const struct destination *d, struct ram_block **block,
			  struct range *piece)
{
	struct range free;

	/* One half of what may be ahead is in use while the other is made. */
	if (!room(d, &free) || !d->block->watched || free.start - d->position > d->asked / 8)
		return false;
	*block = d->block;
	*piece = free;
	return true;
}
