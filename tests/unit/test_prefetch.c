/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "core/prefetch.h"

#include "ahead.h"

/*
 * What is registered ahead of QEMU next: where data is looked for, what is planned and asked
 * for, and what of that is registered here. How much it is is test_prefetch_amount.c's.
 */

static void check_range(struct range range, uint64_t start, uint64_t end)
{
	ck_assert_uint_eq(range.start, start);
	ck_assert_uint_eq(range.end, end);
}

static void check_piece(uint64_t block_length, uint64_t at, uint64_t window, uint64_t end)
{
	check_range(prefetch_piece(map, block_length, at, window, MIB), at, end);
}

START_TEST(a_piece_ends_at_the_window_extents_and_block)
{
	/* From within a window: to its end. */
	check_piece(GIB, 5 * MIB, 4 * MIB, 8 * MIB);
	check_piece(GIB, 5 * MIB, 16 * MIB, 16 * MIB);
	check_piece(GIB, 16 * MIB, 16 * MIB, 32 * MIB);
	/* One chunk at least. */
	check_piece(GIB, 5 * MIB, MIB / 2, 6 * MIB);
	check_piece(GIB, 5 * MIB, 0, 6 * MIB);
	/* The block's end, no multiple of anything. */
	check_piece(3 * MIB + 4096, MIB, 64 * MIB, 3 * MIB + 4096);
	check_piece(16 * MIB, 0, 16 * MIB, 16 * MIB);
	/* The next extent; one that ends just where the piece begins is none. */
	add(3 * MIB, 4 * MIB);
	check_piece(GIB, MIB, 64 * MIB, 3 * MIB);
	check_piece(GIB, 4 * MIB, 64 * MIB, 64 * MIB);
	add(12 * MIB, 13 * MIB);
	check_piece(GIB, 4 * MIB, 64 * MIB, 12 * MIB);
	/* Whichever comes first. */
	check_piece(11 * MIB, 4 * MIB, 64 * MIB, 11 * MIB);
	check_piece(11 * MIB, 4 * MIB, 4 * MIB, 8 * MIB);
}
END_TEST

static void check_next(uint64_t from, uint64_t to, uint64_t end)
{
	struct prefetch_scan scan;

	ck_assert(prefetch_next(&p, &blocks, &wire, MIB, &scan));
	ck_assert_uint_eq(scan.block, p.block);
	check_range(scan.range, from, to);
	ck_assert_uint_eq(scan.end, end);
	ck_assert_uint_eq(scan.position, p.position);
	ck_assert_uint_eq(scan.place.addr, LOCAL);
	ck_assert_uint_eq(scan.place.chunk, MIB);
	ck_assert_uint_eq(scan.window, prefetch_window(&p));
	ck_assert(scan.bridge);
}

static void check_no_next(void)
{
	struct prefetch_scan scan = {.position = 4711};

	ck_assert(!prefetch_next(&p, &blocks, &wire, MIB, &scan));
	ck_assert_uint_eq(scan.position, 4711);
}

START_TEST(it_looks_from_the_first_free_address)
{
	check_next(0, 64 * MIB, LENGTH);
	prefetch_passed(&p, &blocks, 0, 5 * MIB + 4096);
	check_next(5 * MIB, 69 * MIB, LENGTH);
	p.scanned = 7 * MIB;
	check_next(7 * MIB, 71 * MIB, LENGTH);
	add(7 * MIB, 8 * MIB);
	add(8 * MIB, 10 * MIB);
	add(20 * MIB, 21 * MIB);
	check_next(10 * MIB, 20 * MIB, 20 * MIB);
	/* To the block's end, no further */
	block[0].length = 15 * MIB + 4096;
	check_next(10 * MIB, 15 * MIB + 4096, 15 * MIB + 4096);
	add(10 * MIB, 15 * MIB + 4096);
	check_no_next();
	prefetch_passed(&p, &blocks, 0, 15 * MIB + 4096);
	check_no_next();
}
END_TEST

START_TEST(what_keeps_it_from_looking)
{
	block[0].passed = true;
	check_no_next();
	block[0].passed = false;
	block[0].local_known = false;
	check_no_next();
	block[0].local_known = true;
	p.on = false;
	check_no_next();
	p.on = true;
	p.known = false;
	check_no_next();
	p.known = true;
	/* One plan at a time */
	p.planned = (struct range){5 * MIB, 6 * MIB};
	check_no_next();
	p.planned = (struct range){0, 0};
	check_next(0, 64 * MIB, LENGTH);
}
END_TEST

/* QEMU has been through the block, in which [0, 5M) is registered, and asks for [5M, `to`). Both
 * ends take 8 ms for 64 MiB. */
static void asks_in_later_pass(uint64_t to)
{
	p.there = p.here = (struct piece){.bytes = 64 * MIB, .ns = 8 * MS};
	prefetch_passed(&p, &blocks, 0, 6 * MIB);
	prefetch_passed(&p, &blocks, 0, 0);
	ck_assert(block[0].passed);
	add(0, 5 * MIB);
	check_no_next();
	prefetch_passed(&p, &blocks, 0, to);
	check_no_next();
	prefetch_taken(&p, (struct range){5 * MIB, to});
	add(5 * MIB, to);
}

/* For data that follows what it asked for: four times as far as that is long, 64 MiB at most; and
 * for no more than takes each end 2 ms. Gaps are not bridged. */
START_TEST(in_a_later_pass_it_looks_behind_what_qemu_asks_for)
{
	static const struct {
		uint64_t to, end;
	} cases[] = {{6, 10}, {10, 30}, {21, 85}, {37, 101}};
	struct prefetch_scan scan;

	asks_in_later_pass(cases[_i].to * MIB);
	fake_memory_hole(&memory, LOCAL + 40 * MIB, LOCAL + 41 * MIB);
	ck_assert(prefetch_next(&p, &blocks, &wire, MIB, &scan));
	check_range(scan.range, cases[_i].to * MIB, cases[_i].end * MIB);
	ck_assert_uint_eq(scan.bytes, 16 * MIB);
	prefetch_scanned(&p, &blocks, &scan, prefetch_find(&scan));
	check_range(p.planned, cases[_i].to * MIB,
		    cases[_i].to == 37 ? 40 * MIB : (cases[_i].to + 16) * MIB);
	/* Not beyond the block's end. */
	p.planned = (struct range){0, 0};
	block[0].length = cases[_i].to * MIB + 4096;
	ck_assert(prefetch_next(&p, &blocks, &wire, MIB, &scan));
	check_range(scan.range, cases[_i].to * MIB, block[0].length);
}
END_TEST

/* Where QEMU does not come is asked for in vain: that is one piece. */
START_TEST(in_a_later_pass_one_piece_is_ahead)
{
	struct prefetch_scan scan;

	asks_in_later_pass(32 * MIB);
	for (uint64_t at = 32; at < 112; at += 16) {
		ck_assert(plan());
		ck_assert(prefetch_ask(&p, &blocks, UINT64_MAX));
		check_range(p.asked, at * MIB, (at + 16) * MIB);
		prefetch_answered(&p, &blocks, 42);
		check_no_next();
		prefetch_passed(&p, &blocks, 0, at * MIB);
		check_no_next();
		/* It has come to its first chunk. */
		prefetch_passed(&p, &blocks, 0, (at + 1) * MIB);
	}
	/* Where nothing follows it looks once. */
	fake_memory_hole(&memory, LOCAL + 112 * MIB, LOCAL + GIB);
	ck_assert(prefetch_next(&p, &blocks, &wire, MIB, &scan));
	check_range(scan.range, 112 * MIB, 176 * MIB);
	prefetch_scanned(&p, &blocks, &scan, prefetch_find(&scan));
	check_no_next();
	prefetch_passed(&p, &blocks, 0, 160 * MIB);
	check_no_next();
	/* Nor in the next pass, but behind what QEMU asks for then. */
	prefetch_passed(&p, &blocks, 0, 2 * MIB);
	check_no_next();
	prefetch_passed(&p, &blocks, 0, 132 * MIB);
	prefetch_taken(&p, (struct range){131 * MIB, 132 * MIB});
	ck_assert(prefetch_next(&p, &blocks, &wire, MIB, &scan));
	check_range(scan.range, 132 * MIB, 136 * MIB);
}
END_TEST

/* It has gone elsewhere since the look began, and may have come back: what follows there nobody
 * knows. */
START_TEST(a_look_that_is_overtaken_by_a_pass)
{
	struct prefetch_scan scan;

	if (_i) {
		asks_in_later_pass(6 * MIB);
	} else {
		prefetch_passed(&p, &blocks, 0, 6 * MIB);
	}
	ck_assert(prefetch_next(&p, &blocks, &wire, MIB, &scan));
	prefetch_passed(&p, &blocks, 1, MIB);
	prefetch_passed(&p, &blocks, 0, 6 * MIB);
	prefetch_scanned(&p, &blocks, &scan, prefetch_find(&scan));
	check_range(p.planned, 0, 0);
}
END_TEST

/* QEMU has sent zeros to the end of a block that cuts a chunk, and there is data now. It would be
 * found, not be asked for, as QEMU has gone past it, and be found again, without an end. */
START_TEST(at_the_end_of_a_block_there_is_nothing_to_look_for)
{
	block[0].length = 10 * MIB + 4096;
	prefetch_passed(&p, &blocks, 0, block[0].length - 1);
	ck_assert(plan());
	p.planned = (struct range){0, 0};
	prefetch_passed(&p, &blocks, 0, block[0].length);
	check_no_next();
}
END_TEST

/* QEMU has asked for something further on meanwhile: what follows that is looked for. */
START_TEST(a_look_that_is_overtaken_by_a_request)
{
	struct prefetch_scan scan;

	asks_in_later_pass(6 * MIB);
	ck_assert(prefetch_next(&p, &blocks, &wire, MIB, &scan));
	prefetch_passed(&p, &blocks, 0, 101 * MIB);
	prefetch_taken(&p, (struct range){100 * MIB, 101 * MIB});
	add(100 * MIB, 101 * MIB);
	prefetch_scanned(&p, &blocks, &scan, prefetch_find(&scan));
	ck_assert(!prefetch_ask(&p, &blocks, UINT64_MAX));
	ck_assert(prefetch_next(&p, &blocks, &wire, MIB, &scan));
	check_range(scan.range, 101 * MIB, 105 * MIB);
}
END_TEST

/* What else is not registered here, of what the destination has, was needless in the first pass. */
START_TEST(in_a_later_pass_what_was_asked_for_is_registered_here)
{
	struct ram_block *where;
	struct range range;

	asks_in_later_pass(6 * MIB);
	add(50 * MIB, 60 * MIB);
	ck_assert(!prefetch_local(&p, &blocks, MIB, p.position, &where, &range));
	ck_assert(prefetch_ask_for(&p, &blocks, (struct range){8 * MIB, 12 * MIB}));
	ck_assert(prefetch_local(&p, &blocks, MIB, p.position, &where, &range));
	check_range(range, 8 * MIB, 12 * MIB);
	ck_assert(prefetch_local(&p, &blocks, MIB, 10 * MIB, &where, &range));
	check_range(range, 10 * MIB, 12 * MIB);
	ck_assert_int_eq(extent_map_insert(&block[0].local, (struct range){8 * MIB, 12 * MIB}, 1),
			 0);
	ck_assert(!prefetch_local(&p, &blocks, MIB, p.position, &where, &range));
	/* What was asked for in another block is of no use here. */
	prefetch_passed(&p, &blocks, 1, MIB);
	block[1].passed = true;
	ck_assert(!prefetch_local(&p, &blocks, MIB, p.position, &where, &range));
}
END_TEST

START_TEST(a_plan_can_be_asked_for_in_parts)
{
	ck_assert(plan());
	check_range(p.planned, 0, 4 * MIB);
	ck_assert(prefetch_ask(&p, &blocks, 3 * MIB));
	check_range(p.asked, 0, 3 * MIB);
	check_range(p.planned, 3 * MIB, 4 * MIB);
	prefetch_answered(&p, &blocks, 42);
	/* The rest, when it is as much as that. */
	ck_assert(prefetch_ask(&p, &blocks, MIB));
	check_range(p.asked, 3 * MIB, 4 * MIB);
	check_range(p.planned, 0, 0);
	prefetch_answered(&p, &blocks, 43);
	ck_assert_uint_eq(map->count, 2);
	ck_assert(!prefetch_ask(&p, &blocks, MIB));
}
END_TEST

/* QEMU comes to it first. */
START_TEST(a_plan_that_is_overtaken)
{
	ck_assert(plan());
	prefetch_passed(&p, &blocks, 0, 4 * MIB);
	ck_assert(!prefetch_ask(&p, &blocks, UINT64_MAX));
	check_range(p.planned, 0, 0);
	ck_assert_uint_eq(map->count, 0);
	/* It asks for a part of it itself; or just beside it. */
	ck_assert(plan());
	check_range(p.planned, 4 * MIB, 8 * MIB);
	prefetch_taken(&p, (struct range){0, 4 * MIB});
	prefetch_taken(&p, (struct range){8 * MIB, 9 * MIB});
	check_range(p.planned, 4 * MIB, 8 * MIB);
	prefetch_taken(&p, (struct range){7 * MIB, 8 * MIB});
	check_range(p.planned, 0, 0);
	/* It goes back, or elsewhere. */
	ck_assert(plan());
	prefetch_passed(&p, &blocks, 0, MIB);
	check_range(p.planned, 0, 0);
	ck_assert(!prefetch_ask(&p, &blocks, UINT64_MAX));
	prefetch_passed(&p, &blocks, 1, 0);
	ck_assert(plan());
	prefetch_passed(&p, &blocks, 0, 0);
	check_range(p.planned, 0, 0);
	ck_assert(!prefetch_ask(&p, &blocks, UINT64_MAX));
	/* What is registered there by now is left out. */
	setup();
	ck_assert(plan());
	add(2 * MIB, 3 * MIB);
	ck_assert(prefetch_ask(&p, &blocks, UINT64_MAX));
	check_range(p.asked, 0, 2 * MIB);
}
END_TEST

START_TEST(an_answer_or_none)
{
	const struct range all = {0, 4 * MIB};

	ck_assert(prefetch_ask_for(&p, &blocks, all));
	check_range(p.asked, 0, 4 * MIB);
	ck_assert_uint_eq(extent_map_find(map, all)->value, PREFETCH_NO_RKEY_YET);
	prefetch_answered(&p, &blocks, 42);
	ck_assert_uint_eq(extent_map_find(map, all)->value, 42);
	/* It is taken back: what is asked for again is not asked for twice. */
	ck_assert(prefetch_ask_for(&p, &blocks, (struct range){4 * MIB, 5 * MIB}));
	prefetch_answered(&p, &blocks, PREFETCH_NO_RKEY_YET);
	ck_assert_uint_eq(map->count, 1);
	ck_assert(p.on);
	/* Where QEMU was is where the answer belongs, wherever it is now. */
	ck_assert(prefetch_ask_for(&p, &blocks, (struct range){4 * MIB, 5 * MIB}));
	prefetch_passed(&p, &blocks, 1, 0);
	prefetch_answered(&p, &blocks, 43);
	ck_assert_uint_eq(extent_map_find(map, (struct range){4 * MIB, 5 * MIB})->value, 43);
	ck_assert_uint_eq(block[1].remote.count, 0);
}
END_TEST

/* What this process registers next of what the destination has. */
static void check_local(uint64_t start, uint64_t end)
{
	struct ram_block *which;
	struct range range;

	ck_assert(prefetch_local(&p, &blocks, MIB, p.position, &which, &range));
	check_range(range, start, end);
}

static void register_here(uint64_t start, uint64_t end)
{
	check_local(start, end);
	prefetch_local_begun(&p, (struct range){start, end});
	ck_assert_int_eq(extent_map_insert(&block[p.block].local, (struct range){start, end}, 1),
			 0);
}

START_TEST(what_is_registered_here_is_not_looked_through_again)
{
	struct ram_block *which;
	struct range range;

	for (uint64_t at = 0; at < 24 * MIB; at += 8 * MIB)
		add(at, at + 4 * MIB);
	register_here(0, 4 * MIB);
	register_here(8 * MIB, 12 * MIB);
	/* Not even if it has gone: the first extents are passed over. */
	extent_map_remove(&block[0].local, 0);
	register_here(16 * MIB, 20 * MIB);
	ck_assert(!prefetch_local(&p, &blocks, MIB, p.position, &which, &range));
	/* In a gap between them QEMU asks, or we do. */
	add(5 * MIB, 6 * MIB);
	ck_assert(!prefetch_local(&p, &blocks, MIB, p.position, &which, &range));
	prefetch_recorded(&p, (struct range){5 * MIB, 6 * MIB});
	register_here(5 * MIB, 6 * MIB);
	ck_assert(prefetch_ask_for(&p, &blocks, (struct range){13 * MIB, 14 * MIB}));
	register_here(13 * MIB, 14 * MIB);
	/* Another block has a beginning of its own. */
	prefetch_passed(&p, &blocks, 1, 0);
	ck_assert(prefetch_ask_for(&p, &blocks, (struct range){0, MIB}));
	register_here(0, MIB);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("prefetch");
	TCase *tc = tcase_create("prefetch");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, a_piece_ends_at_the_window_extents_and_block);
	tcase_add_test(tc, it_looks_from_the_first_free_address);
	tcase_add_test(tc, what_keeps_it_from_looking);
	tcase_add_loop_test(tc, in_a_later_pass_it_looks_behind_what_qemu_asks_for, 0, 4);
	tcase_add_test(tc, in_a_later_pass_one_piece_is_ahead);
	tcase_add_loop_test(tc, a_look_that_is_overtaken_by_a_pass, 0, 2);
	tcase_add_test(tc, a_look_that_is_overtaken_by_a_request);
	tcase_add_test(tc, at_the_end_of_a_block_there_is_nothing_to_look_for);
	tcase_add_test(tc, in_a_later_pass_what_was_asked_for_is_registered_here);
	tcase_add_test(tc, a_plan_can_be_asked_for_in_parts);
	tcase_add_test(tc, a_plan_that_is_overtaken);
	tcase_add_test(tc, an_answer_or_none);
	tcase_add_test(tc, what_is_registered_here_is_not_looked_through_again);
	suite_add_tcase(suite, tc);
	return unit_run(suite);
}
