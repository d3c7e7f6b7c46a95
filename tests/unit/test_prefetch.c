/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "core/prefetch.h"

#include "support.h"

#define FIRST (UINT64_C(1) << PREFETCH_FIRST_SHIFT)

static struct extent_map map;

static void setup(void)
{
	map = (struct extent_map){0};
}

static void teardown(void)
{
	extent_map_clear(&map);
}

static void add(uint64_t start, uint64_t end)
{
	ck_assert_int_eq(extent_map_insert(&map, (struct range){start, end}, 1), 0);
}

static void check_piece(uint64_t block_length, uint64_t at, unsigned int shift, uint64_t end)
{
	struct range piece = prefetch_piece(&map, block_length, at, prefetch_shift(&map, shift));

	ck_assert_uint_eq(piece.start, at);
	ck_assert_uint_eq(piece.end, end);
}

/* 16M, 16M, 32M, 64M and so on: each doubles what there is, until it is 2^shift. */
START_TEST(pieces_double_what_is_registered)
{
	const unsigned int shift = (unsigned int)_i;
	const uint64_t most = UINT64_C(1) << shift, length = 8 * GIB;
	uint64_t at = 0, size;

	while (at < length) {
		size = at < FIRST ? FIRST : at;
		if (size > most)
			size = most;
		ck_assert_uint_eq(UINT64_C(1) << prefetch_shift(&map, shift), size);
		check_piece(length, at, shift, at + size);
		add(at, at + size);
		at += size;
	}
	ck_assert_uint_eq(at, length);
}
END_TEST

/* What is registered need be no power of two: the piece is as long, rounded up. */
START_TEST(the_size_is_rounded_up)
{
	ck_assert_uint_eq(prefetch_shift(&map, 30), PREFETCH_FIRST_SHIFT);
	add(0, FIRST);
	ck_assert_uint_eq(prefetch_shift(&map, 30), PREFETCH_FIRST_SHIFT);
	add(5 * GIB, 5 * GIB + 1);
	ck_assert_uint_eq(prefetch_shift(&map, 30), PREFETCH_FIRST_SHIFT + 1);
	add(FIRST, 2 * FIRST - 1);
	ck_assert_uint_eq(prefetch_shift(&map, 30), PREFETCH_FIRST_SHIFT + 1);
	add(2 * FIRST - 1, 2 * FIRST);
	ck_assert_uint_eq(prefetch_shift(&map, 30), PREFETCH_FIRST_SHIFT + 2);
	/* Never more than the region, be that smaller than the first piece. */
	ck_assert_uint_eq(prefetch_shift(&map, PREFETCH_FIRST_SHIFT + 1), PREFETCH_FIRST_SHIFT + 1);
	ck_assert_uint_eq(prefetch_shift(&map, PREFETCH_FIRST_SHIFT), PREFETCH_FIRST_SHIFT);
	ck_assert_uint_eq(prefetch_shift(&map, 20), 20);
}
END_TEST

START_TEST(a_piece_ends_at_the_aligned_region_extents_and_block)
{
	/* From within a region: to its end. */
	check_piece(GIB, 5 * MIB, 30, FIRST);
	check_piece(GIB, FIRST - 4096, 30, FIRST);
	check_piece(GIB, FIRST, 30, 2 * FIRST);
	check_piece(GIB, FIRST + MIB, 22, FIRST + 4 * MIB);
	/* The block's end, no multiple of anything. */
	check_piece(3 * MIB + 4096, MIB, 30, 3 * MIB + 4096);
	check_piece(FIRST, 0, 30, FIRST);
	/* The next extent; one that ends just where the piece begins is none. */
	add(3 * MIB, 4 * MIB);
	check_piece(GIB, MIB, 30, 3 * MIB);
	check_piece(GIB, 4 * MIB, 30, FIRST);
	add(12 * MIB, 13 * MIB);
	check_piece(GIB, 4 * MIB, 30, 12 * MIB);
	/* Whichever comes first. */
	check_piece(11 * MIB, 4 * MIB, 30, 11 * MIB);
}
END_TEST

static void check_start(uint64_t block_length, uint64_t position, uint64_t from, uint64_t expected)
{
	uint64_t start = 4711;

	ck_assert(prefetch_start(&map, block_length, position, from, 30, &start));
	ck_assert_uint_eq(start, expected);
}

static void check_no_start(uint64_t block_length, uint64_t position, uint64_t from)
{
	uint64_t start = 4711;

	ck_assert(!prefetch_start(&map, block_length, position, from, 30, &start));
	ck_assert_uint_eq(start, 4711);
}

START_TEST(the_next_piece_starts_at_the_first_free_address)
{
	check_start(GIB, 0, 0, 0);
	check_start(GIB, 5 * MIB, 0, 5 * MIB);
	check_start(GIB, 5 * MIB, 7 * MIB, 7 * MIB);
	add(5 * MIB, 6 * MIB);
	add(6 * MIB, 8 * MIB);
	add(9 * MIB, 10 * MIB);
	check_start(GIB, 5 * MIB, 0, 8 * MIB);
	check_start(GIB, 5 * MIB, 9 * MIB, 10 * MIB);
	check_start(GIB, 0, 0, 0);
}
END_TEST

START_TEST(there_is_no_next_piece_behind_the_block)
{
	check_start(8 * MIB, 8 * MIB - 1, 0, 8 * MIB - 1);
	check_no_start(8 * MIB, 8 * MIB, 0);
	check_no_start(8 * MIB, 0, 8 * MIB);
	check_no_start(8 * MIB, 0, UINT64_MAX);
	add(6 * MIB, 8 * MIB);
	check_no_start(8 * MIB, 6 * MIB, 0);
	check_no_start(8 * MIB, 0, 7 * MIB);
}
END_TEST

/* Enough is registered in front of QEMU until it comes to the last piece. */
START_TEST(there_is_no_next_piece_before_the_last_is_used)
{
	uint64_t start;

	add(0, FIRST);
	check_no_start(GIB, 0, 0);
	check_start(GIB, 1, 0, FIRST);
	add(FIRST, 2 * FIRST);
	check_no_start(GIB, 1, 0);
	check_no_start(GIB, FIRST, 0);
	check_start(GIB, FIRST + 1, 0, 2 * FIRST);
	add(2 * FIRST, 4 * FIRST);
	check_no_start(GIB, FIRST + 1, 0);
	check_no_start(GIB, 2 * FIRST, 0);
	check_start(GIB, 2 * FIRST + 1, 0, 4 * FIRST);
	/* What lies further on counts where it is passed over only. */
	add(8 * FIRST, 12 * FIRST);
	check_start(GIB, 2 * FIRST + 1, 0, 4 * FIRST);
	check_no_start(GIB, 2 * FIRST + 1, 12 * FIRST);
	/* As much as the longest piece is enough, however much was passed. */
	ck_assert(!prefetch_start(&map, GIB, 3 * FIRST, 0, PREFETCH_FIRST_SHIFT, &start));
	ck_assert(prefetch_start(&map, GIB, 3 * FIRST + 1, 0, PREFETCH_FIRST_SHIFT, &start));
	ck_assert_uint_eq(start, 4 * FIRST);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("prefetch");
	TCase *tc = tcase_create("prefetch");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_loop_test(tc, pieces_double_what_is_registered, 20, 31);
	tcase_add_test(tc, the_size_is_rounded_up);
	tcase_add_test(tc, a_piece_ends_at_the_aligned_region_extents_and_block);
	tcase_add_test(tc, the_next_piece_starts_at_the_first_free_address);
	tcase_add_test(tc, there_is_no_next_piece_behind_the_block);
	tcase_add_test(tc, there_is_no_next_piece_before_the_last_is_used);
	suite_add_tcase(suite, tc);
	return unit_run(suite);
}
