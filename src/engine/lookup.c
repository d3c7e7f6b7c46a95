/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/lookup.h"

#include <errno.h>

int lookup_insert(struct lookup *table, const void *key, void *value)
{
	struct lookup_slot *slot = table->slot[lookup_hash(key)];
	struct lookup_slot *empty = NULL;

	for (int i = 0; i < LOOKUP_SLOTS; i++) {
		const void *present = atomic_load(&slot[i].key);

		if (present == key) {
			atomic_store(&slot[i].value, value);
			return 0;
		}
		if (!present && !empty)
			empty = &slot[i];
	}
	if (!empty)
		return -ENOSPC;
	/* A reader that sees the key must see its value. */
	atomic_store_explicit(&empty->value, value, memory_order_relaxed);
	atomic_store_explicit(&empty->key, key, memory_order_release);
	atomic_fetch_or(&table->filter, UINT64_C(1) << lookup_hash(key));
	return 0;
}

void lookup_remove(struct lookup *table, const void *key)
{
	struct lookup_slot *slot = table->slot[lookup_hash(key)];

	for (int i = 0; i < LOOKUP_SLOTS; i++) {
		if (atomic_load(&slot[i].key) != key)
			continue;
		atomic_store(&slot[i].key, NULL);
		atomic_store(&slot[i].value, NULL);
	}
	for (int i = 0; i < LOOKUP_SLOTS; i++)
		if (atomic_load(&slot[i].key))
			return;
	/* The filter's bit is the bucket's: nobody else has it. */
	atomic_fetch_and(&table->filter, ~(UINT64_C(1) << lookup_hash(key)));
}
