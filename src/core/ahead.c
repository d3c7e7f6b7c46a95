/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "core/ahead.h"

unsigned int ahead_shift(const struct extent_map *map, unsigned int shift)
{
	uint64_t registered = extent_map_bytes(map, (struct range){0, UINT64_MAX});
	unsigned int next = AHEAD_FIRST_SHIFT;

	while (next < shift && registered > UINT64_C(1) << next)
		next++;
	return next < shift ? next : shift;
}

bool ahead_start(const struct extent_map *map, uint64_t block_length, uint64_t position,
		 uint64_t from, unsigned int shift, uint64_t *start)
{
	uint64_t passed = extent_map_bytes(map, (struct range){0, position});
	uint64_t enough = UINT64_C(1) << ahead_shift(map, shift);
	uint64_t at = extent_map_free_at(map, from > position ? from : position);

	if (passed < enough)
		enough = passed;
	if (enough < UINT64_C(1) << AHEAD_FIRST_SHIFT)
		enough = UINT64_C(1) << AHEAD_FIRST_SHIFT;
	if (at >= block_length || extent_map_bytes(map, (struct range){position, at}) >= enough)
		return false;
	*start = at;
	return true;
}

struct range ahead_piece(const struct extent_map *map, uint64_t block_length, uint64_t start,
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
