/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "core/widen.h"

#include <errno.h>

/* What QEMU's x-rdma-chunk-size allows. */
#define CHUNK_SHIFT_MIN 20
#define CHUNK_SHIFT_MAX 30

bool widen_range(const struct extent_map *map, uint64_t block_length, struct range want,
		 unsigned int shift, struct range *wide)
{
	uint64_t size = UINT64_C(1) << shift;
	struct range region;

	if (want.start >= want.end || want.end > block_length)
		return false;
	region.start = want.start & ~(size - 1);
	region.end = block_length - region.start > size ? region.start + size : block_length;
	if (!range_contains(region, want))
		region = want;
	return extent_map_gap(map, region, want, wide);
}

bool widen_chunk_range(uint64_t block_length, uint64_t offset, uint64_t chunks, uint64_t chunk_size,
		       struct range *range)
{
	uint64_t start = offset & ~(chunk_size - 1);

	if (offset >= block_length)
		return false;
	range->start = start;
	/* Compared by division: a hostile count must not wrap around. */
	if ((block_length - start - 1) / chunk_size <= chunks)
		range->end = block_length;
	else
		range->end = start + (chunks + 1) * chunk_size;
	return true;
}

int widen_learn_chunk(uint64_t block_length, uint64_t offset, uint64_t chunks, uint64_t length,
		      uint64_t known, uint64_t *start, uint64_t *chunk_size)
{
	uint64_t found_start = 0, found_size = 0;
	unsigned int matches = 0;
	struct range range;

	for (unsigned int shift = CHUNK_SHIFT_MIN; shift <= CHUNK_SHIFT_MAX; shift++) {
		uint64_t size = UINT64_C(1) << shift;

		if (known && size != known)
			continue;
		if (!widen_chunk_range(block_length, offset, chunks, size, &range) ||
		    range.end - range.start != length)
			continue;
		/*
		 * Several sizes can match only where the block's end clips them,
		 * and then they agree on the start.
		 */
		found_start = range.start;
		found_size = size;
		matches++;
	}
	if (!matches)
		return -EINVAL;
	*start = found_start;
	*chunk_size = matches == 1 ? found_size : 0;
	return 0;
}
