/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "extents.h"

/* A walk through all leaves, in order. */
struct walk {
	struct extents_shape shape;
	const struct extent_leaf *before;
	size_t extents;
	const char *wrong;
};

static void expect(struct walk *w, bool ok, const char *wrong)
{
	if (!ok && !w->wrong)
		w->wrong = wrong;
}

static void look(struct walk *w, const struct extent_leaf *leaf)
{
	const struct extent_leaf *before = w->before;
	uint64_t bytes = 0, end = 0;

	expect(w, leaf->count > 0 && leaf->count <= EXTENT_MAP_LEAF,
	       "a leaf is empty, or too full");
	if (before) {
		expect(w, before->count + leaf->count > EXTENT_MAP_LEAF,
		       "two neighbours would do as one");
		end = before->extent[before->count - 1].range.end;
	}
	for (uint32_t i = 0; i < leaf->count && !w->wrong; i++) {
		struct range range = leaf->extent[i].range;

		expect(w, range.start < range.end, "an extent is empty");
		expect(w, range.start >= end, "extents overlap, or are not in order");
		bytes += range.end - range.start;
		end = range.end;
	}
	expect(w, bytes == leaf->own, "a leaf has other bytes than it says");
	w->before = leaf;
	w->extents += leaf->count;
	w->shape.leaves++;
}

/* Returns the bytes. */
static uint64_t walk(struct walk *w, const struct extent_leaf *leaf, unsigned int depth,
		     uint32_t priority)
{
	uint64_t bytes;

	if (!leaf || w->wrong)
		return 0;
	expect(w, leaf->priority <= priority, "a leaf is above one that comes first");
	if (depth > w->shape.depth)
		w->shape.depth = depth;
	bytes = walk(w, leaf->left, depth + 1, leaf->priority);
	look(w, leaf);
	bytes += leaf->own;
	bytes += walk(w, leaf->right, depth + 1, leaf->priority);
	expect(w, bytes == leaf->all, "there are other bytes below a leaf than it says");
	return bytes;
}

const char *extents_check(const struct extent_map *map, struct extents_shape *shape)
{
	struct walk w = {.before = NULL};

	walk(&w, map->root, 1, UINT32_MAX);
	expect(&w, w.extents == map->count, "there are more extents, or fewer, than it says");
	*shape = w.shape;
	return w.wrong;
}
