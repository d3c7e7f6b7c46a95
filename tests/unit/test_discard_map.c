/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "core/discard_map.h"

#include "support.h"

#define G DISCARD_GRANULE

static struct range range(uint64_t start, uint64_t end)
{
	return (struct range){start, end};
}

START_TEST(knows_nothing_before_it_is_made)
{
	struct discard_map map = {0};

	discard_map_set(&map, range(0, 4 * G));
	ck_assert(!discard_map_test(&map, range(0, 4 * G)));
	ck_assert(!discard_map_reset(&map, range(0, 4 * G)));
}
END_TEST

START_TEST(tells_which_granules)
{
	struct discard_map map = {0};

	ck_assert_int_eq(discard_map_init(&map, 1000 * G), 0);
	ck_assert(!discard_map_test(&map, range(0, 1000 * G)));
	/* One page, on both sides of a word of the map. */
	for (uint64_t at = 62; at < 67; at++) {
		discard_map_set(&map, range(at * G + 4096, at * G + 8192));
		ck_assert(discard_map_test(&map, range(at * G, at * G + 1)));
		ck_assert(discard_map_test(&map, range(0, 1000 * G)));
		ck_assert(!discard_map_test(&map, range(0, at * G)));
		ck_assert(!discard_map_test(&map, range((at + 1) * G, 1000 * G)));
		ck_assert(!discard_map_reset(&map, range(0, at * G)));
		ck_assert(!discard_map_reset(&map, range((at + 1) * G, 1000 * G)));
		ck_assert(discard_map_reset(&map, range(at * G, (at + 1) * G)));
		ck_assert(!discard_map_test(&map, range(0, 1000 * G)));
	}
	discard_map_free(&map);
}
END_TEST

START_TEST(a_range_over_several_words)
{
	struct discard_map map = {0};

	ck_assert_int_eq(discard_map_init(&map, 1000 * G), 0);
	discard_map_set(&map, range(10 * G, 300 * G));
	ck_assert(!discard_map_test(&map, range(0, 10 * G)));
	for (uint64_t at = 10; at < 300; at++)
		ck_assert(discard_map_test(&map, range(at * G, (at + 1) * G)));
	ck_assert(!discard_map_test(&map, range(300 * G, 1000 * G)));
	ck_assert(discard_map_reset(&map, range(11 * G, 299 * G)));
	ck_assert(discard_map_test(&map, range(10 * G, 11 * G)));
	ck_assert(!discard_map_test(&map, range(11 * G, 299 * G)));
	ck_assert(discard_map_test(&map, range(299 * G, 300 * G)));
	discard_map_free(&map);
}
END_TEST

/* What is registered in part only is not known to be fresh. */
START_TEST(a_part_of_a_granule_keeps_its_bit)
{
	struct discard_map map = {0};

	ck_assert_int_eq(discard_map_init(&map, 4 * G + G / 2), 0);
	discard_map_set(&map, range(0, 5 * G));
	ck_assert(!discard_map_reset(&map, range(0, G / 2)));
	ck_assert(discard_map_reset(&map, range(G / 2, 2 * G + 1)));
	ck_assert(discard_map_test(&map, range(0, G)));
	ck_assert(!discard_map_test(&map, range(G, 2 * G)));
	ck_assert(discard_map_test(&map, range(2 * G, 3 * G)));
	/* The block's last one is whole for all that it has. */
	discard_map_reset(&map, range(4 * G, 4 * G + G / 2));
	ck_assert(!discard_map_test(&map, range(4 * G, 5 * G)));
	discard_map_free(&map);
}
END_TEST

START_TEST(rounds_to_granules_within_the_block)
{
	struct discard_map map = {0};
	struct range r;

	ck_assert_int_eq(discard_map_init(&map, 4 * G + 4096), 0);
	r = discard_map_round(&map, range(G + 1, 2 * G + 1));
	ck_assert_uint_eq(r.start, G);
	ck_assert_uint_eq(r.end, 3 * G);
	r = discard_map_round(&map, range(2 * G, 3 * G));
	ck_assert_uint_eq(r.start, 2 * G);
	ck_assert_uint_eq(r.end, 3 * G);
	r = discard_map_round(&map, range(4 * G + 1, 4 * G + 2));
	ck_assert_uint_eq(r.start, 4 * G);
	ck_assert_uint_eq(r.end, 4 * G + 4096);
	discard_map_free(&map);
}
END_TEST

START_TEST(ignores_what_is_outside_the_block)
{
	struct discard_map map = {0};

	ck_assert_int_eq(discard_map_init(&map, 3 * G), 0);
	discard_map_set(&map, range(3 * G, 9 * G));
	discard_map_set(&map, range(2 * G, 2 * G));
	ck_assert(!discard_map_test(&map, range(0, 3 * G)));
	discard_map_set(&map, range(2 * G, UINT64_MAX));
	ck_assert(discard_map_test(&map, range(2 * G, 3 * G)));
	ck_assert(!discard_map_test(&map, range(0, 2 * G)));
	discard_map_free(&map);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("discard_map");
	TCase *tc = tcase_create("discard_map");

	tcase_add_test(tc, knows_nothing_before_it_is_made);
	tcase_add_test(tc, tells_which_granules);
	tcase_add_test(tc, a_range_over_several_words);
	tcase_add_test(tc, a_part_of_a_granule_keeps_its_bit);
	tcase_add_test(tc, rounds_to_granules_within_the_block);
	tcase_add_test(tc, ignores_what_is_outside_the_block);
	suite_add_tcase(suite, tc);
	return unit_run(suite);
}
