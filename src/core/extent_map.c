/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "core/extent_map.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* The index of the first extent that ends after `at`; count when there is none. */
static size_t first_ending_after(const struct extent_map *map, uint64_t at)
{
	size_t low = 0, high = map->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (map->extent[middle].range.end > at)
			high = middle;
		else
			low = middle + 1;
	}
	return low;
}

void extent_map_clear(struct extent_map *map)
{
	free(map->extent);
	memset(map, 0, sizeof(*map));
}

const struct extent *extent_map_find(const struct extent_map *map, struct range range)
{
	size_t i = first_ending_after(map, range.start);

	if (i < map->count && range_contains(map->extent[i].range, range))
		return &map->extent[i];
	return NULL;
}

bool extent_map_gap(const struct extent_map *map, struct range bounds, struct range range,
		    struct range *gap)
{
	size_t i = first_ending_after(map, range.start);

	if (i < map->count && map->extent[i].range.start < range.end)
		return false;
	*gap = bounds;
	if (i > 0 && map->extent[i - 1].range.end > gap->start)
		gap->start = map->extent[i - 1].range.end;
	if (i < map->count && map->extent[i].range.start < gap->end)
		gap->end = map->extent[i].range.start;
	return true;
}

uint64_t extent_map_free_at(const struct extent_map *map, uint64_t at)
{
	size_t i = first_ending_after(map, at);

	for (; i < map->count && map->extent[i].range.start <= at; i++)
		at = map->extent[i].range.end;
	return at;
}

bool extent_map_next(const struct extent_map *map, uint64_t at, struct range *extent)
{
	size_t i = first_ending_after(map, at);

	if (i == map->count)
		return false;
	*extent = map->extent[i].range;
	return true;
}

uint64_t extent_map_bytes(const struct extent_map *map, struct range range)
{
	uint64_t bytes = 0;

	for (size_t i = first_ending_after(map, range.start);
	     i < map->count && map->extent[i].range.start < range.end; i++) {
		struct range part = map->extent[i].range;

		if (part.start < range.start)
			part.start = range.start;
		if (part.end > range.end)
			part.end = range.end;
		bytes += part.end - part.start;
	}
	return bytes;
}

/* At index i. 0 or -ENOMEM. */
static int insert_at(struct extent_map *map, size_t i, struct extent extent)
{
	struct extent *grown;
	size_t room;

	if (map->count == map->room) {
		room = map->room ? map->room * 2 : 8;
		grown = realloc(map->extent, room * sizeof(*grown));
		if (!grown)
			return -ENOMEM;
		map->extent = grown;
		map->room = room;
	}
	memmove(&map->extent[i + 1], &map->extent[i], (map->count - i) * sizeof(*map->extent));
	map->extent[i] = extent;
	map->count++;
	return 0;
}

static void remove_at(struct extent_map *map, size_t i)
{
	map->count--;
	memmove(&map->extent[i], &map->extent[i + 1], (map->count - i) * sizeof(*map->extent));
}

int extent_map_insert(struct extent_map *map, struct range range, uint64_t value)
{
	size_t i = first_ending_after(map, range.start);

	if (range.start >= range.end)
		return -EINVAL;
	if (i < map->count && map->extent[i].range.start < range.end)
		return -EEXIST;
	return insert_at(map, i, (struct extent){.range = range, .value = value});
}

int extent_map_set(struct extent_map *map, uint64_t start, uint64_t value)
{
	size_t i = first_ending_after(map, start);

	if (i == map->count || map->extent[i].range.start != start)
		return -ENOENT;
	map->extent[i].value = value;
	return 0;
}

int extent_map_remove(struct extent_map *map, uint64_t start)
{
	size_t i = first_ending_after(map, start);

	if (i == map->count || map->extent[i].range.start != start)
		return -ENOENT;
	remove_at(map, i);
	return 0;
}

int extent_map_cut(struct extent_map *map, struct range range, struct extent *cut)
{
	size_t i = first_ending_after(map, range.start);
	struct extent *extent, head, tail;
	int ret;

	if (range.start >= range.end || i == map->count || map->extent[i].range.start >= range.end)
		return 0;
	extent = &map->extent[i];
	head = tail = *extent;
	head.range.end = range.start;
	tail.range.start = range.end;
	*cut = *extent;
	if (head.range.start < head.range.end)
		cut->range.start = range.start;
	if (tail.range.start < tail.range.end)
		cut->range.end = range.end;
	if (head.range.start < head.range.end && tail.range.start < tail.range.end) {
		ret = insert_at(map, i + 1, tail);
		if (ret)
			return ret;
		map->extent[i] = head;
	} else if (head.range.start < head.range.end) {
		*extent = head;
	} else if (tail.range.start < tail.range.end) {
		*extent = tail;
	} else {
		remove_at(map, i);
	}
	return 1;
}

uint64_t extent_map_replace(struct extent_map *map, struct range range, uint64_t from, uint64_t to)
{
	uint64_t bytes = 0;

	for (size_t i = first_ending_after(map, range.start);
	     i < map->count && map->extent[i].range.start < range.end; i++) {
		struct extent *extent = &map->extent[i];

		if (extent->value != from)
			continue;
		extent->value = to;
		bytes += extent->range.end - extent->range.start;
	}
	return bytes;
}

void extent_map_remove_value(struct extent_map *map, struct range range, uint64_t value)
{
	size_t i = first_ending_after(map, range.start), kept = i;

	for (; i < map->count; i++) {
		const struct extent *extent = &map->extent[i];

		if (extent->value != value || extent->range.start >= range.end)
			map->extent[kept++] = *extent;
	}
	map->count = kept;
}
