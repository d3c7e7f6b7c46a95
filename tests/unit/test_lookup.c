/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/lookup.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "support.h"

#define KEYS 4096

static char objects[KEYS]; /* their addresses are keys */

START_TEST(finds_what_was_inserted)
{
	static struct lookup table;
	int a, b, c;

	ck_assert_ptr_null(lookup_find(&table, &objects[0]));
	ck_assert_int_eq(lookup_insert(&table, &objects[0], &a), 0);
	ck_assert_int_eq(lookup_insert(&table, &objects[1], &b), 0);
	ck_assert_ptr_eq(lookup_find(&table, &objects[0]), &a);
	ck_assert_ptr_eq(lookup_find(&table, &objects[1]), &b);
	ck_assert_ptr_null(lookup_find(&table, &objects[2]));
	ck_assert_ptr_null(lookup_find(&table, NULL));
	/* The same key again replaces. */
	ck_assert_int_eq(lookup_insert(&table, &objects[0], &c), 0);
	ck_assert_ptr_eq(lookup_find(&table, &objects[0]), &c);
	lookup_remove(&table, &objects[0]);
	ck_assert_ptr_null(lookup_find(&table, &objects[0]));
	ck_assert_ptr_eq(lookup_find(&table, &objects[1]), &b);
	lookup_remove(&table, &objects[0]);
	lookup_remove(&table, &objects[2]);
	ck_assert_ptr_eq(lookup_find(&table, &objects[1]), &b);
}
END_TEST

/* Keys of one bucket, found by asking where they go. */
static void same_bucket(const char *keys[], int count)
{
	unsigned int bucket = lookup_hash(&objects[0]);
	int n = 0;

	for (int i = 0; i < KEYS && n < count; i++)
		if (lookup_hash(&objects[i]) == bucket)
			keys[n++] = &objects[i];
	ck_assert_int_eq(n, count);
}

START_TEST(a_full_bucket_refuses_and_has_room_again)
{
	const char *keys[LOOKUP_SLOTS + 1];
	static struct lookup table;
	int values[LOOKUP_SLOTS + 1];

	same_bucket(keys, LOOKUP_SLOTS + 1);
	for (int i = 0; i < LOOKUP_SLOTS; i++)
		ck_assert_int_eq(lookup_insert(&table, keys[i], &values[i]), 0);
	ck_assert_int_eq(lookup_insert(&table, keys[LOOKUP_SLOTS], &values[LOOKUP_SLOTS]), -ENOSPC);
	ck_assert_ptr_null(lookup_find(&table, keys[LOOKUP_SLOTS]));
	/* A full bucket still replaces. */
	ck_assert_int_eq(lookup_insert(&table, keys[3], &values[0]), 0);
	ck_assert_int_eq(lookup_insert(&table, keys[3], &values[3]), 0);
	for (int gap = 0; gap < LOOKUP_SLOTS; gap++) {
		lookup_remove(&table, keys[gap]);
		ck_assert_int_eq(lookup_insert(&table, keys[LOOKUP_SLOTS], &values[LOOKUP_SLOTS]),
				 0);
		for (int i = 0; i <= LOOKUP_SLOTS; i++)
			ck_assert_ptr_eq(lookup_find(&table, keys[i]),
					 i == gap ? NULL : &values[i]);
		lookup_remove(&table, keys[LOOKUP_SLOTS]);
		ck_assert_int_eq(lookup_insert(&table, keys[gap], &values[gap]), 0);
	}
}
END_TEST

/* A key is never in two slots: removed once, it is gone. */
START_TEST(agrees_with_an_array)
{
	static struct lookup table;
	static void *model[64];
	struct random rng = {8};

	for (uint64_t round = 0; round < 50000; round++) {
		uint64_t k = random_below(&rng, 64);
		void *value = &objects[random_below(&rng, KEYS)];

		if (random_below(&rng, 2)) {
			if (!lookup_insert(&table, &objects[k * 61], value))
				model[k] = value;
			else
				expect(!model[k], "a key that is there can be replaced", round);
		} else {
			lookup_remove(&table, &objects[k * 61]);
			model[k] = NULL;
		}
		expect(lookup_find(&table, &objects[k * 61]) == model[k], "the last value", round);
	}
	for (uint64_t k = 0; k < 64; k++)
		expect(lookup_find(&table, &objects[k * 61]) == model[k], "the value", k);
}
END_TEST

/*
 * One thread adds and removes neighbours in the bucket of a key that stays;
 * others look both up, as polls do without a lock.
 */
#define READERS 3
#define ROUNDS	40000

struct shared {
	struct lookup table;
	const char *keys[LOOKUP_SLOTS + 1];
	int values[LOOKUP_SLOTS + 1];
	atomic_bool done;
	atomic_uint lost;     /* the key that stays was not found */
	atomic_uint strange;  /* a value that was never in the table */
	atomic_uint look_ups; /* made while the writer was at work */
};

static void *read_table(void *arg)
{
	struct shared *s = arg;
	void *value;

	while (!atomic_load(&s->done)) {
		if (lookup_find(&s->table, s->keys[0]) != &s->values[0])
			atomic_fetch_add(&s->lost, 1);
		for (int i = 1; i <= LOOKUP_SLOTS; i++) {
			value = lookup_find(&s->table, s->keys[i]);
			if (value &&
			    (value < (void *)s->values || value > (void *)&s->values[LOOKUP_SLOTS]))
				atomic_fetch_add(&s->strange, 1);
		}
		atomic_fetch_add(&s->look_ups, 1);
	}
	return NULL;
}

START_TEST(readers_need_no_lock)
{
	static struct shared s;
	pthread_t readers[READERS];
	struct random rng = {5};

	same_bucket(s.keys, LOOKUP_SLOTS + 1);
	ck_assert_int_eq(lookup_insert(&s.table, s.keys[0], &s.values[0]), 0);
	for (int i = 0; i < READERS; i++)
		ck_assert_int_eq(pthread_create(&readers[i], NULL, read_table, &s), 0);
	for (int round = 0; round < ROUNDS || !atomic_load(&s.look_ups); round++) {
		int i = 1 + (int)random_below(&rng, LOOKUP_SLOTS);

		if (random_below(&rng, 2))
			lookup_insert(&s.table, s.keys[i], &s.values[i]);
		else
			lookup_remove(&s.table, s.keys[i]);
	}
	atomic_store(&s.done, true);
	for (int i = 0; i < READERS; i++)
		ck_assert_int_eq(pthread_join(readers[i], NULL), 0);
	ck_assert_uint_eq(atomic_load(&s.lost), 0);
	ck_assert_uint_eq(atomic_load(&s.strange), 0);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("lookup");
	TCase *tc = tcase_create("lookup");

	tcase_add_test(tc, finds_what_was_inserted);
	tcase_add_test(tc, a_full_bucket_refuses_and_has_room_again);
	tcase_add_test(tc, agrees_with_an_array);
	tcase_add_test(tc, readers_need_no_lock);
	suite_add_tcase(suite, tc);
	return unit_run(suite);
}
