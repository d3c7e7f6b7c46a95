/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "core/data_run.h"

#include "support.h"

#define BASE UINT64_C(0x7f0000000000)

static struct fake_memory fake;
static struct guest_memory memory;
static struct data_run_place place;

static void setup(void)
{
	fake = (struct fake_memory){.holes = 0};
	memory = fake_memory_of(&fake);
	place = (struct data_run_place){.memory = &memory, .addr = BASE, .chunk = MIB};
}

/* [start, end) MiB of the block is zeros. */
static void hole(uint64_t start, uint64_t end)
{
	fake_memory_hole(&fake, BASE + start * MIB, BASE + end * MIB);
}

static uint64_t run(uint64_t start, uint64_t end, bool bridge)
{
	return data_run_end(&place, (struct range){start * MIB, end * MIB}, bridge) / MIB;
}

START_TEST(the_first_chunk_with_data)
{
	hole(0, 5);
	hole(7, 9);
	hole(100, 1000);
	ck_assert_uint_eq(data_run_find(&place, (struct range){0, 20 * MIB}), 5 * MIB);
	ck_assert_uint_eq(data_run_find(&place, (struct range){6 * MIB, 20 * MIB}), 6 * MIB);
	ck_assert_uint_eq(data_run_find(&place, (struct range){7 * MIB, 20 * MIB}), 9 * MIB);
	ck_assert_uint_eq(data_run_find(&place, (struct range){0, 5 * MIB}), 5 * MIB);
	/* There is no bound to what is read for it, and the last chunk may be short. */
	ck_assert_uint_eq(data_run_find(&place, (struct range){100 * MIB, 1000 * MIB - 4096}),
			  1000 * MIB - 4096);
}
END_TEST

START_TEST(a_run_ends_at_the_first_gap)
{
	hole(9, 10);
	hole(0, 4);
	ck_assert_uint_eq(run(4, 64, false), 9);
	ck_assert_uint_eq(run(8, 64, false), 9);
	ck_assert_uint_eq(run(4, 7, false), 7);
	/* Its first chunk is taken to have data: QEMU says so. */
	ck_assert_uint_eq(run(9, 64, false), 64);
	ck_assert_uint_eq(run(1, 64, false), 2);
	/* The last may be cut by the block's end. */
	ck_assert_uint_eq(data_run_end(&place, (struct range){10 * MIB, 12 * MIB + 4096}, false),
			  12 * MIB + 4096);
	ck_assert_uint_eq(data_run_end(&place, (struct range){12 * MIB, 12 * MIB + 4096}, false),
			  12 * MIB + 4096);
}
END_TEST

/* The window [0, 16) MiB, when it may look on up to `limit`. */
static uint64_t run_in_window(uint64_t limit, bool bridge)
{
	return data_run_end_in_window(&place, (struct range){0, 16 * MIB}, limit * MIB, bridge) /
	       MIB;
}

/* A gap at the end of a window is one within the data when that goes on behind it. */
START_TEST(a_gap_at_the_end_of_a_window)
{
	static const struct {
		uint64_t from, to, limit, end;
		bool bridge;
	} row[] = {
		{15, 16, 64, 16, true},
		{15, 19, 64, 16, true},
		/* What is a quarter behind it is too far away, or not there. */
		{15, 20, 64, 15, true},
		{15, 16, 16, 15, true},
		{15, 18, 18, 15, true},
		{15, 16, 64, 15, false},
		/* More than a quarter of the window is not bridged. */
		{12, 16, 64, 16, true},
		{11, 16, 64, 11, true},
		{12, 17, 64, 12, true},
		/* Without one there is nothing to look for. */
		{16, 64, 64, 16, true},
	};

	hole(row[_i].from, row[_i].to);
	ck_assert_uint_eq(run_in_window(row[_i].limit, row[_i].bridge), row[_i].end);
}
END_TEST

/* All gaps together are a quarter at most. */
START_TEST(gaps_are_bridged_in_proportion)
{
	hole(3, 4);
	hole(7, 8);
	hole(11, 13);
	ck_assert_uint_eq(run(0, 11, true), 11);
	ck_assert_uint_eq(run(0, 13, true), 11);
	/* 4 of 16: what follows is long enough from there on, and not before. */
	ck_assert_uint_eq(run(0, 15, true), 11);
	ck_assert_uint_eq(run(0, 16, true), 16);
	ck_assert_uint_eq(run(0, 500, true), 500);
	ck_assert_uint_eq(run(0, 500, false), 3);
	/* Never at its end. */
	hole(60, 500);
	ck_assert_uint_eq(run(0, 500, true), 60);
}
END_TEST

START_TEST(chunks_far_apart_stay_alone)
{
	for (uint64_t at = 0; at < 8 * FAKE_HOLES; at += 8)
		hole(at + 1, at + 8);
	for (uint64_t at = 0; at < 8 * FAKE_HOLES; at += 8)
		ck_assert_uint_eq(run(at, 8 * FAKE_HOLES, true), at + 1);
	/* Of each gap no more than a few chunks were read. */
	ck_assert_uint_le(fake.read, 5 * MIB * FAKE_HOLES);
}
END_TEST

/* However long the run, and however much of it could be bridged. */
START_TEST(what_is_read_is_bounded)
{
	hole(1000, 1100);
	ck_assert_uint_eq(run(0, 4000, true), 1000);
	ck_assert_uint_le(fake.read, DATA_RUN_BUDGET + MIB);
	fake.read = 0;
	place.chunk = GIB;
	hole(1024, 2048);
	ck_assert_uint_eq(run(0, 4096, true), 1024);
	ck_assert_uint_eq(fake.read, GIB);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("data_run");
	TCase *tc = tcase_create("data_run");

	tcase_add_checked_fixture(tc, setup, NULL);
	tcase_add_test(tc, the_first_chunk_with_data);
	tcase_add_test(tc, a_run_ends_at_the_first_gap);
	tcase_add_loop_test(tc, a_gap_at_the_end_of_a_window, 0, 10);
	tcase_add_test(tc, gaps_are_bridged_in_proportion);
	tcase_add_test(tc, chunks_far_apart_stay_alone);
	tcase_add_test(tc, what_is_read_is_bounded);
	suite_add_tcase(suite, tc);
	return unit_run(suite);
}
