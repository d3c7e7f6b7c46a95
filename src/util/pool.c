/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "util/pool.h"

#include <search.h>
#include <stdalign.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define WORD_BITS 64
#define WORDS	  16
#define OBJECTS	  ((size_t)WORDS * WORD_BITS)

/* Addresses, the last one excluded. */
struct span {
	uintptr_t start, end;
};

struct pool_slab {
	struct span span; /* of its objects; first, so that it is a key */
	struct pool_slab *next, **link;
	unsigned int taken;
	uint64_t bits[WORDS]; /* of those that are */
	alignas(max_align_t) char objects[];
};

/* They do not overlap, but for one that is searched for. */
static int compare(const void *a, const void *b)
{
	const struct span *first = a, *second = b;

	if (first->end <= second->start)
		return -1;
	return first->start >= second->end;
}

static void link_slab(struct pool *pool, struct pool_slab *slab)
{
	slab->next = pool->open;
	slab->link = &pool->open;
	if (slab->next)
		slab->next->link = &slab->next;
	pool->open = slab;
}

static void unlink_slab(struct pool_slab *slab)
{
	*slab->link = slab->next;
	if (slab->next)
		slab->next->link = slab->link;
}

/* It does not know that a tree keeps what tsearch() is given. */
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wanalyzer-malloc-leak"
#endif

static struct pool_slab *new_slab(struct pool *pool)
{
	size_t bytes = OBJECTS * pool->size;
	struct pool_slab *slab = malloc(sizeof(*slab) + bytes);

	if (!slab)
		return NULL;
	memset(slab, 0, sizeof(*slab));
	slab->span.start = (uintptr_t)slab->objects;
	slab->span.end = slab->span.start + bytes;
	if (!tsearch(slab, &pool->slabs, compare)) {
		free(slab);
		return NULL;
	}
	link_slab(pool, slab);
	return slab;
}

#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic pop
#endif

void *pool_take(struct pool *pool)
{
	struct pool_slab *slab = pool->open ? pool->open : new_slab(pool);
	unsigned int word = 0, bit;
	char *object;

	if (!slab)
		return NULL;
	while (!~slab->bits[word])
		word++;
	bit = (unsigned int)__builtin_ctzll(~slab->bits[word]);
	slab->bits[word] |= UINT64_C(1) << bit;
	if (++slab->taken == OBJECTS)
		unlink_slab(slab);
	object = slab->objects + (word * WORD_BITS + bit) * pool->size;
	return memset(object, 0, pool->size);
}

bool pool_give(struct pool *pool, const void *p, void *was)
{
	struct span span = {(uintptr_t)p, (uintptr_t)p + 1};
	struct pool_slab *slab, **found = tfind(&span, &pool->slabs, compare);
	uint64_t bit;
	size_t n;

	if (!found)
		return false;
	slab = *found;
	n = (span.start - slab->span.start) / pool->size;
	bit = UINT64_C(1) << n % WORD_BITS;
	if ((span.start - slab->span.start) % pool->size || !(slab->bits[n / WORD_BITS] & bit))
		return false;
	memcpy(was, p, pool->size);
	slab->bits[n / WORD_BITS] &= ~bit;
	if (slab->taken-- == OBJECTS)
		link_slab(pool, slab);
	if (!slab->taken) {
		unlink_slab(slab);
		tdelete(slab, &pool->slabs, compare);
		free(slab);
	}
	return true;
}
