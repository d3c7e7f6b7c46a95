/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "core/destination.h"

#include "support.h"

#define THREADS 4
#define WINDOW	16 /* MiB: PIECE_LEAST */

static struct destination d;
static struct ram_block block[2];

static void setup(void)
{
	d = (struct destination){.limited = false};
	for (int i = 0; i < 2; i++)
		block[i] = (struct ram_block){.length = GIB};
}

static void teardown(void)
{
	for (int i = 0; i < 2; i++)
		extent_map_clear(&block[i].local);
}

static struct range mib(uint64_t start, uint64_t end)
{
	return (struct range){start * MIB, end * MIB};
}

static void have(unsigned int b, struct range range)
{
	if (!extent_map_find(&block[b].local, range))
		ck_assert_int_eq(extent_map_insert(&block[b].local, range, 1), 0);
}

/* QEMU registers [from, to), a chunk of 1 MiB at a time. */
static void ask(unsigned int b, uint64_t from, uint64_t to)
{
	for (; from < to; from++) {
		destination_asked(&d, &block[b], mib(from, from + 1));
		have(b, mib(from, from + 1));
	}
}

static void check_ahead(uint64_t from, uint64_t to)
{
	struct ram_block *where;
	struct range piece;

	/* Not where a discard would not be noticed. */
	ck_assert(!destination_prefetch(&d, THREADS, &where, &piece));
	block[0].watched = block[1].watched = true;
	ck_assert(destination_prefetch(&d, THREADS, &where, &piece));
	block[0].watched = block[1].watched = false;
	ck_assert_ptr_eq(where, d.block);
	ck_assert_uint_eq(piece.start, from * MIB);
	ck_assert_uint_eq(piece.end, to * MIB);
}

static void check_nothing(void)
{
	struct range piece = {47, 11};
	struct ram_block *where;

	block[0].watched = block[1].watched = true;
	ck_assert(!destination_prefetch(&d, THREADS, &where, &piece));
	block[0].watched = block[1].watched = false;
	ck_assert_uint_eq(piece.start, 47);
}

static void check_bounds(uint64_t from, uint64_t to, uint64_t expected)
{
	struct range bounds = destination_bounds(&d, mib(from, to));

	ck_assert_uint_eq(bounds.start, from * MIB);
	ck_assert_uint_eq(bounds.end, expected * MIB);
}

START_TEST(a_quarter_of_a_run_ahead_of_it)
{
	check_nothing();
	ask(0, 100, 115);
	check_nothing();
	ask(0, 115, 116);
	check_ahead(116, 120);
	have(0, mib(116, 120));
	check_nothing();
	/* Half of it is in use when the next is made, once it is worth it. */
	ask(0, 116, 119);
	check_nothing();
	ask(0, 119, 120);
	check_ahead(120, 125);
	have(0, mib(120, 125));
	ask(0, 120, 200);
	check_ahead(200, 225);
	have(0, mib(200, 225));
	ask(0, 200, 211);
	check_nothing();
	ask(0, 211, 213);
	check_ahead(225, 241);
}
END_TEST

/* Of a dense block it never has more than a quarter in vain. */
START_TEST(never_more_than_a_quarter_in_vain)
{
	struct random rng = {(uint64_t)_i};
	uint64_t asked = 0, made = 0;

	for (uint64_t at = 0; at < 1000;) {
		struct ram_block *where;
		struct range piece;

		block[0].watched = true;
		ask(0, at, at + 1);
		asked++;
		if (destination_prefetch(&d, THREADS, &where, &piece)) {
			have(0, piece);
			made++;
		}
		ck_assert_uint_le(4 * extent_map_bytes(&block[0].local, (struct range){0, GIB}),
				  5 * asked * MIB);
		at += random_below(&rng, 100) < (uint64_t)_i ? 1 + random_below(&rng, 10) : 1;
	}
	/* It did go ahead where the gaps are few. */
	ck_assert(_i > 3 || made > 5);
}
END_TEST

START_TEST(in_one_with_what_was_asked_for)
{
	ask(0, 0, 15);
	check_bounds(14, 15, 15);
	destination_asked(&d, &block[0], mib(15, 16));
	check_bounds(15, 16, 20);
	have(0, mib(15, 20));
	ask(0, 16, 19);
	check_bounds(18, 19, 19);
	ask(0, 19, 20);
	destination_asked(&d, &block[0], mib(20, 21));
	check_bounds(20, 21, 26);
	/* Clipped to what there is. */
	have(0, mib(25, 30));
	check_bounds(20, 21, 25);
}
END_TEST

START_TEST(a_gap_begins_a_new_run)
{
	ask(0, 0, 64);
	check_ahead(64, 80);
	ask(0, 65, 66);
	check_nothing();
	ask(0, 66, 80);
	check_nothing();
	ask(0, 80, 81);
	check_ahead(81, 85);
}
END_TEST

START_TEST(nothing_where_qemu_has_been)
{
	ask(0, 0, 64);
	check_ahead(64, 80);
	if (_i) {
		ask(0, 62, 63);
		check_nothing();
	} else {
		ask(1, 0, 64);
		check_ahead(64, 80);
		ask(0, 64, 65);
		check_nothing();
		check_bounds(64, 65, 65);
	}
	ask(0, 65, 200);
	check_nothing();
	check_bounds(199, 200, 200);
}
END_TEST

/* The end of the piece from there: of its window, or of the data. */
static uint64_t piece_end(uint64_t from, uint64_t to)
{
	uint64_t end = from - from % WINDOW + WINDOW;

	return end < to ? end : to;
}

/* A source that is preloaded asks for [from, to) in pieces. */
static void ask_windows(unsigned int b, uint64_t from, uint64_t to)
{
	for (uint64_t end; from < to; from = end) {
		end = piece_end(from, to);
		destination_asked(&d, &block[b], mib(from, end));
		if (extent_map_bytes(&block[b].local, mib(from, end)) == 0)
			have(b, mib(from, end));
	}
}

static void go_ahead(uint64_t from, uint64_t to)
{
	check_ahead(from, to);
	destination_begins(&d, mib(from, to));
	have(0, mib(from, to));
}

START_TEST(windows_for_a_source_that_is_preloaded)
{
	block[0].length = 4 * GIB;
	ask(0, 0, 1);
	ask_windows(0, 1, 112);
	check_nothing();
	/* An eighth of what goes on without a gap */
	ask_windows(0, 112, 128);
	go_ahead(128, 144);
	check_nothing();
	ask_windows(0, 128, 144);
	ck_assert_uint_eq(d.unasked, 0);
	go_ahead(144, 160);
	/* In the middle of a window its data ends. What was ahead was in vain, which counts: it is
	 * more than a twentieth of all. */
	ask_windows(0, 144, 145);
	ck_assert_uint_eq(d.unasked, 15 * MIB);
	check_nothing();
	ask_windows(0, 208, 336);
	check_nothing();
	ask_windows(0, 336, 512);
	go_ahead(512, 528);
	go_ahead(528, 544);
	/* No more than 32 MiB are ahead for the run's sake, */
	check_nothing();
	/* nor, for the sake of all, more than there are threads. */
	ask_windows(0, 512, 2048);
	ck_assert_uint_eq(d.unasked, 15 * MIB);
	for (uint64_t at = 2048; at < 2048 + THREADS * WINDOW; at += WINDOW)
		go_ahead(at, at + WINDOW);
	ck_assert_uint_ge(d.total / 20, d.unasked + WINDOW * MIB);
	check_nothing();
}
END_TEST

/* Of windows that were asked for in part the rest is registered; longer ones are learnt. */
START_TEST(windows_are_as_long_as_the_sources)
{
	ask(0, 0, 1);
	ask_windows(0, 1, 260);
	check_ahead(260, 272);
	destination_asked(&d, &block[0], mib(288, 320));
	have(0, mib(288, 320));
	ck_assert_uint_eq(d.window, 32 * MIB);
	/* What is shorter than half of it does not show that it is not. */
	destination_asked(&d, &block[0], mib(510, 514));
	ck_assert_uint_eq(d.window, 32 * MIB);
	ask_windows(0, 512 + WINDOW, 512 + 16 * WINDOW);
	ck_assert_uint_eq(d.window, 32 * MIB);
	ask_windows(0, 512 + 16 * WINDOW, 512 + 17 * WINDOW);
	ck_assert_uint_eq(d.window, 16 * MIB);
}
END_TEST

/* QEMU waits for a part of what it registers, and comes again each time that one is there. */
START_TEST(a_request_counts_once_however_often_qemu_waits)
{
	ask(0, 0, 1);
	ask_windows(0, 1, 260);
	destination_asked(&d, &block[0], mib(288, 320));
	for (unsigned int i = 0; i < 100; i++)
		destination_asked(&d, &block[0], mib(320, 324));
	ck_assert_uint_eq(d.window, 32 * MIB);
	ck_assert_uint_eq(d.shorter, 1);
	ck_assert_uint_eq(d.asked, 36 * MIB);
	ck_assert_uint_eq(d.total, 296 * MIB);
}
END_TEST

START_TEST(no_windows_where_nothing_is_ahead)
{
	ask(0, 0, 1);
	ask_windows(0, 1, 256);
	if (_i)
		d.limited = true;
	else
		block[0].passed = true;
	check_nothing();
}
END_TEST

/* Whatever there is of data: a twentieth in vain, or what its last end has left. */
START_TEST(never_much_in_vain_by_windows)
{
	struct random rng = {(uint64_t)_i};
	uint64_t asked = 0, all;
	struct ram_block *where;
	struct range piece;

	block[0].length = UINT64_C(64) * GIB;
	block[0].watched = true;
	ask(0, 0, 1);
	for (uint64_t at = 1; at < 4000;) {
		uint64_t end = at + 1 + random_below(&rng, random_below(&rng, 3) ? 16 : 400);

		for (; at < end; at = piece.end / MIB) {
			piece = mib(at, piece_end(at, end));
			ask_windows(0, at, piece.end / MIB);
			asked += piece.end - at * MIB;
			while (destination_prefetch(&d, THREADS, &where, &piece)) {
				destination_begins(&d, piece);
				have(0, piece);
			}
			piece.end = d.position;
		}
		all = extent_map_bytes(&block[0].local, (struct range){0, UINT64_C(64) * GIB});
		ck_assert_uint_le(all, asked + MIB + asked / 20 + 32 * MIB);
		at += random_below(&rng, 40);
	}
}
END_TEST

/* The source has looked at a line in each 128 KiB of memory that it has taken for zeros, and is
 * ahead of QEMU when that comes to the chunk and asks for it. */
START_TEST(a_chunk_that_the_source_has_missed)
{
	ask(0, 0, 1);
	ask_windows(0, 1, 256);
	/* Its data goes on behind a gap. */
	ask_windows(0, 288, 512);
	check_ahead(512, 528);
	ask(0, 261, 262);
	check_ahead(512, 528);
	ask_windows(0, 512, 528);
	check_ahead(528, 544);
}
END_TEST

/* A whole block, shorter than a chunk, does not show how long one is. */
START_TEST(a_short_block_is_no_chunk)
{
	block[1].length = MIB / 4;
	destination_asked(&d, &block[1], (struct range){0, MIB / 4});
	ask(0, 0, 16);
	ck_assert_uint_eq(d.chunk, MIB);
	check_ahead(16, 20);
}
END_TEST

START_TEST(nothing_where_memory_to_lock_is_short)
{
	d.limited = true;
	ask(0, 0, 64);
	check_nothing();
	check_bounds(63, 64, 64);
}
END_TEST

START_TEST(no_further_than_the_block)
{
	block[0].length = 18 * MIB;
	ask(0, 0, 16);
	check_ahead(16, 18);
	have(0, mib(16, 18));
	ask(0, 16, 18);
	check_nothing();
}
END_TEST

/* QEMU registers what it has once more, after UNREGISTER. */
START_TEST(the_same_chunk_again_is_no_evidence)
{
	ask(0, 0, 12);
	for (int i = 0; i < 10; i++)
		ask(0, 11, 12);
	ck_assert_uint_eq(d.asked, 12 * MIB);
	check_nothing();
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("destination");
	TCase *tc = tcase_create("destination");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, a_quarter_of_a_run_ahead_of_it);
	tcase_add_loop_test(tc, never_more_than_a_quarter_in_vain, 0, 30);
	tcase_add_test(tc, in_one_with_what_was_asked_for);
	tcase_add_test(tc, a_gap_begins_a_new_run);
	tcase_add_loop_test(tc, nothing_where_qemu_has_been, 0, 2);
	tcase_add_test(tc, windows_for_a_source_that_is_preloaded);
	tcase_add_test(tc, windows_are_as_long_as_the_sources);
	tcase_add_test(tc, a_request_counts_once_however_often_qemu_waits);
	tcase_add_loop_test(tc, no_windows_where_nothing_is_ahead, 0, 2);
	tcase_add_loop_test(tc, never_much_in_vain_by_windows, 0, 50);
	tcase_add_test(tc, a_chunk_that_the_source_has_missed);
	tcase_add_test(tc, a_short_block_is_no_chunk);
	tcase_add_test(tc, nothing_where_memory_to_lock_is_short);
	tcase_add_test(tc, no_further_than_the_block);
	tcase_add_test(tc, the_same_chunk_again_is_no_evidence);
	suite_add_tcase(suite, tc);
	return unit_run(suite);
}
