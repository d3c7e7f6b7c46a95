/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "core/ram_blocks.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/wire.h"

static bool wraps(uint64_t start, uint64_t length)
{
	return length > UINT64_MAX - start;
}

int ram_blocks_load(struct ram_blocks *blocks, const void *msg, size_t len)
{
	int count = wire_ram_block_count(msg, len);
	struct ram_block *table;
	struct wire_ram_block entry;
	uint64_t bytes = 0;

	if (count < 0)
		return count;
	table = calloc(count ? (size_t)count : 1, sizeof(*table));
	if (!table)
		return -ENOMEM;
	for (unsigned int i = 0; i < (unsigned int)count; i++) {
		wire_get_ram_block(msg, i, &entry);
		if (!entry.length || wraps(entry.offset, entry.length) ||
		    wraps(entry.host_addr, entry.length)) {
			free(table);
			return -EBADMSG;
		}
		table[i].offset = entry.offset;
		table[i].length = entry.length;
		table[i].host_addr = entry.host_addr;
		bytes += entry.length;
	}
	ram_blocks_clear(blocks);
	blocks->block = table;
	blocks->count = (unsigned int)count;
	blocks->new_bytes = bytes;
	return 0;
}

void ram_blocks_clear(struct ram_blocks *blocks)
{
	for (unsigned int i = 0; i < blocks->count; i++) {
		extent_map_clear(&blocks->block[i].remote);
		extent_map_clear(&blocks->block[i].local);
		discard_map_free(&blocks->block[i].discards);
	}
	free(blocks->block);
	memset(blocks, 0, sizeof(*blocks));
}

void ram_blocks_passed(struct ram_blocks *blocks, struct ram_block *block)
{
	if (!block->passed)
		blocks->new_bytes -= block->length;
	block->passed = true;
}

void ram_blocks_discard(struct ram_blocks *blocks, struct ram_block *block, struct range range)
{
	/* Whoever sees that something has been must see what. */
	discard_map_set(&block->discards, range);
	atomic_store(&blocks->discarded, true);
}

struct ram_block *ram_blocks_find_local(struct ram_blocks *blocks, uint64_t addr, uint64_t len,
					struct range *where)
{
	for (unsigned int i = 0; i < blocks->count; i++) {
		struct ram_block *block = &blocks->block[i];
		uint64_t start = addr - block->local_addr;

		if (!block->local_known || addr < block->local_addr || start >= block->length ||
		    !len || len > block->length - start)
			continue;
		*where = (struct range){start, start + len};
		return block;
	}
	return NULL;
}
