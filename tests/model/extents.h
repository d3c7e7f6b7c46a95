/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RDMACHUNK_TESTS_MODEL_EXTENTS_H
#define RDMACHUNK_TESTS_MODEL_EXTENTS_H

#include "core/extent_map.h"

/* What the map promises of its leaves. */

struct extents_shape {
	size_t leaves;
	unsigned int depth; /* of the tree: leaves that a call looks at on its way down */
};

/* NULL, and *shape; else what is wrong. */
const char *extents_check(const struct extent_map *map, struct extents_shape *shape);

#endif
