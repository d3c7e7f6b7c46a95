/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RDMACHUNK_ENGINE_LOOKUP_H
#define RDMACHUNK_ENGINE_LOOKUP_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

/*
 * A small table from a pointer to a pointer that is read on every post and poll
 * of the process, by any thread, without a lock. Writers serialise themselves.
 *
 * A bucket is scanned whole, so that removing needs no marks left behind; a
 * full bucket refuses, and its object is then simply not tracked.
 */

#define LOOKUP_BUCKETS 64
#define LOOKUP_SLOTS   4

struct lookup_slot {
	_Atomic(const void *) key;
	_Atomic(void *) value;
};

/* All zero is an empty table. */
struct lookup {
	struct lookup_slot slot[LOOKUP_BUCKETS][LOOKUP_SLOTS];
};

static inline struct lookup_slot *lookup_bucket(struct lookup *table, const void *key)
{
	uint64_t hash = (uint64_t)(uintptr_t)key * UINT64_C(0x9e3779b97f4a7c15);

	return table->slot[hash >> 58];
}

/* The value of `key`, or NULL. A value may be removed the moment after: the
 * caller knows why it is not, or can tell. */
static inline void *lookup_find(struct lookup *table, const void *key)
{
	struct lookup_slot *slot = lookup_bucket(table, key);

	for (int i = 0; i < LOOKUP_SLOTS; i++)
		if (atomic_load_explicit(&slot[i].key, memory_order_acquire) == key)
			return atomic_load_explicit(&slot[i].value, memory_order_relaxed);
	return NULL;
}

/* Add or replace. 0, or -ENOSPC. */
int lookup_insert(struct lookup *table, const void *key, void *value);

/* Nothing happens when it is not there. */
void lookup_remove(struct lookup *table, const void *key);

#endif
