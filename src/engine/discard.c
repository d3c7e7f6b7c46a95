/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/discard.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include "engine/mapping.h"
#include "util/monotonic.h"
#include "util/probes.h"

/* A part of a RAM block that one mapping of this process backs. */
struct area {
	_Atomic(struct ram_blocks *) blocks; /* NULL once nobody wants to know */
	struct ram_block *block;
	struct mapping mapping;
	/* Another mapping may have taken its place since. */
	atomic_bool replaced;
};

struct discard_table {
	size_t count;
	struct area *area[];
};

_Atomic(struct discard_table *) discard_watched;

/*
 * A table is replaced, never changed. Who reads one is counted under the parity of
 * the epoch that it came in with, so that a writer need not wait for those that come
 * later. The two rounds are for a reader that was slow between the two steps.
 */
static atomic_uint epoch;
static atomic_uint readers[2];
static pthread_mutex_t writer = PTHREAD_MUTEX_INITIALIZER;

/* A reader takes less than a microsecond, unless it never ends: a thread may be
 * cancelled, or jump out of a signal handler. Nothing that one has read is freed then. */
#define PATIENCE_NS UINT64_C(1000000000)
static bool lost_reader; /* the writer's */

static unsigned int enter(void)
{
	unsigned int parity = atomic_load(&epoch) & 1;

	atomic_fetch_add(&readers[parity], 1);
	return parity;
}

static void leave(unsigned int parity)
{
	atomic_fetch_sub(&readers[parity], 1);
}

/* False when one of them does not leave. What it reads must stay. */
static bool wait_for_readers(void)
{
	uint64_t end = monotonic_ns() + PATIENCE_NS;

	for (int round = 0; round < 2; round++) {
		unsigned int parity = atomic_fetch_add(&epoch, 1) & 1;

		while (atomic_load(&readers[parity])) {
			if (lost_reader || monotonic_ns() > end) {
				lost_reader = true;
				return false;
			}
			sched_yield();
		}
	}
	return true;
}

/* [start, end) of this process's memory, as far as it is in the area. */
static void report(const struct area *area, uint64_t start, uint64_t end)
{
	struct ram_blocks *blocks = atomic_load(&area->blocks);
	uint64_t base;

	if (!blocks)
		return;
	base = area->block->local_addr;
	if (start < area->mapping.start)
		start = area->mapping.start;
	if (end > area->mapping.end)
		end = area->mapping.end;
	if (start >= end)
		return;
	PROBE2(discard, start, end - start);
	ram_blocks_discard(blocks, area->block, (struct range){start - base, end - base});
}

/* A hole in a file that may be mapped a second time: which one it is cannot be told. */
static void report_aliases(const struct discard_table *table)
{
	for (size_t i = 0; i < table->count; i++)
		if (table->area[i]->mapping.backing != MAPPING_ANONYMOUS)
			report(table->area[i], table->area[i]->mapping.start,
			       table->area[i]->mapping.end);
}

void discard_memory(const void *addr, size_t length, enum discard_kind kind)
{
	uint64_t start = (uintptr_t)addr, end = start + length;
	unsigned int parity = enter();
	struct discard_table *table = atomic_load(&discard_watched);
	bool inside = false;

	if (end < start)
		end = UINT64_MAX;
	for (size_t i = 0; table && i < table->count; i++) {
		struct area *area = table->area[i];

		if (start >= area->mapping.end || area->mapping.start >= end)
			continue;
		inside = true;
		if (kind == DISCARD_MAPPING)
			atomic_store(&area->replaced, true);
		report(area, start, end);
	}
	if (table && !inside && kind == DISCARD_FROM_FILE)
		report_aliases(table);
	leave(parity);
}

/* What a hole in a file takes from the area; of a file that cannot be told, NULL, it
 * may be anything. */
static void report_file(const struct area *area, const struct mapping_file *file, uint64_t offset,
			uint64_t end)
{
	const struct mapping *mapping = &area->mapping;
	uint64_t length = mapping->end - mapping->start;

	/* Of an area of which we cannot say what it maps, any file may be behind it. */
	if (atomic_load(&area->replaced) || mapping->backing == MAPPING_UNKNOWN ||
	    (mapping->backing == MAPPING_FILE && !file)) {
		report(area, mapping->start, mapping->end);
		return;
	}
	if (mapping->backing != MAPPING_FILE || !mapping_same_file(&mapping->file, file) ||
	    end <= mapping->offset || offset >= mapping->offset + length)
		return;
	offset = offset > mapping->offset ? offset - mapping->offset : 0;
	end = end - mapping->offset < length ? end - mapping->offset : length;
	report(area, mapping->start + offset, mapping->start + end);
}

void discard_file(int fd, off_t offset, off_t length)
{
	uint64_t start = (uint64_t)offset, end = length ? start + (uint64_t)length : UINT64_MAX;
	unsigned int parity = enter();
	struct discard_table *table = atomic_load(&discard_watched);
	int saved_errno = errno;
	struct mapping_file file;
	int ret = mapping_file_of(fd, &file);

	if (table && offset >= 0 && ret != -EBADF)
		for (size_t i = 0; i < table->count; i++)
			report_file(table->area[i], ret ? NULL : &file, start, end);
	errno = saved_errno;
	leave(parity);
}

/* Those areas of the present table that somebody wants to know of, with room for
 * `more`; NULL when there is no memory. The writer's lock is held. */
static struct discard_table *copy_table(size_t more)
{
	const struct discard_table *old = atomic_load(&discard_watched);
	size_t count = old ? old->count : 0;
	struct discard_table *table =
		malloc(sizeof(*table) + (count + more) * sizeof(struct area *));

	if (!table)
		return NULL;
	table->count = 0;
	for (size_t i = 0; i < count; i++)
		if (atomic_load(&old->area[i]->blocks))
			table->area[table->count++] = old->area[i];
	return table;
}

/* `table`, or NULL, takes the place of the present one, which is freed with the
 * areas that nobody wants to know of. The writer's lock is held. */
static void publish(struct discard_table *table)
{
	struct discard_table *old = atomic_exchange(&discard_watched, table);

	if (!wait_for_readers())
		return;
	for (size_t i = 0; old && i < old->count; i++)
		if (!atomic_load(&old->area[i]->blocks))
			free(old->area[i]);
	free(old);
}

static int add_area(struct discard_table *table, struct ram_blocks *blocks, struct ram_block *block,
		    const struct mapping *mapping)
{
	struct area *area = malloc(sizeof(*area));

	if (!area)
		return -ENOMEM;
	atomic_init(&area->blocks, blocks);
	atomic_init(&area->replaced, false);
	area->block = block;
	area->mapping = *mapping;
	table->area[table->count++] = area;
	return 0;
}

int discard_watch(struct ram_blocks *blocks, struct ram_block *block)
{
	struct mapping_list list = {0};
	struct discard_table *table;
	size_t before;
	int ret;

	ret = discard_map_init(&block->discards, block->length);
	if (ret)
		return ret;
	ret = mapping_list_read(&list, block->local_addr, block->local_addr + block->length);
	if (ret) {
		discard_map_free(&block->discards);
		return ret;
	}
	pthread_mutex_lock(&writer);
	table = copy_table(list.count);
	if (!table) {
		ret = -ENOMEM;
		goto out;
	}
	before = table->count;
	for (size_t i = 0; !ret && i < list.count; i++) {
		block->huge = block->huge || list.mapping[i].huge;
		ret = add_area(table, blocks, block, &list.mapping[i]);
	}
	if (!ret) {
		publish(table);
		block->watched = true;
		goto out;
	}
	while (table->count > before)
		free(table->area[--table->count]);
	free(table);
out:
	/* It is tried again for the next chunk. */
	if (ret)
		discard_map_free(&block->discards);
	pthread_mutex_unlock(&writer);
	mapping_list_free(&list);
	return ret;
}

bool discard_unwatch(struct ram_blocks *blocks)
{
	struct discard_table *table;
	bool mine = false, others = false, quiet = true;

	pthread_mutex_lock(&writer);
	table = atomic_load(&discard_watched);
	for (size_t i = 0; table && i < table->count; i++) {
		struct area *area = table->area[i];

		if (atomic_load(&area->blocks) == blocks) {
			atomic_store(&area->blocks, NULL);
			mine = true;
		}
		others = others || atomic_load(&area->blocks);
	}
	if (mine) {
		table = others ? copy_table(0) : NULL;
		/* Without memory the dead areas stay where they are. */
		if (table || !others)
			publish(table);
		else
			wait_for_readers();
		quiet = !lost_reader;
	}
	pthread_mutex_unlock(&writer);
	return quiet;
}
