/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RDMACHUNK_UTIL_POOL_H
#define RDMACHUNK_UTIL_POOL_H

#include <stdbool.h>
#include <stddef.h>

/*
 * Objects of one size, of which there may be millions: a pool adds less than a byte to each,
 * and knows its own from other addresses. The caller serialises all calls.
 */

struct pool_slab;

struct pool {
	size_t size;		/* bytes of an object, a multiple of its alignment */
	void *slabs;		/* all of them, by address: tsearch(3) */
	struct pool_slab *open; /* those that have room */
};

/* An empty one, of objects of this type. */
#define POOL_OF(type)                 \
	{                             \
		.size = sizeof(type), \
	}

/* All zero. NULL when there is no memory. */
void *pool_take(struct pool *pool);

/* What the object was is in *was then. False, and nothing has changed, when `p` is no object
 * that has been taken. */
bool pool_give(struct pool *pool, const void *p, void *was);

#endif
