/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "util/pool.h"

#include <string.h>

#include "support.h"

struct object {
	uint64_t number;
	char rest[24];
};

#define OBJECTS 5000

static struct pool pool = POOL_OF(struct object);
static struct object *object[OBJECTS];

static void take_all(void)
{
	static const struct object zero;

	for (uint64_t i = 0; i < OBJECTS; i++) {
		object[i] = pool_take(&pool);
		expect(object[i] && !memcmp(object[i], &zero, sizeof(zero)), "all zero", i);
		memset(object[i], 0xff, sizeof(*object[i]));
		object[i]->number = i;
	}
	for (uint64_t i = 0; i < OBJECTS; i++)
		expect(object[i]->number == i, "nobody else's", i);
}

START_TEST(objects_come_and_go_in_any_order)
{
	struct random rng = {1};
	struct object was;

	for (unsigned int round = 0; round < 3; round++) {
		take_all();
		for (uint64_t i = OBJECTS; i > 0; i--) {
			uint64_t which = random_below(&rng, i);
			struct object *given = object[which];
			uint64_t number = given->number;

			expect(pool_give(&pool, given, &was), "it was taken", i);
			expect(was.number == number, "as it was", i);
			expect(!pool_give(&pool, given, &was), "not any more", i);
			object[which] = object[i - 1];
		}
		ck_assert_ptr_null(pool.slabs);
		ck_assert_ptr_null(pool.open);
	}
}
END_TEST

START_TEST(what_has_been_given_back_is_taken_again)
{
	struct object was, *first, *second;

	first = pool_take(&pool);
	second = pool_take(&pool);
	ck_assert(pool_give(&pool, first, &was));
	ck_assert_ptr_eq(pool_take(&pool), first);
	ck_assert(pool_give(&pool, first, &was));
	ck_assert(pool_give(&pool, second, &was));
}
END_TEST

START_TEST(knows_its_own)
{
	struct object other = {0}, was, *mine;

	ck_assert(!pool_give(&pool, &other, &was));
	mine = pool_take(&pool);
	ck_assert(!pool_give(&pool, &other, &was));
	ck_assert(!pool_give(&pool, mine + 1, &was));
	ck_assert(!pool_give(&pool, mine - 1, &was));
	ck_assert(!pool_give(&pool, (char *)mine + 8, &was));
	ck_assert(!pool_give(&pool, NULL, &was));
	ck_assert(pool_give(&pool, mine, &was));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("pool");
	TCase *tc = tcase_create("pool");

	tcase_add_test(tc, objects_come_and_go_in_any_order);
	tcase_add_test(tc, what_has_been_given_back_is_taken_again);
	tcase_add_test(tc, knows_its_own);
	suite_add_tcase(suite, tc);
	return unit_run(suite);
}
