/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "core/extent_map.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/*
 * The extents are in leaves, sorted arrays that are never empty, and the leaves in a treap: a
 * search tree that is also a heap by priority. The priorities are drawn at random, so that the
 * tree is, whatever comes and goes, one that leaves come to in random order: its depth is
 * O(log n). Each leaf knows how many bytes its extents hold, and those in the tree below it.
 *
 *                   [ D E F ]
 *                  /         \
 *         [ A B C ]           [ I J K L ]
 *                            /
 *                       [ G H ]
 *
 * Two neighbours have more extents than one leaf can hold: leaves are half full at least, taken
 * together.
 */

/* Extent `i` of `leaf`, which is NULL behind the last extent, and the leaf before that. */
struct place {
	struct extent_leaf *before, *leaf;
	uint32_t i;
};

static uint64_t start_of(const struct extent_leaf *leaf)
{
	return leaf->extent[0].range.start;
}

static uint64_t end_of(const struct extent_leaf *leaf)
{
	return leaf->extent[leaf->count - 1].range.end;
}

static uint64_t length_of(struct range range)
{
	return range.end - range.start;
}

/* ---- Where an address is ---- */

/* In the leaf: the first extent that ends after `at`; count when there is none. */
static uint32_t search(const struct extent_leaf *leaf, uint64_t at)
{
	uint32_t low = 0, high = leaf->count;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (leaf->extent[middle].range.end > at)
			high = middle;
		else
			low = middle + 1;
	}
	return low;
}

/* The first extent that ends after `at`. */
static struct place first_ending_after(const struct extent_map *map, uint64_t at)
{
	struct extent_leaf *leaf = map->root;
	struct place place = {NULL, NULL, 0};

	while (leaf) {
		if (end_of(leaf) > at) {
			place.leaf = leaf;
			leaf = leaf->left;
		} else {
			place.before = leaf;
			leaf = leaf->right;
		}
	}
	if (place.leaf)
		place.i = search(place.leaf, at);
	return place;
}

static struct extent *extent_at(struct place place)
{
	return place.leaf ? &place.leaf->extent[place.i] : NULL;
}

/* How many bytes in front of `at` the extents hold. */
static uint64_t bytes_before(const struct extent_map *map, uint64_t at)
{
	const struct extent_leaf *leaf = map->root;
	uint64_t bytes = 0;

	while (leaf && (at < start_of(leaf) || at >= end_of(leaf))) {
		if (at < start_of(leaf)) {
			leaf = leaf->left;
		} else {
			bytes += leaf->all - (leaf->right ? leaf->right->all : 0);
			leaf = leaf->right;
		}
	}
	if (!leaf)
		return bytes;
	bytes += leaf->left ? leaf->left->all : 0;
	/* Mostly there is no gap in a leaf. */
	if (end_of(leaf) - start_of(leaf) == leaf->own)
		return bytes + at - start_of(leaf);
	for (uint32_t i = 0; i < leaf->count && leaf->extent[i].range.start < at; i++) {
		struct range part = leaf->extent[i].range;

		bytes += (part.end < at ? part.end : at) - part.start;
	}
	return bytes;
}

/* ---- The tree ---- */

static void add_up(struct extent_leaf *leaf)
{
	leaf->all = leaf->own + (leaf->left ? leaf->left->all : 0) +
		    (leaf->right ? leaf->right->all : 0);
}

/* What starts in front of `at`, and the others. */
static void split_tree(struct extent_leaf *tree, uint64_t at, struct extent_leaf **low,
		       struct extent_leaf **high)
{
	if (!tree) {
		*low = *high = NULL;
		return;
	}
	if (start_of(tree) < at) {
		split_tree(tree->right, at, &tree->right, high);
		*low = tree;
	} else {
		split_tree(tree->left, at, low, &tree->left);
		*high = tree;
	}
	add_up(tree);
}

/* All of `low` is in front of all of `high`. */
static struct extent_leaf *join_trees(struct extent_leaf *low, struct extent_leaf *high)
{
	struct extent_leaf *top = high;

	if (!low || !high)
		return low ? low : high;
	if (low->priority > high->priority) {
		top = low;
		low->right = join_trees(low->right, high);
	} else {
		high->left = join_trees(low, high->left);
	}
	add_up(top);
	return top;
}

static void add_leaf(struct extent_map *map, struct extent_leaf *leaf)
{
	struct extent_leaf *low, *high;

	leaf->left = leaf->right = NULL;
	/* Numbers of full period (Knuth): no seed, so that a test can be repeated. */
	map->random = map->random * 1664525 + 1013904223;
	/* The low bits of these are hardly random, and the high ones depend on few. */
	leaf->priority = (map->random ^ map->random >> 16) * 0x9e3779b1;
	add_up(leaf);
	split_tree(map->root, start_of(leaf), &low, &high);
	map->root = join_trees(join_trees(low, leaf), high);
}

/* What is below it stays. */
static void remove_leaf(struct extent_map *map, struct extent_leaf *leaf)
{
	struct extent_leaf **link = &map->root;

	while (*link && *link != leaf) {
		(*link)->all -= leaf->own;
		link = start_of(leaf) < start_of(*link) ? &(*link)->left : &(*link)->right;
	}
	/* It is in the tree: said for the analyzer, which would see it used when it is freed. */
	if (!*link)
		__builtin_unreachable();
	*link = join_trees(leaf->left, leaf->right);
	free(leaf);
}

/* Its extents hold `more` bytes more: or less, modulo 2^64. */
static void count_bytes(struct extent_map *map, struct extent_leaf *leaf, uint64_t more)
{
	struct extent_leaf *above = map->root;

	while (above != leaf) {
		above->all += more;
		above = start_of(leaf) < start_of(above) ? above->left : above->right;
	}
	leaf->own += more;
	leaf->all += more;
}

static void clear_tree(struct extent_leaf *tree)
{
	if (!tree)
		return;
	clear_tree(tree->left);
	clear_tree(tree->right);
	free(tree);
}

void extent_map_clear(struct extent_map *map)
{
	clear_tree(map->root);
	memset(map, 0, sizeof(*map));
}

/* ---- Leaves ---- */

/* One leaf for both, if it can hold as much. */
static void merge(struct extent_map *map, struct extent_leaf *low, struct extent_leaf *high)
{
	uint32_t count;
	uint64_t bytes;

	if (!low || !high || low->count + high->count > EXTENT_MAP_LEAF)
		return;
	count = high->count;
	bytes = high->own;
	memcpy(&low->extent[low->count], high->extent, count * sizeof(*high->extent));
	low->count += count;
	count_bytes(map, low, bytes);
	remove_leaf(map, high);
}

/* It has become smaller. Its neighbours hold more than one leaf could with it, or become one. */
static void settle(struct extent_map *map, struct extent_leaf *leaf)
{
	merge(map, leaf, first_ending_after(map, end_of(leaf)).leaf);
	merge(map, first_ending_after(map, start_of(leaf)).before, leaf);
}

/* A new leaf with that extent alone. 0 or -ENOMEM. */
static int insert_leaf(struct extent_map *map, struct extent extent)
{
	struct extent_leaf *leaf = malloc(sizeof(*leaf));

	if (!leaf)
		return -ENOMEM;
	leaf->extent[0] = extent;
	leaf->count = 1;
	leaf->own = length_of(extent.range);
	add_leaf(map, leaf);
	map->count++;
	settle(map, leaf);
	return 0;
}

static void insert_into(struct extent_map *map, struct extent_leaf *leaf, uint32_t i,
			struct extent extent)
{
	memmove(&leaf->extent[i + 1], &leaf->extent[i], (leaf->count - i) * sizeof(extent));
	leaf->extent[i] = extent;
	leaf->count++;
	count_bytes(map, leaf, length_of(extent.range));
	map->count++;
}

/* Half of a full leaf goes to a new one. 0 or -ENOMEM. */
static int split_and_insert(struct extent_map *map, struct extent_leaf *low, uint32_t i,
			    struct extent extent)
{
	struct extent_leaf *high = malloc(sizeof(*high));
	uint32_t kept = EXTENT_MAP_LEAF / 2;

	if (!high)
		return -ENOMEM;
	high->own = 0;
	high->count = low->count - kept;
	memcpy(high->extent, &low->extent[kept], high->count * sizeof(extent));
	for (uint32_t n = 0; n < high->count; n++)
		high->own += length_of(high->extent[n].range);
	low->count = kept;
	count_bytes(map, low, -high->own);
	add_leaf(map, high);
	if (i <= kept)
		insert_into(map, low, i, extent);
	else
		insert_into(map, high, i - kept, extent);
	settle(map, high);
	settle(map, low);
	return 0;
}

/* 0 or -ENOMEM, and then nothing has changed. */
static int insert_at(struct extent_map *map, struct place place, struct extent extent)
{
	if (!place.leaf && place.before) {
		place.leaf = place.before;
		place.i = place.leaf->count;
	}
	/* What is registered from its start on fills leaf after leaf. */
	if (!place.leaf || place.i == EXTENT_MAP_LEAF)
		return insert_leaf(map, extent);
	if (place.leaf->count == EXTENT_MAP_LEAF)
		return split_and_insert(map, place.leaf, place.i, extent);
	insert_into(map, place.leaf, place.i, extent);
	return 0;
}

static void remove_at(struct extent_map *map, struct place place)
{
	struct extent_leaf *leaf = place.leaf;
	struct extent *at = extent_at(place);
	uint64_t end = at->range.end;

	map->count--;
	if (leaf->count > 1) {
		count_bytes(map, leaf, -length_of(at->range));
		leaf->count--;
		memmove(at, at + 1, (leaf->count - place.i) * sizeof(*at));
		settle(map, leaf);
	} else {
		remove_leaf(map, leaf);
		merge(map, place.before, first_ending_after(map, end).leaf);
	}
}

/* The extent gets other bounds, and keeps its place. */
static void trim(struct extent_map *map, struct place place, struct range range)
{
	struct range *old = &extent_at(place)->range;
	uint64_t more = length_of(range) - length_of(*old);

	*old = range;
	count_bytes(map, place.leaf, more);
}

/* ---- The map ---- */

const struct extent *extent_map_first(const struct extent_map *map, uint64_t at)
{
	return extent_at(first_ending_after(map, at));
}

const struct extent *extent_map_find(const struct extent_map *map, struct range range)
{
	const struct extent *extent = extent_map_first(map, range.start);

	return extent && range_contains(extent->range, range) ? extent : NULL;
}

bool extent_map_gap(const struct extent_map *map, struct range bounds, struct range range,
		    struct range *gap)
{
	struct place place = first_ending_after(map, range.start);
	const struct extent *next = extent_at(place);
	uint64_t before = 0;

	if (next && next->range.start < range.end)
		return false;
	if (place.i > 0)
		before = place.leaf->extent[place.i - 1].range.end;
	else if (place.before)
		before = end_of(place.before);
	*gap = bounds;
	if (before > gap->start)
		gap->start = before;
	if (next && next->range.start < gap->end)
		gap->end = next->range.start;
	return true;
}

/*
 * Up to the end of a leaf there is no gap when the extents hold all the bytes from `at` to
 * there; and then in no leaf before it.
 */
uint64_t extent_map_free_at(const struct extent_map *map, uint64_t at)
{
	uint64_t before = bytes_before(map, at), passed = 0, from = at;
	const struct extent_leaf *leaf = map->root, *last = NULL;

	while (leaf) {
		uint64_t with = passed + leaf->all - (leaf->right ? leaf->right->all : 0);

		if (end_of(leaf) <= from || end_of(leaf) - from == with - before) {
			at = end_of(leaf) > at ? end_of(leaf) : at;
			passed = with;
			leaf = leaf->right;
		} else {
			last = leaf;
			leaf = leaf->left;
		}
	}
	for (uint32_t i = last ? search(last, at) : 0; last && i < last->count; i++) {
		if (last->extent[i].range.start > at)
			break;
		at = last->extent[i].range.end;
	}
	return at;
}

bool extent_map_next(const struct extent_map *map, uint64_t at, struct range *extent)
{
	const struct extent *first = extent_map_first(map, at);

	if (!first)
		return false;
	*extent = first->range;
	return true;
}

uint64_t extent_map_bytes(const struct extent_map *map, struct range range)
{
	uint64_t before = range.start ? bytes_before(map, range.start) : 0;

	if (range.end <= range.start || !map->root)
		return 0;
	return (range.end == UINT64_MAX ? map->root->all : bytes_before(map, range.end)) - before;
}

int extent_map_insert(struct extent_map *map, struct range range, uint64_t value)
{
	struct place place = first_ending_after(map, range.start);
	const struct extent *next = extent_at(place);

	if (range.start >= range.end)
		return -EINVAL;
	if (next && next->range.start < range.end)
		return -EEXIST;
	return insert_at(map, place, (struct extent){.range = range, .value = value});
}

int extent_map_set(struct extent_map *map, uint64_t start, uint64_t value)
{
	struct extent *extent = extent_at(first_ending_after(map, start));

	if (!extent || extent->range.start != start)
		return -ENOENT;
	extent->value = value;
	return 0;
}

int extent_map_remove(struct extent_map *map, uint64_t start)
{
	struct place place = first_ending_after(map, start);

	if (!place.leaf || extent_at(place)->range.start != start)
		return -ENOENT;
	remove_at(map, place);
	return 0;
}

int extent_map_cut(struct extent_map *map, struct range range, struct extent *cut)
{
	struct place place = first_ending_after(map, range.start);
	const struct extent *found = extent_at(place);
	struct extent extent;
	struct range head, tail;
	int ret;

	if (range.start >= range.end || !found || found->range.start >= range.end)
		return 0;
	extent = *found;
	head = (struct range){extent.range.start, range.start};
	tail = (struct range){range.end, extent.range.end};
	if (head.start < head.end && tail.start < tail.end) {
		trim(map, place, head);
		place.i++;
		ret = insert_at(map, place, (struct extent){tail, extent.value});
		if (ret) {
			place.i--;
			trim(map, place, extent.range);
			return ret;
		}
	} else if (head.start < head.end) {
		trim(map, place, head);
	} else if (tail.start < tail.end) {
		trim(map, place, tail);
	} else {
		remove_at(map, place);
	}
	*cut = extent;
	if (head.start < head.end)
		cut->range.start = range.start;
	if (tail.start < tail.end)
		cut->range.end = range.end;
	return 1;
}

uint64_t extent_map_replace(struct extent_map *map, struct range range, uint64_t from, uint64_t to)
{
	uint64_t bytes = 0;
	struct extent *extent;

	for (uint64_t at = range.start;
	     (extent = extent_at(first_ending_after(map, at))) && extent->range.start < range.end;
	     at = extent->range.end) {
		if (extent->value != from)
			continue;
		extent->value = to;
		bytes += length_of(extent->range);
	}
	return bytes;
}

void extent_map_remove_value(struct extent_map *map, struct range range, uint64_t value)
{
	struct place place;
	uint64_t at = range.start;

	while ((place = first_ending_after(map, at)).leaf &&
	       extent_at(place)->range.start < range.end) {
		at = extent_at(place)->range.end;
		if (extent_at(place)->value == value)
			remove_at(map, place);
	}
}
