/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "core/widen.h"

#include <errno.h>

#include "support.h"

/* QEMU's x-rdma-chunk-size: 1 MiB to 1 GiB */
#define SHIFT_MIN 20
#define SHIFT_MAX 30

static void check_range(struct range r, uint64_t start, uint64_t end)
{
	ck_assert_uint_eq(r.start, start);
	ck_assert_uint_eq(r.end, end);
}

START_TEST(widens_to_the_region_in_the_block)
{
	static const struct {
		uint64_t length, start, end;
		unsigned int shift;
		uint64_t wide_start, wide_end;
	} cases[] = {
		/* a region in the middle, its first and its last chunk */
		{GIB, 64 * MIB, 65 * MIB, 26, 64 * MIB, 128 * MIB},
		{GIB, 127 * MIB, 128 * MIB, 26, 64 * MIB, 128 * MIB},
		/* clipped to the block's end, also when that is no whole chunk */
		{100 * MIB, 70 * MIB, 71 * MIB, 26, 64 * MIB, 100 * MIB},
		{100 * MIB + 4 * KIB, 100 * MIB, 100 * MIB + 4 * KIB, 26, 64 * MIB,
		 100 * MIB + 4 * KIB},
		{64 * KIB, 0, 64 * KIB, 30, 0, 64 * KIB},
		/* a region that ends where the block does */
		{128 * MIB, 64 * MIB, 65 * MIB, 26, 64 * MIB, 128 * MIB},
		/* what is larger than a region, or lies across two, stays as it is */
		{GIB, 0, 32 * MIB, 20, 0, 32 * MIB},
		{GIB, 63 * MIB, 65 * MIB, 26, 63 * MIB, 65 * MIB},
		{GIB, 0, 64 * MIB, 26, 0, 64 * MIB},
		/* the chunk itself */
		{GIB, 5 * MIB, 6 * MIB, 20, 5 * MIB, 6 * MIB},
		{8 * GIB, 7 * GIB + MIB, 7 * GIB + 2 * MIB, 30, 7 * GIB, 8 * GIB},
		/* the end of the address space */
		{UINT64_MAX, UINT64_MAX - MIB, UINT64_MAX, 30, UINT64_MAX - GIB + 1, UINT64_MAX},
	};
	const struct extent_map none = {0};
	struct range wide;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		ck_assert(widen_range(&none, cases[i].length,
				      (struct range){cases[i].start, cases[i].end}, cases[i].shift,
				      &wide));
		check_range(wide, cases[i].wide_start, cases[i].wide_end);
	}
}
END_TEST

START_TEST(refuses_what_is_not_in_the_block)
{
	const struct extent_map none = {0};
	struct range wide = {7, 8};

	ck_assert(!widen_range(&none, 10 * MIB, (struct range){0, 10 * MIB + 1}, 30, &wide));
	ck_assert(!widen_range(&none, 10 * MIB, (struct range){10 * MIB, 11 * MIB}, 30, &wide));
	ck_assert(!widen_range(&none, 10 * MIB, (struct range){MIB, MIB}, 30, &wide));
	ck_assert(!widen_range(&none, 10 * MIB, (struct range){2 * MIB, MIB}, 30, &wide));
	ck_assert(!widen_range(&none, 0, (struct range){0, 1}, 30, &wide));
	check_range(wide, 7, 8);
}
END_TEST

START_TEST(clips_to_what_is_registered)
{
	struct extent_map map = {0};
	struct range wide = {7, 8};

	/*  0   4      8             16          20    64M
	 *  |...|==A===|.............|===B=======|......| */
	ck_assert_int_eq(extent_map_insert(&map, (struct range){4 * MIB, 8 * MIB}, 1), 0);
	ck_assert_int_eq(extent_map_insert(&map, (struct range){16 * MIB, 20 * MIB}, 1), 0);
	ck_assert(!widen_range(&map, GIB, (struct range){4 * MIB, 5 * MIB}, 26, &wide));
	ck_assert(!widen_range(&map, GIB, (struct range){7 * MIB, 9 * MIB}, 26, &wide));
	ck_assert(!widen_range(&map, GIB, (struct range){0, 64 * MIB}, 26, &wide));
	check_range(wide, 7, 8);
	ck_assert(widen_range(&map, GIB, (struct range){0, MIB}, 26, &wide));
	check_range(wide, 0, 4 * MIB);
	ck_assert(widen_range(&map, GIB, (struct range){10 * MIB, 11 * MIB}, 26, &wide));
	check_range(wide, 8 * MIB, 16 * MIB);
	ck_assert(widen_range(&map, GIB, (struct range){40 * MIB, 41 * MIB}, 26, &wide));
	check_range(wide, 20 * MIB, 64 * MIB);
	ck_assert(widen_range(&map, GIB, (struct range){70 * MIB, 71 * MIB}, 26, &wide));
	check_range(wide, 64 * MIB, 128 * MIB);
	/* no further than the smaller region */
	ck_assert(widen_range(&map, GIB, (struct range){14 * MIB, 15 * MIB}, 22, &wide));
	check_range(wide, 12 * MIB, 16 * MIB);
	extent_map_clear(&map);
}
END_TEST

START_TEST(a_request_covers_whole_chunks)
{
	const uint64_t size = UINT64_C(1) << _i;
	struct range r = {7, 8};

	ck_assert(widen_chunk_range(3 * size, 0, 0, size, &r));
	check_range(r, 0, size);
	/* `offset` is where QEMU writes, anywhere in the chunk */
	ck_assert(widen_chunk_range(3 * size, 2 * size - 1, 0, size, &r));
	check_range(r, size, 2 * size);
	ck_assert(widen_chunk_range(3 * size, size, 1, size, &r));
	check_range(r, size, 3 * size);
	/* clipped to the block */
	ck_assert(widen_chunk_range(3 * size, size, 2, size, &r));
	check_range(r, size, 3 * size);
	ck_assert(widen_chunk_range(size + 4096, size, 0, size, &r));
	check_range(r, size, size + 4096);
	ck_assert(widen_chunk_range(4096, 0, 0, size, &r));
	check_range(r, 0, 4096);
	/* not in the block */
	r = (struct range){7, 8};
	ck_assert(!widen_chunk_range(3 * size, 3 * size, 0, size, &r));
	ck_assert(!widen_chunk_range(3 * size, UINT64_MAX, 0, size, &r));
	check_range(r, 7, 8);
}
END_TEST

START_TEST(a_hostile_count_does_not_wrap)
{
	const uint64_t size = UINT64_C(1) << _i;
	const uint64_t counts[] = {
		3,
		UINT32_MAX,
		UINT64_MAX / size,
		UINT64_MAX / size - 1,
		UINT64_MAX / size + 1,
		UINT64_MAX - 1,
		UINT64_MAX,
	};
	struct range r;

	for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
		ck_assert(widen_chunk_range(3 * size, 5, counts[i], size, &r));
		check_range(r, 0, 3 * size);
		ck_assert(widen_chunk_range(UINT64_MAX, UINT64_MAX - 1, counts[i], size, &r));
		check_range(r, (UINT64_MAX - 1) & ~(size - 1), UINT64_MAX);
	}
}
END_TEST

/* For each chunk size: a chunk in the middle of a block shows it at once. */
START_TEST(learns_every_chunk_size)
{
	const uint64_t size = UINT64_C(1) << _i;
	uint64_t start, found;

	for (uint64_t chunks = 0; chunks < 3; chunks++) {
		ck_assert_int_eq(widen_learn_chunk(8 * GIB, 2 * GIB + size / 2, chunks,
						   (chunks + 1) * size, 0, &start, &found),
				 0);
		ck_assert_uint_eq(start, 2 * GIB);
		ck_assert_uint_eq(found, size);
	}
	/* The last chunk, clipped: shorter than any chunk of that offset otherwise. */
	ck_assert_int_eq(widen_learn_chunk(3 * size + 4096, 2 * size, 0, size, 0, &start, &found),
			 0);
	ck_assert_uint_eq(start, 2 * size);
	ck_assert_uint_eq(found, size);
}
END_TEST

START_TEST(leaves_open_what_the_clipping_hides)
{
	uint64_t start, found;

	/* A block no larger than the smallest chunk: any size explains it. */
	ck_assert_int_eq(widen_learn_chunk(64 * KIB, 4096, 0, 64 * KIB, 0, &start, &found), 0);
	ck_assert_uint_eq(start, 0);
	ck_assert_uint_eq(found, 0);
	ck_assert_int_eq(widen_learn_chunk(MIB, 0, 0, MIB, 0, &start, &found), 0);
	ck_assert_uint_eq(start, 0);
	ck_assert_uint_eq(found, 0);
	/* A tail that begins at a multiple of several sizes. */
	ck_assert_int_eq(widen_learn_chunk(4 * MIB + 8192, 4 * MIB, 0, 8192, 0, &start, &found), 0);
	ck_assert_uint_eq(start, 4 * MIB);
	ck_assert_uint_eq(found, 0);
	/* At an odd MiB only one size is left. */
	ck_assert_int_eq(widen_learn_chunk(5 * MIB + 8192, 5 * MIB, 0, 8192, 0, &start, &found), 0);
	ck_assert_uint_eq(start, 5 * MIB);
	ck_assert_uint_eq(found, MIB);
	/* A count so large that it always reaches the end. */
	ck_assert_int_eq(widen_learn_chunk(9 * MIB, 0, UINT64_MAX, 9 * MIB, 0, &start, &found), 0);
	ck_assert_uint_eq(start, 0);
	ck_assert_uint_eq(found, 0);
}
END_TEST

START_TEST(what_is_known_decides)
{
	uint64_t start = 1, found = 2;

	/* The clipped cases are no longer open. */
	ck_assert_int_eq(widen_learn_chunk(MIB, 0, 0, MIB, 4 * MIB, &start, &found), 0);
	ck_assert_uint_eq(start, 0);
	ck_assert_uint_eq(found, 4 * MIB);
	ck_assert_int_eq(
		widen_learn_chunk(4 * MIB + 8192, 4 * MIB, 0, 8192, 2 * MIB, &start, &found), 0);
	ck_assert_uint_eq(start, 4 * MIB);
	ck_assert_uint_eq(found, 2 * MIB);
	/* Another size than the known one is no explanation. */
	start = 1;
	found = 2;
	ck_assert_int_eq(widen_learn_chunk(GIB, 0, 0, MIB, 2 * MIB, &start, &found), -EINVAL);
	ck_assert_uint_eq(start, 1);
	ck_assert_uint_eq(found, 2);
}
END_TEST

START_TEST(refuses_numbers_that_no_size_explains)
{
	static const struct {
		uint64_t block, offset, chunks, length;
	} cases[] = {
		{GIB, 0, 0, 0},
		{GIB, 0, 0, 4096},
		{GIB, 0, 0, MIB - 1},
		{GIB, 0, 0, MIB + 1},
		{GIB, 0, 0, 512 * KIB},
		{8 * GIB, 0, 0, 2 * GIB},
		{GIB, 0, 1, MIB},
		{GIB, 0, 0, 3 * MIB},
		{GIB, GIB, 0, MIB},
		{GIB, UINT64_MAX, 0, MIB},
		{GIB, 0, UINT64_MAX, MIB},
		{0, 0, 0, MIB},
		{GIB, 0, 0, UINT64_MAX},
	};
	uint64_t start = 1, found = 2;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		ck_assert_int_eq(widen_learn_chunk(cases[i].block, cases[i].offset, cases[i].chunks,
						   cases[i].length, 0, &start, &found),
				 -EINVAL);
	ck_assert_uint_eq(start, 1);
	ck_assert_uint_eq(found, 2);
}
END_TEST

/*
 * Whatever QEMU can ask for: the start is right, and the size is right or open.
 * The source relies on an open size's extent being whole chunks of the true one.
 */
START_TEST(never_learns_a_wrong_size)
{
	struct random rng = {77};

	for (uint64_t n = 0; n < 40000; n++) {
		unsigned int shift =
			SHIFT_MIN + (unsigned int)random_below(&rng, SHIFT_MAX - SHIFT_MIN + 1);
		uint64_t size = UINT64_C(1) << shift;
		uint64_t block = 4096 * (1 + random_below(&rng, n % 2 ? 2048 : MIB));
		uint64_t offset = random_below(&rng, block), chunks = random_below(&rng, 3);
		uint64_t start, end, got_start, got_size;

		start = offset / size * size;
		end = start + (chunks + 1) * size;
		if (end > block)
			end = block;
		expect(!widen_learn_chunk(block, offset, chunks, end - start, 0, &got_start,
					  &got_size),
		       "explained", n);
		expect(got_start == start, "start", n);
		expect(got_size == size || got_size == 0, "size", n);
		expect(got_size || end == block, "open only where the block's end clips", n);
		expect(!widen_learn_chunk(block, offset, chunks, end - start, size, &got_start,
					  &got_size),
		       "explained by the known size", n);
		expect(got_start == start && got_size == size, "known size", n);
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("widen");
	TCase *tc = tcase_create("widen");

	tcase_add_test(tc, widens_to_the_region_in_the_block);
	tcase_add_test(tc, refuses_what_is_not_in_the_block);
	tcase_add_test(tc, clips_to_what_is_registered);
	tcase_add_loop_test(tc, a_request_covers_whole_chunks, SHIFT_MIN, SHIFT_MAX + 1);
	tcase_add_loop_test(tc, a_hostile_count_does_not_wrap, SHIFT_MIN, SHIFT_MAX + 1);
	tcase_add_loop_test(tc, learns_every_chunk_size, SHIFT_MIN, SHIFT_MAX + 1);
	tcase_add_test(tc, leaves_open_what_the_clipping_hides);
	tcase_add_test(tc, what_is_known_decides);
	tcase_add_test(tc, refuses_numbers_that_no_size_explains);
	tcase_add_test(tc, never_learns_a_wrong_size);
	suite_add_tcase(suite, tc);
	return unit_run(suite);
}
