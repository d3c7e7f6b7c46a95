/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "core/extent_map.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "extents.h"
#include "random.h"
#include "support.h"

static struct range range(uint64_t start, uint64_t end)
{
	return (struct range){start, end};
}

/* [10, 20) and [30, 40) */
static void two_extents(struct extent_map *map)
{
	memset(map, 0, sizeof(*map));
	ck_assert_int_eq(extent_map_insert(map, range(30, 40), 300), 0);
	ck_assert_int_eq(extent_map_insert(map, range(10, 20), 100), 0);
}

START_TEST(an_empty_map_is_all_gap)
{
	struct extent_map map = {0};
	struct range gap;

	ck_assert_ptr_null(extent_map_find(&map, range(0, 1)));
	ck_assert(extent_map_gap(&map, range(3, 50), range(5, 6), &gap));
	ck_assert_uint_eq(gap.start, 3);
	ck_assert_uint_eq(gap.end, 50);
	ck_assert_int_eq(extent_map_remove(&map, 0), -ENOENT);
	extent_map_clear(&map);
}
END_TEST

START_TEST(finds_only_what_one_extent_holds)
{
	/* A range, and the value of the extent that holds it, or 0. */
	static const struct {
		uint64_t start, end, value;
	} cases[] = {
		{10, 20, 100}, {10, 11, 100}, {19, 20, 100}, {12, 15, 100}, {9, 11, 0},
		{9, 10, 0},    {19, 21, 0},   {20, 21, 0},   {9, 21, 0},    {30, 40, 300},
		{29, 31, 0},   {39, 41, 0},   {40, 41, 0},   {15, 35, 0},   {0, 100, 0},
	};
	const struct extent *extent;
	struct extent_map map;

	two_extents(&map);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		extent = extent_map_find(&map, range(cases[i].start, cases[i].end));
		ck_assert_uint_eq(extent ? extent->value : 0, cases[i].value);
	}
	extent_map_clear(&map);
}
END_TEST

START_TEST(refuses_an_overlap_on_every_side)
{
	/*      10        20        30        40
	 *      |====A====|         |====B====| */
	static const struct {
		uint64_t start, end;
		int ret;
	} cases[] = {
		{10, 20, -EEXIST}, /* the same */
		{11, 19, -EEXIST}, /* inside */
		{5, 25, -EEXIST},  /* around */
		{5, 11, -EEXIST},  /* its first byte */
		{19, 25, -EEXIST}, /* its last */
		{10, 11, -EEXIST}, {19, 20, -EEXIST}, {25, 31, -EEXIST},
		{39, 45, -EEXIST}, {15, 35, -EEXIST}, /* both */
		{0, 100, -EEXIST}, {5, 5, -EINVAL},   {15, 15, -EINVAL},
		{25, 5, -EINVAL},  {5, 10, 0}, /* up to it */
		{20, 30, 0},		       /* between the two, touching both */
		{40, 41, 0},	   {0, 1, 0},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct extent_map map;

		two_extents(&map);
		ck_assert_int_eq(extent_map_insert(&map, range(cases[i].start, cases[i].end), 1),
				 cases[i].ret);
		ck_assert_uint_eq(map.count, cases[i].ret ? 2 : 3);
		ck_assert_uint_eq(extent_map_find(&map, range(10, 20))->value, 100);
		ck_assert_uint_eq(extent_map_find(&map, range(30, 40))->value, 300);
		extent_map_clear(&map);
	}
}
END_TEST

START_TEST(adjacent_extents_stay_two)
{
	struct extent_map map = {0};

	ck_assert_int_eq(extent_map_insert(&map, range(0, 10), 1), 0);
	ck_assert_int_eq(extent_map_insert(&map, range(10, 20), 2), 0);
	ck_assert_ptr_null(extent_map_find(&map, range(9, 11)));
	ck_assert_uint_eq(extent_map_find(&map, range(9, 10))->value, 1);
	ck_assert_uint_eq(extent_map_find(&map, range(10, 11))->value, 2);
	extent_map_clear(&map);
}
END_TEST

START_TEST(the_gap_ends_at_bounds_and_neighbours)
{
	static const struct {
		struct range bounds, want;
		bool found;
		struct range gap;
	} cases[] = {
		{{0, 100}, {0, 5}, true, {0, 10}},    {{0, 100}, {20, 21}, true, {20, 30}},
		{{0, 100}, {20, 30}, true, {20, 30}}, {{0, 100}, {45, 50}, true, {40, 100}},
		{{22, 28}, {23, 24}, true, {22, 28}}, {{15, 35}, {23, 24}, true, {20, 30}},
		{{0, 100}, {9, 11}, false, {0, 0}},   {{0, 100}, {19, 21}, false, {0, 0}},
		{{0, 100}, {12, 13}, false, {0, 0}},  {{0, 100}, {5, 25}, false, {0, 0}},
		{{0, 100}, {20, 31}, false, {0, 0}},  {{0, 100}, {39, 40}, false, {0, 0}},
	};
	struct extent_map map;
	struct range gap;

	two_extents(&map);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		gap = range(7, 8);
		ck_assert(extent_map_gap(&map, cases[i].bounds, cases[i].want, &gap) ==
			  cases[i].found);
		ck_assert_uint_eq(gap.start, cases[i].found ? cases[i].gap.start : 7);
		ck_assert_uint_eq(gap.end, cases[i].found ? cases[i].gap.end : 8);
	}
	extent_map_clear(&map);
}
END_TEST

START_TEST(removes_by_its_start_only)
{
	struct extent_map map;

	two_extents(&map);
	ck_assert_int_eq(extent_map_remove(&map, 9), -ENOENT);
	ck_assert_int_eq(extent_map_remove(&map, 11), -ENOENT);
	ck_assert_int_eq(extent_map_remove(&map, 20), -ENOENT);
	ck_assert_int_eq(extent_map_remove(&map, 40), -ENOENT);
	ck_assert_int_eq(extent_map_remove(&map, 10), 0);
	ck_assert_int_eq(extent_map_remove(&map, 10), -ENOENT);
	ck_assert_ptr_null(extent_map_find(&map, range(10, 11)));
	ck_assert_uint_eq(extent_map_find(&map, range(30, 31))->value, 300);
	ck_assert_int_eq(extent_map_remove(&map, 30), 0);
	ck_assert_uint_eq(map.count, 0);
	extent_map_clear(&map);
}
END_TEST

START_TEST(holds_the_ends_of_the_address_space)
{
	struct extent_map map = {0};
	struct range gap;

	ck_assert_int_eq(extent_map_insert(&map, range(UINT64_MAX - 1, UINT64_MAX), 9), 0);
	ck_assert_int_eq(extent_map_insert(&map, range(0, 1), 8), 0);
	ck_assert_uint_eq(extent_map_find(&map, range(UINT64_MAX - 1, UINT64_MAX))->value, 9);
	ck_assert(extent_map_gap(&map, range(0, UINT64_MAX), range(1, 2), &gap));
	ck_assert_uint_eq(gap.start, 1);
	ck_assert_uint_eq(gap.end, UINT64_MAX - 1);
	extent_map_clear(&map);
	ck_assert_ptr_null(map.root);
	ck_assert_uint_eq(map.count, 0);
}
END_TEST

START_TEST(places_in_an_empty_map)
{
	struct extent_map map = {0};
	struct range found = {7, 8};

	ck_assert_uint_eq(extent_map_free_at(&map, 0), 0);
	ck_assert_uint_eq(extent_map_free_at(&map, UINT64_MAX), UINT64_MAX);
	ck_assert(!extent_map_next(&map, 0, &found));
	ck_assert_uint_eq(found.start, 7);
	ck_assert_uint_eq(extent_map_bytes(&map, range(0, UINT64_MAX)), 0);
	ck_assert_int_eq(extent_map_set(&map, 0, 1), -ENOENT);
}
END_TEST

START_TEST(places_among_extents)
{
	struct extent_map map = {0};
	struct range found;

	ck_assert_int_eq(extent_map_insert(&map, range(10, 20), 1), 0);
	ck_assert_int_eq(extent_map_insert(&map, range(20, 30), 2), 0);
	ck_assert_int_eq(extent_map_insert(&map, range(40, UINT64_MAX), 3), 0);
	ck_assert_uint_eq(extent_map_free_at(&map, 9), 9);
	ck_assert_uint_eq(extent_map_free_at(&map, 10), 30);
	ck_assert_uint_eq(extent_map_free_at(&map, 19), 30);
	ck_assert_uint_eq(extent_map_free_at(&map, 30), 30);
	ck_assert_uint_eq(extent_map_free_at(&map, 50), UINT64_MAX);
	/* The one that the address is in, or that comes after. */
	ck_assert(extent_map_next(&map, 0, &found));
	ck_assert_uint_eq(found.start, 10);
	ck_assert(extent_map_next(&map, 19, &found));
	ck_assert_uint_eq(found.end, 20);
	ck_assert(extent_map_next(&map, 20, &found));
	ck_assert_uint_eq(found.start, 20);
	ck_assert(extent_map_next(&map, 30, &found));
	ck_assert_uint_eq(found.start, 40);
	ck_assert(!extent_map_next(&map, UINT64_MAX, &found));
	/* Whole ones, parts at either end, one from within, none. */
	ck_assert_uint_eq(extent_map_bytes(&map, range(0, 40)), 20);
	ck_assert_uint_eq(extent_map_bytes(&map, range(15, 42)), 17);
	ck_assert_uint_eq(extent_map_bytes(&map, range(12, 13)), 1);
	ck_assert_uint_eq(extent_map_bytes(&map, range(30, 40)), 0);
	ck_assert_uint_eq(extent_map_bytes(&map, range(0, UINT64_MAX)), 20 + UINT64_MAX - 40);
	/* Another value, and nothing else. */
	ck_assert_int_eq(extent_map_set(&map, 20, 9), 0);
	ck_assert_uint_eq(extent_map_find(&map, range(20, 30))->value, 9);
	ck_assert_uint_eq(extent_map_find(&map, range(10, 20))->value, 1);
	ck_assert_int_eq(extent_map_set(&map, 21, 9), -ENOENT);
	ck_assert_int_eq(extent_map_set(&map, 35, 9), -ENOENT);
	ck_assert_uint_eq(map.count, 3);
	extent_map_clear(&map);
}
END_TEST

/* Only what reaches into the range is meant. */
START_TEST(replaces_and_removes_by_range_and_value)
{
	struct extent_map map = {0};

	ck_assert_int_eq(extent_map_insert(&map, range(0, 10), 7), 0);
	ck_assert_int_eq(extent_map_insert(&map, range(10, 20), 8), 0);
	ck_assert_int_eq(extent_map_insert(&map, range(20, 30), 7), 0);
	ck_assert_uint_eq(extent_map_replace(&map, range(9, 20), 7, 9), 10);
	ck_assert_uint_eq(extent_map_find(&map, range(0, 10))->value, 9);
	ck_assert_uint_eq(extent_map_find(&map, range(20, 30))->value, 7);
	extent_map_remove_value(&map, range(0, 20), 7);
	ck_assert_uint_eq(map.count, 3);
	extent_map_remove_value(&map, range(0, 21), 7);
	ck_assert_uint_eq(map.count, 2);
	ck_assert_ptr_null(extent_map_find(&map, range(20, 30)));
	extent_map_clear(&map);
}
END_TEST

#define MANY 100000

/* 0 to MANY - 1 in random order. */
static uint64_t *shuffled(void)
{
	uint64_t *number = calloc(MANY, sizeof(*number));
	struct random rng = {1};

	ck_assert_ptr_nonnull(number);
	for (uint64_t i = 0; i < MANY; i++) {
		uint64_t other = random_below(&rng, (unsigned int)i + 1);

		number[i] = number[other];
		number[other] = i;
	}
	return number;
}

/*
 * A call goes down the tree some five times at most, and then looks at the extents of a leaf or
 * two: these two numbers are all that it can take.
 */
static void check_steps(const struct extent_map *map)
{
	unsigned int log2 = 1;
	struct extents_shape shape;

	ck_assert_ptr_null(extents_check(map, &shape));
	ck_assert_uint_le(shape.leaves, 2 * map->count / EXTENT_MAP_LEAF + 1);
	while (shape.leaves >> log2)
		log2++;
	ck_assert_uint_le(shape.depth, 3 * log2);
}

/* Every other ten bytes of one extent that holds them all go, in random order; then what is left
 * does. */
START_TEST(splits_one_extent_into_many_in_random_order)
{
	uint64_t *order = shuffled();
	struct extent_map map = {0};
	struct extent cut;

	ck_assert_int_eq(extent_map_insert(&map, range(0, 20 * MANY + 10), 7), 0);
	for (uint64_t i = 0; i < MANY; i++) {
		uint64_t at = 20 * order[i] + 10;

		expect(extent_map_cut(&map, range(at, at + 10), &cut) == 1, "cut", i);
		expect(cut.range.end == at + 10, "end of what is cut", i);
		expect(extent_map_bytes(&map, range(0, UINT64_MAX)) == 20 * MANY - 10 * i, "bytes",
		       i);
		if (i % 1000 == 0)
			check_steps(&map);
	}
	ck_assert_uint_eq(map.count, MANY + 1);
	for (uint64_t i = 0; i < MANY; i++) {
		expect(!extent_map_remove(&map, 20 * order[i]), "remove", i);
		if (i % 1000 == 0)
			check_steps(&map);
	}
	ck_assert_uint_eq(map.count, 1);
	ck_assert_uint_eq(extent_map_bytes(&map, range(0, UINT64_MAX)), 10);
	extent_map_clear(&map);
	free(order);
}
END_TEST

/* Extents of ten bytes that touch, but for a hole where there is none, in this order. */
static void insert_many(struct extent_map *map, const uint64_t *order, uint64_t hole)
{
	for (uint64_t i = 0; i < MANY; i++) {
		uint64_t n = order ? order[i] : i;

		if (n != hole)
			expect(!extent_map_insert(map, range(10 * n, 10 * n + 10), n), "insert", i);
	}
	check_steps(map);
}

START_TEST(places_among_many_extents)
{
	uint64_t *order = shuffled();
	struct extent_map map = {0};
	struct random rng = {2};
	struct range gap;

	insert_many(&map, order, 70000);
	for (unsigned int i = 0; i < MANY; i++) {
		uint64_t from = random_below(&rng, 10 * MANY), to = random_below(&rng, 10 * MANY);
		uint64_t bytes = to > from ? to - from : 0,
			 end = from < 700000 ? 700000 : 10 * MANY;

		if (from <= 700000 && to >= 700010)
			bytes -= 10;
		if ((from >= 700000 && from < 700010) || (to >= 700000 && to < 700010))
			continue;
		expect(extent_map_bytes(&map, range(from, to)) == bytes, "bytes", i);
		expect(extent_map_free_at(&map, from) == end, "free from", i);
		expect(extent_map_first(&map, from)->value == from / 10, "first", i);
	}
	ck_assert(extent_map_gap(&map, range(0, 10 * MANY), range(700003, 700005), &gap));
	ck_assert(gap.start == 700000 && gap.end == 700010);
	ck_assert_uint_eq(extent_map_replace(&map, range(0, 10 * MANY), 9999, 1), 10);
	extent_map_remove_value(&map, range(0, 10 * MANY), 1);
	ck_assert_uint_eq(map.count, MANY - 3);
	ck_assert_uint_eq(extent_map_free_at(&map, 11), 11);
	ck_assert_uint_eq(extent_map_free_at(&map, 20), 99990);
	extent_map_clear(&map);
	free(order);
}
END_TEST

/* As QEMU goes through a guest for the first time. */
START_TEST(extents_in_order_fill_their_leaves)
{
	struct extent_map map = {0};
	struct extents_shape shape;

	insert_many(&map, NULL, MANY);
	ck_assert_ptr_null(extents_check(&map, &shape));
	ck_assert_uint_eq(shape.leaves, (MANY + EXTENT_MAP_LEAF - 1) / EXTENT_MAP_LEAF);
	ck_assert_uint_eq(extent_map_free_at(&map, 0), 10 * MANY);
	extent_map_clear(&map);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("extent_map");
	TCase *tc = tcase_create("extent_map");

	tcase_add_test(tc, an_empty_map_is_all_gap);
	tcase_add_test(tc, finds_only_what_one_extent_holds);
	tcase_add_test(tc, refuses_an_overlap_on_every_side);
	tcase_add_test(tc, adjacent_extents_stay_two);
	tcase_add_test(tc, the_gap_ends_at_bounds_and_neighbours);
	tcase_add_test(tc, removes_by_its_start_only);
	tcase_add_test(tc, holds_the_ends_of_the_address_space);
	tcase_add_test(tc, places_in_an_empty_map);
	tcase_add_test(tc, places_among_extents);
	tcase_add_test(tc, replaces_and_removes_by_range_and_value);
	tcase_add_test(tc, splits_one_extent_into_many_in_random_order);
	tcase_add_test(tc, places_among_many_extents);
	tcase_add_test(tc, extents_in_order_fill_their_leaves);
	suite_add_tcase(suite, tc);
	return unit_run(suite);
}
