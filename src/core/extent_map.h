/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RDMACHUNK_CORE_EXTENT_MAP_H
#define RDMACHUNK_CORE_EXTENT_MAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * The registered extents of one RAM block: an interval map, sorted, in which
 * no two extents overlap. Addresses are bytes from the start of the block.
 *
 *      0        1M                        64M         length
 *      |--------|=======extent A==========|===B===|.....|
 *                                                  ^gap
 *
 * Every call takes O(log n) steps, besides one for each extent that extent_map_replace() and
 * extent_map_remove_value() look at.
 */

/* [start, end) */
struct range {
	uint64_t start;
	uint64_t end;
};

static inline bool range_contains(struct range outer, struct range inner)
{
	return outer.start <= inner.start && inner.end <= outer.end;
}

struct extent {
	struct range range;
	uint64_t value; /* the owner's: an rkey, or the address of an MR */
};

/* The extents of a leaf at most; any two neighbours have more than one could hold. */
#ifndef EXTENT_MAP_LEAF
#define EXTENT_MAP_LEAF 32
#endif

/* For extent_map.c, and tests of its shape. */
struct extent_leaf {
	struct extent_leaf *left, *right;
	uint64_t own; /* bytes of its extents */
	uint64_t all; /* and of those in the leaves below it */
	uint32_t priority;
	uint32_t count;
	struct extent extent[EXTENT_MAP_LEAF];
};

/* All zero is an empty map. */
struct extent_map {
	struct extent_leaf *root;
	size_t count;	 /* extents */
	uint32_t random; /* the last number drawn */
};

/* Free all of it; the values are the owner's to release first. */
void extent_map_clear(struct extent_map *map);

/* The extent that holds all of `range`, or NULL. Valid until the next change. */
const struct extent *extent_map_find(const struct extent_map *map, struct range range);

/*
 * The first extent that ends after `at`, or NULL. Valid until the next change. All of them:
 *
 *      for (e = extent_map_first(map, 0); e; e = extent_map_first(map, e->range.end))
 */
const struct extent *extent_map_first(const struct extent_map *map, uint64_t at);

/*
 * The widest free range inside `bounds` around `range`, which must lie in it.
 * Returns false, touching nothing, when an extent overlaps `range`.
 */
bool extent_map_gap(const struct extent_map *map, struct range bounds, struct range range,
		    struct range *gap);

/* The first address from `at` on that no extent holds. */
uint64_t extent_map_free_at(const struct extent_map *map, uint64_t at);

/* The range of extent_map_first(); false when there is none. */
bool extent_map_next(const struct extent_map *map, uint64_t at, struct range *extent);

/* How many bytes of `range` the extents hold. One step for [0, UINT64_MAX), which is all. */
uint64_t extent_map_bytes(const struct extent_map *map, struct range range);

/* 0; -EINVAL for an empty range; -EEXIST when it overlaps an extent; -ENOMEM. */
int extent_map_insert(struct extent_map *map, struct range range, uint64_t value);

/* Give the extent that starts at `start` another value; 0, or -ENOENT. */
int extent_map_set(struct extent_map *map, uint64_t start, uint64_t value);

/* Forget the extent that starts at `start`; 0, or -ENOENT. */
int extent_map_remove(struct extent_map *map, uint64_t start);

/*
 * Take `range` out of the first extent that reaches into it. Sets *cut to what was
 * taken, with that extent's value, and returns 1; 0 when no extent does. What is
 * left of the extent stays; -ENOMEM, and nothing has changed, when two parts are
 * left and there is no room for both.
 *
 *      |=====A=====| range |=====A=====|
 */
int extent_map_cut(struct extent_map *map, struct range range, struct extent *cut);

/* Give all extents that reach into `range` and have the value `from` the value
 * `to`. Returns their bytes. */
uint64_t extent_map_replace(struct extent_map *map, struct range range, uint64_t from, uint64_t to);

/* Forget all of those. */
void extent_map_remove_value(struct extent_map *map, struct range range, uint64_t value);

#endif
