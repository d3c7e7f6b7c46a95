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
	/* One bit for each key's hash: what is not in the table, which is nearly
	 * everything that is asked for, mostly needs no look at the buckets. */
	_Atomic uint64_t filter;
	struct lookup_slot slot[LOOKUP_BUCKETS][LOOKUP_SLOTS];
};

static inline unsigned int lookup_hash(const void *key)
{
	return (unsigned int)(((uint64_t)(uintptr_t)key * UINT64_C(0x9e3779b97f4a7c15)) >> 58);
}

/* The value of `key`, or NULL. A value may be removed the moment after: the
 * caller knows why it is not, or can tell. */
static inline void *lookup_find(struct lookup *table, const void *key)
{
	unsigned int hash = lookup_hash(key);
	struct lookup_slot *slot;

	if (!(atomic_load_explicit(&table->filter, memory_order_acquire) & UINT64_C(1) << hash))
		return NULL;
	slot = table->slot[hash];
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
