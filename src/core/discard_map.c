/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "core/discard_map.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define WORD_BITS 64

static uint64_t granules(uint64_t bytes)
{
	return bytes / DISCARD_GRANULE + (bytes % DISCARD_GRANULE ? 1 : 0);
}

int discard_map_init(struct discard_map *map, uint64_t length)
{
	uint64_t words = granules(length) / WORD_BITS + 1;

	if (map->bits)
		return 0;
	map->bits = calloc(words, sizeof(*map->bits));
	if (!map->bits)
		return -ENOMEM;
	map->length = length;
	return 0;
}

void discard_map_free(struct discard_map *map)
{
	free(map->bits);
	memset(map, 0, sizeof(*map));
}

/* Those of word `word` that are in [first, last). */
static uint64_t mask(uint64_t word, uint64_t first, uint64_t last)
{
	uint64_t begin = word * WORD_BITS, bits = UINT64_MAX;

	if (first > begin)
		bits &= UINT64_MAX << (first - begin);
	if (last - begin < WORD_BITS)
		bits &= (UINT64_C(1) << (last - begin)) - 1;
	return bits;
}

static struct range clip(const struct discard_map *map, struct range range)
{
	if (range.end > map->length)
		range.end = map->length;
	if (range.start > range.end)
		range.start = range.end;
	return range;
}

void discard_map_set(struct discard_map *map, struct range range)
{
	struct range part = clip(map, range);
	uint64_t first = part.start / DISCARD_GRANULE, last = granules(part.end);

	if (part.start == part.end)
		return;
	for (uint64_t word = first / WORD_BITS; word * WORD_BITS < last; word++)
		atomic_fetch_or(&map->bits[word], mask(word, first, last));
}

bool discard_map_test(const struct discard_map *map, struct range range)
{
	struct range part = clip(map, range);
	uint64_t first = part.start / DISCARD_GRANULE, last = granules(part.end);

	if (part.start == part.end)
		return false;
	for (uint64_t word = first / WORD_BITS; word * WORD_BITS < last; word++)
		if (atomic_load(&map->bits[word]) & mask(word, first, last))
			return true;
	return false;
}

bool discard_map_reset(struct discard_map *map, struct range range)
{
	struct range part = clip(map, range);
	uint64_t first = granules(part.start), last = part.end / DISCARD_GRANULE;
	uint64_t bits, taken = 0;

	if (part.end == map->length)
		last = granules(part.end);
	if (first >= last)
		return false;
	for (uint64_t word = first / WORD_BITS; word * WORD_BITS < last; word++) {
		bits = mask(word, first, last);
		taken |= atomic_fetch_and(&map->bits[word], ~bits) & bits;
	}
	return taken != 0;
}

struct range discard_map_round(const struct discard_map *map, struct range range)
{
	struct range part = clip(map, range);
	uint64_t end = granules(part.end) * DISCARD_GRANULE;

	part.start -= part.start % DISCARD_GRANULE;
	part.end = end < part.end ? map->length : end;
	return clip(map, part);
}
