/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "core/prefetch.h"

#include "ahead.h"

/*
 * How much is registered ahead of QEMU, and how much at once, in numbers; test_piece.c has
 * those of one end alone.
 */

/* Ends that take 50 us + 0.25 us a page, and 0.6 ms + 3 us a page. */
#define FAST_NS(bytes) (UINT64_C(50000) + (bytes) / 4096 * 250)
#define SLOW_NS(bytes) (UINT64_C(600000) + (bytes) / 4096 * 3000)

/* 100 Gbit/s in bytes a second; at 1:12 */
#define WIRE	  UINT64_C(12500000000)
#define SLOW_WIRE (WIRE / 12)

static uint64_t now;

static void start(void)
{
	setup();
	now = 1000 * MS;
}

static void check_about(uint64_t value, uint64_t expected)
{
	ck_assert_uint_ge(value, expected - expected / 100);
	ck_assert_uint_le(value, expected + expected / 100);
}

/* The next piece is asked for; the destination takes `there`, and this end `here`, for that. */
static void registered(uint64_t queue_ns, uint64_t there, uint64_t here)
{
	prefetch_asked(&p, now, queue_ns);
	now += queue_ns + there;
	prefetch_measured(&p, p.asked.end - p.asked.start, now);
	prefetch_answered(&p, &blocks, 42);
	prefetch_here(&p, p.asked.end - p.asked.start, here);
}

/* One after the other, by two ends that take as long as `slow` says; what is registered then. */
static uint64_t register_many(unsigned int count, uint64_t queue_ns, bool slow)
{
	for (unsigned int i = 0; i < count; i++) {
		uint64_t bytes;

		plan();
		ck_assert(prefetch_ask(&p, &blocks, UINT64_MAX));
		bytes = p.asked.end - p.asked.start;
		registered(queue_ns, slow ? SLOW_NS(bytes) : FAST_NS(bytes),
			   slow ? SLOW_NS(bytes) : FAST_NS(bytes));
		prefetch_passed(&p, &blocks, 0, p.asked.end);
	}
	return p.position;
}

START_TEST(fast_ends_are_asked_for_312_mib)
{
	/* To the end of each window, from 4 MiB on */
	ck_assert_uint_eq(register_many(6, 0, false), 256 * MIB);
	check_about(prefetch_bytes(&p), 312 * MIB);
	check_about(prefetch_ns(&p), PIECE_NS);
	/* Of which both ends are done after 20 ms */
	check_about(FAST_NS(prefetch_bytes(&p)), 20 * MS);
}
END_TEST

START_TEST(slow_ends_are_asked_for_16_mib)
{
	register_many(10, 0, true);
	check_about(prefetch_bytes(&p), 24 * MIB + 850 * KIB);
	check_about(prefetch_ns(&p), PIECE_NS);
	/* The whole window */
	ck_assert(plan());
	ck_assert_uint_eq(p.planned.end - p.planned.start, 16 * MIB);
}
END_TEST

/* A request that has to wait is for so much that the waiting is a part of it. */
START_TEST(behind_a_queue_of_1_ms_for_three_times_that_more)
{
	register_many(20, MS, true);
	check_about(prefetch_ns(&p), 23 * MS);
	check_about(prefetch_bytes(&p), 28 * MIB + 566 * KIB);
}
END_TEST

/* QEMU's main loop at the destination is to be its user's again before 50 ms are over. */
START_TEST(nothing_is_worth_more_than_25_ms)
{
	register_many(20, 8 * MS, true);
	check_about(prefetch_ns(&p), 25 * MS);
	check_about(prefetch_bytes(&p), 31 * MIB + 38 * KIB);
}
END_TEST

/* What the request waits for is nothing that the end took for it. */
START_TEST(the_queue_is_not_the_ends_time)
{
	add(0, MIB);
	ck_assert(prefetch_ask_for(&p, &blocks, (struct range){MIB, 5 * MIB}));
	prefetch_asked(&p, now, 30 * MS);
	prefetch_measured(&p, 4 * MIB, now + 31 * MS);
	ck_assert_uint_eq(p.there.bytes, 16 * MIB);
	ck_assert_uint_eq(p.there.ns, 4 * MS);
	/* It came sooner than it could: nothing is learnt. */
	prefetch_asked(&p, now, 30 * MS);
	prefetch_measured(&p, 4 * MIB, now + 30 * MS - _i * 23 * MS);
	ck_assert_uint_eq(p.there.bytes, 16 * MIB);
	ck_assert_uint_eq(p.there.ns, 4 * MS);
}
END_TEST

START_TEST(the_slower_end_decides)
{
	p.there = (struct piece){.bytes = 64 * MIB, .ns = 7 * MS};
	p.here = (struct piece){.bytes = 48 * MIB, .ns = 12 * MS};
	ck_assert_uint_eq(prefetch_bytes(&p), 48 * MIB);
	ck_assert_uint_eq(prefetch_ns(&p), 12 * MS);
	ck_assert_uint_eq(prefetch_bytes_passed(&p), 8 * MIB);
	p.here = (struct piece){.bytes = 400 * MIB, .ns = 12 * MS};
	p.there.ns = 20 * MS;
	ck_assert_uint_eq(prefetch_bytes(&p), 64 * MIB);
	ck_assert_uint_eq(prefetch_ns(&p), 20 * MS);
	ck_assert_uint_eq(prefetch_bytes_passed(&p), 64 * MIB / 10);
	/* Never more than a region */
	p.shift = 21;
	ck_assert_uint_eq(prefetch_bytes(&p), 2 * MIB);
	ck_assert_uint_eq(prefetch_bytes_passed(&p), 2 * MIB);
}
END_TEST

/* Threads that were as quick together, and a destination that had registered what it was asked for.
 */
START_TEST(in_a_later_pass_one_thread_registers)
{
	p.threads = 4;
	p.there = (struct piece){.bytes = 64 * MIB, .ns = MS / 10};
	p.here = (struct piece){.bytes = 48 * MIB, .ns = 12 * MS};
	/* Before that as much as one does in 25 ms: test_ahead_both.c says why. */
	ck_assert_uint_eq(prefetch_bytes(&p), 25 * MIB);
	ck_assert_uint_eq(prefetch_bytes_passed(&p), 2 * MIB);
	p.there.ns = 128 * MS;
	ck_assert_uint_eq(prefetch_bytes_passed(&p), MIB);
}
END_TEST

/* Nothing was registered there yet, or here. */
START_TEST(an_end_that_is_not_known_holds_nothing_up)
{
	p.there = (struct piece){.bytes = 64 * MIB, .ns = 10 * MS};
	ck_assert_uint_eq(prefetch_bytes(&p), 64 * MIB);
	ck_assert_uint_eq(prefetch_bytes_passed(&p), 64 * MIB / 5);
	p.here = p.there;
	piece_init(&p.there);
	ck_assert_uint_eq(prefetch_bytes(&p), 64 * MIB);
	ck_assert_uint_eq(prefetch_bytes_passed(&p), 64 * MIB / 5);
	ck_assert_uint_eq(prefetch_ns(&p), 10 * MS);
}
END_TEST

/* The wire is idle for what it takes, so each has less of a fixed cost. */
START_TEST(when_qemu_had_to_wait_pieces_take_longer)
{
	uint64_t bytes;

	register_many(10, 0, true);
	for (unsigned int i = 0; i < 20; i++) {
		prefetch_waited(&p);
		register_many(1, 0, true);
	}
	/* As long as may be: twice as long would be longer. */
	check_about(prefetch_ns(&p), 25 * MS);
	bytes = prefetch_bytes(&p);
	check_about(bytes, 31 * MIB + 38 * KIB);
	/* That counts for the next four. */
	for (unsigned int i = 0; i < 3; i++) {
		register_many(1, 0, true);
		ck_assert_uint_ge(p.there.bytes, bytes);
	}
	register_many(1, 0, true);
	ck_assert_uint_le(p.there.bytes, bytes * 7 / 8 + 4096);
}
END_TEST

/* What the wire takes while two pieces are registered, and 20 ms more. */
START_TEST(enough_is_two_pieces_and_20_ms_of_the_rate)
{
	/* Nothing is known: one piece. */
	ck_assert_uint_eq(prefetch_enough(&p, &wire), 4 * MIB);
	wire.per_second = SLOW_WIRE;
	check_about(prefetch_enough(&p, &wire), SLOW_WIRE / 50);
	register_many(10, 0, true);
	check_about(prefetch_ns(&p), 20 * MS);
	check_about(prefetch_enough(&p, &wire), SLOW_WIRE * 60 / 1000);
	/* A piece at least, where the wire is slow beside it. */
	wire.per_second = SLOW_WIRE / 100;
	ck_assert_uint_eq(prefetch_enough(&p, &wire), prefetch_bytes(&p));
}
END_TEST

/* All that it plans for is registered, until it does not look any more. What is ahead then. */
static uint64_t fill(void)
{
	do {
		if (prefetch_ask(&p, &blocks, UINT64_MAX))
			prefetch_answered(&p, &blocks, 42);
	} while (plan());
	return prefetch_ahead(&p, &blocks);
}

START_TEST(no_more_is_asked_for_when_enough_is_ahead)
{
	uint64_t ahead;

	wire.per_second = SLOW_WIRE;
	register_many(10, 0, true);
	ahead = fill();
	ck_assert_uint_ge(ahead, prefetch_enough(&p, &wire));
	ck_assert_uint_lt(ahead, prefetch_enough(&p, &wire) + prefetch_bytes(&p));
	/* QEMU comes closer, until it is less. */
	prefetch_passed(&p, &blocks, 0, p.position + ahead - prefetch_enough(&p, &wire));
	ck_assert(!plan());
	prefetch_passed(&p, &blocks, 0, p.position + MIB);
	ck_assert(plan());
	ck_assert_uint_eq(fill(), ahead - (ahead - prefetch_enough(&p, &wire)) - MIB + 16 * MIB);
}
END_TEST

/* At 100 Gbit/s that is more than data is looked for in: what is registered does not count
 * for that. */
START_TEST(enough_may_be_more_than_it_looks_through)
{
	uint64_t ahead;

	wire.per_second = WIRE;
	register_many(8, 0, false);
	check_about(prefetch_enough(&p, &wire), 750000000);
	ahead = fill();
	ck_assert_uint_ge(ahead, prefetch_enough(&p, &wire));
	ck_assert_uint_lt(ahead, prefetch_enough(&p, &wire) + prefetch_bytes(&p));
}
END_TEST

/* Nothing but zeros is looked through for 64 MiB and no further, wherever those lie. */
START_TEST(it_looks_no_further_than_64_mib_of_zeros)
{
	wire.per_second = WIRE;
	fake_memory_hole(&memory, LOCAL + 10 * MIB, LOCAL + 20 * MIB);
	fake_memory_hole(&memory, LOCAL + 30 * MIB, LOCAL + GIB);
	p.bridge = false;
	ck_assert_uint_eq(fill(), 20 * MIB);
	ck_assert_uint_ge(p.scanned, 84 * MIB);
	ck_assert_uint_le(p.scanned, 148 * MIB);
	ck_assert_uint_eq(prefetch_ahead(&p, &blocks), 20 * MIB);
	/* Not before QEMU comes closer */
	prefetch_passed(&p, &blocks, 0, 20 * MIB);
	prefetch_passed(&p, &blocks, 0, p.scanned - 64 * MIB);
	ck_assert(!plan());
	prefetch_passed(&p, &blocks, 0, p.position + MIB);
	ck_assert(plan());
}
END_TEST

/* What the wire takes in a second; not more than 512 MiB. */
START_TEST(the_tail_of_the_first_pass)
{
	const struct {
		uint64_t per_second, bytes;
	} cases[] = {{100 * MIB, 100 * MIB}, {600 * MIB, 512 * MIB}};

	/* While the wire is not known there is none. */
	p.position = 2 * LENGTH - 1;
	ck_assert(!prefetch_in_tail(&p, &blocks, &wire));
	for (unsigned int i = 0; i < 2; i++) {
		wire.per_second = cases[i].per_second;
		p.position = 2 * LENGTH - cases[i].bytes - 1;
		ck_assert(!prefetch_in_tail(&p, &blocks, &wire));
		p.position++;
		ck_assert(prefetch_in_tail(&p, &blocks, &wire));
	}
	wire.per_second = 100 * MIB;
	/* The blocks that come after this one count, */
	prefetch_passed(&p, &blocks, 0, LENGTH);
	ck_assert(!prefetch_in_tail(&p, &blocks, &wire));
	prefetch_passed(&p, &blocks, 1, LENGTH - 101 * MIB);
	ck_assert(!prefetch_in_tail(&p, &blocks, &wire));
	prefetch_passed(&p, &blocks, 1, LENGTH - 100 * MIB);
	ck_assert(prefetch_in_tail(&p, &blocks, &wire));
	prefetch_passed(&p, &blocks, 1, LENGTH);
	ck_assert(prefetch_in_tail(&p, &blocks, &wire));
	/* and it ends with the first pass. */
	prefetch_passed(&p, &blocks, 1, LENGTH - 50 * MIB);
	ck_assert(!prefetch_in_tail(&p, &blocks, &wire));
	prefetch_passed(&p, &blocks, 0, 50 * MIB);
	ck_assert(!prefetch_in_tail(&p, &blocks, &wire));
}
END_TEST

START_TEST(what_keeps_it_from_being_the_tail)
{
	wire.per_second = 100 * MIB;
	ram_blocks_passed(&blocks, &block[1]);
	prefetch_passed(&p, &blocks, 0, LENGTH - MIB);
	ck_assert(prefetch_in_tail(&p, &blocks, &wire));
	p.on = false;
	ck_assert(!prefetch_in_tail(&p, &blocks, &wire));
	p.on = true;
	p.known = false;
	ck_assert(!prefetch_in_tail(&p, &blocks, &wire));
}
END_TEST

/* Of the tail all is, and then nothing is left to be done in this block. */
START_TEST(in_the_tail_all_that_is_left_is_enough)
{
	wire.per_second = 400 * MIB;
	ram_blocks_passed(&blocks, &block[1]);
	prefetch_passed(&p, &blocks, 0, LENGTH - 401 * MIB);
	ck_assert_uint_lt(fill(), 100 * MIB);
	ck_assert(!prefetch_is_done(&p, &blocks));
	prefetch_passed(&p, &blocks, 0, LENGTH - 400 * MIB);
	ck_assert(plan());
	ck_assert(!prefetch_is_done(&p, &blocks));
	ck_assert(prefetch_ask(&p, &blocks, UINT64_MAX));
	prefetch_answered(&p, &blocks, 42);
	ck_assert_uint_eq(fill(), 400 * MIB);
	ck_assert(prefetch_is_done(&p, &blocks));
	/* Not while the destination has yet to answer, */
	prefetch_asked(&p, now, 0);
	ck_assert(!prefetch_is_done(&p, &blocks));
	prefetch_measured(&p, 0, now + MS);
	ck_assert(prefetch_is_done(&p, &blocks));
	/* nor where we do not know where QEMU is. */
	p.known = false;
	ck_assert(!prefetch_is_done(&p, &blocks));
}
END_TEST

START_TEST(what_is_ahead)
{
	ck_assert_uint_eq(prefetch_ahead(&p, &blocks), 0);
	add(0, 4 * MIB);
	add(8 * MIB, 10 * MIB);
	ck_assert_uint_eq(prefetch_ahead(&p, &blocks), 6 * MIB);
	prefetch_passed(&p, &blocks, 0, 3 * MIB);
	ck_assert_uint_eq(prefetch_ahead(&p, &blocks), 3 * MIB);
	prefetch_passed(&p, &blocks, 0, 9 * MIB);
	ck_assert_uint_eq(prefetch_ahead(&p, &blocks), MIB);
	/* In another block */
	prefetch_passed(&p, &blocks, 1, 0);
	ck_assert_uint_eq(prefetch_ahead(&p, &blocks), 0);
	p.known = false;
	ck_assert_uint_eq(prefetch_ahead(&p, &blocks), 0);
}
END_TEST

static void check_window(uint64_t bytes, uint64_t window)
{
	p.there.bytes = p.here.bytes = bytes;
	ck_assert_uint_eq(prefetch_window(&p), window);
}

START_TEST(a_window_is_a_power_of_two)
{
	check_window(4 * MIB, 4 * MIB);
	check_window(8 * MIB - 1, 4 * MIB);
	check_window(8 * MIB, 8 * MIB);
	check_window(31 * MIB, 16 * MIB);
	check_window(0, 4 * MIB);
	p.shift = 24;
	check_window(GIB, 16 * MIB);
	p.shift = 21;
	check_window(GIB, 2 * MIB);
}
END_TEST

/* Where the destination answers at once, long pieces would gain nothing. */
START_TEST(no_longer_than_keeps_the_wire_busy)
{
	now = 1000 * MS;
	p.per_second = 256 * MIB;
	for (int i = 0; i < 20; i++, now += 1000 * MS) {
		/* Behind 16 MiB, and registered before they were sent. */
		prefetch_asked(&p, now, 62500000);
		prefetch_measured(&p, prefetch_bytes(&p), now + 62500000 + 1000);
	}
	check_about(p.there.bytes, 32 * MIB);
	/* One that is slower than the wire has as much as it has time for. */
	p.per_second = 4 * GIB;
	for (int i = 0; i < 20; i++, now += 1000 * MS) {
		prefetch_asked(&p, now, 62500000);
		prefetch_measured(&p, prefetch_bytes(&p),
				  now + 62500000 + prefetch_bytes(&p) / MIB * MS / 2);
	}
	check_about(p.there.bytes, 50 * MIB);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("prefetch_amount");
	TCase *tc = tcase_create("prefetch_amount");

	tcase_add_checked_fixture(tc, start, teardown);
	tcase_add_test(tc, fast_ends_are_asked_for_312_mib);
	tcase_add_test(tc, slow_ends_are_asked_for_16_mib);
	tcase_add_test(tc, behind_a_queue_of_1_ms_for_three_times_that_more);
	tcase_add_test(tc, nothing_is_worth_more_than_25_ms);
	tcase_add_loop_test(tc, the_queue_is_not_the_ends_time, 0, 2);
	tcase_add_test(tc, the_slower_end_decides);
	tcase_add_test(tc, in_a_later_pass_one_thread_registers);
	tcase_add_test(tc, an_end_that_is_not_known_holds_nothing_up);
	tcase_add_test(tc, when_qemu_had_to_wait_pieces_take_longer);
	tcase_add_test(tc, enough_is_two_pieces_and_20_ms_of_the_rate);
	tcase_add_test(tc, no_more_is_asked_for_when_enough_is_ahead);
	tcase_add_test(tc, enough_may_be_more_than_it_looks_through);
	tcase_add_test(tc, it_looks_no_further_than_64_mib_of_zeros);
	tcase_add_test(tc, the_tail_of_the_first_pass);
	tcase_add_test(tc, what_keeps_it_from_being_the_tail);
	tcase_add_test(tc, in_the_tail_all_that_is_left_is_enough);
	tcase_add_test(tc, what_is_ahead);
	tcase_add_test(tc, a_window_is_a_power_of_two);
	tcase_add_test(tc, no_longer_than_keeps_the_wire_busy);
	suite_add_tcase(suite, tc);
	return unit_run(suite);
}
