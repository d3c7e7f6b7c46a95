/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "core/piece.h"

#include "support.h"

/*
 * Why a piece is as large as it is, in numbers. An end takes `fixed` ns for a registration and
 * `page` ns for each page of it.
 */

#define MS	  UINT64_C(1000000)
#define PAGE_SIZE UINT64_C(4096)

struct end {
	uint64_t fixed, page;
};

/* tests/fabric's hca100g, and the same at 1:12 and at 1:48 */
static const struct end fast = {50000, 250};
static const struct end slow = {12 * 50000, 12 * 250};
static const struct end slower = {48 * 50000, 48 * 250};

static uint64_t takes(const struct end *end, uint64_t bytes)
{
	return end->fixed + bytes / PAGE_SIZE * end->page;
}

/* Pieces of the size that they should have, until that stays. How many that takes. */
static unsigned int settle(struct piece *p, const struct end *end, uint64_t wanted, uint64_t most)
{
	unsigned int steps = 0;
	uint64_t before;

	do {
		before = p->bytes;
		piece_took(p, before, takes(end, before), wanted, most);
		ck_assert(p->bytes <= 2 * before || p->bytes == PIECE_LEAST);
		ck_assert_uint_lt(++steps, 100);
	} while (p->bytes / PAGE_SIZE != before / PAGE_SIZE);
	return steps - 1;
}

static void check_about(uint64_t value, uint64_t expected)
{
	ck_assert_uint_ge(value, expected - expected / 100);
	ck_assert_uint_le(value, expected + expected / 100);
}

START_TEST(the_first_is_small_and_nothing_is_known)
{
	struct piece p;

	piece_init(&p);
	ck_assert_uint_eq(p.bytes, 4 * MIB);
	ck_assert_uint_eq(p.ns, 0);
	/* Whatever the time */
	ck_assert_uint_eq(piece_within(&p, 0), 4 * MIB);
}
END_TEST

/* 20 ms are 312 MiB, in six steps: 16, 32, 64, 128, 256, 312. */
START_TEST(where_a_page_takes_a_quarter_of_a_microsecond)
{
	struct piece p;

	piece_init(&p);
	piece_took(&p, p.bytes, takes(&fast, p.bytes), PIECE_NS, GIB);
	for (uint64_t mib = 16; mib < 256; mib *= 2) {
		ck_assert_uint_eq(p.bytes, mib * MIB);
		piece_took(&p, p.bytes, takes(&fast, p.bytes), PIECE_NS, GIB);
	}
	ck_assert_uint_eq(p.bytes, 256 * MIB);
	piece_took(&p, p.bytes, takes(&fast, p.bytes), PIECE_NS, GIB);
	check_about(p.bytes, 312 * MIB);
	check_about(p.ns, PIECE_NS);
	/* And it stays so. */
	ck_assert_uint_le(settle(&p, &fast, PIECE_NS, GIB), 2);
	check_about(p.bytes, 312 * MIB);
	check_about(takes(&fast, p.bytes), PIECE_NS);
	/* Of that the fixed cost is 0.25 %. */
	check_about(takes(&fast, p.bytes) / fast.fixed, 400);
}
END_TEST

/* 20 ms are 25 MiB. */
START_TEST(where_a_page_takes_three_microseconds)
{
	struct piece p;

	piece_init(&p);
	/* The first takes 3.7 ms. */
	ck_assert_uint_le(settle(&p, &slow, PIECE_NS, GIB), 6);
	check_about(p.bytes, 25 * MIB + 265 * KIB);
	check_about(p.ns, PIECE_NS);
	/* The fixed cost is not quite 3 % of it. */
	ck_assert_uint_eq(slow.fixed * 100 / takes(&slow, p.bytes), 2);
	/* It is asked for in whole chunks, which changes nothing. */
	for (int i = 0; i < 100; i++) {
		uint64_t whole = p.bytes & ~(MIB - 1);

		ck_assert_uint_eq(whole, 25 * MIB);
		piece_took(&p, whole, takes(&slow, whole), PIECE_NS, GIB);
	}
	check_about(p.bytes, 25 * MIB + 258 * KIB);
}
END_TEST

/* 20 ms would be 5.7 MiB, and the fixed cost 12 %: it has 16 MiB, and takes 52 ms. */
START_TEST(where_a_page_takes_twelve_microseconds)
{
	struct piece p;

	piece_init(&p);
	settle(&p, &slower, PIECE_NS, GIB);
	ck_assert_uint_eq(p.bytes, 16 * MIB);
	check_about(takes(&slower, p.bytes), 51552 * MS / 1000);
	ck_assert_uint_eq(slower.fixed * 100 / takes(&slower, p.bytes), 4);
}
END_TEST

/* Behind a queue of 8 ms a piece takes 20 + 3 * 8: then the queue is a sixth of it all. */
START_TEST(a_longer_time_is_a_longer_piece)
{
	struct piece p;

	piece_init(&p);
	settle(&p, &slow, 44 * MS, GIB);
	check_about(p.bytes, 56 * MIB + 520 * KIB);
	check_about(p.ns, 44 * MS);
	/* When there is no queue any more it shrinks, by an eighth at a time. */
	for (uint64_t before; p.bytes > 26 * MIB;) {
		before = p.bytes;
		piece_took(&p, before, takes(&slow, before), PIECE_NS, GIB);
		ck_assert_uint_ge(p.bytes, before - before / 8);
		ck_assert_uint_lt(p.bytes, before);
	}
	settle(&p, &slow, PIECE_NS, GIB);
	check_about(p.bytes, 25 * MIB + 265 * KIB);
}
END_TEST

START_TEST(it_grows_twofold_at_most)
{
	struct piece p;

	piece_init(&p);
	piece_took(&p, 4 * MIB, 1, PIECE_NS, GIB);
	ck_assert_uint_eq(p.bytes, 16 * MIB);
	ck_assert_uint_eq(p.ns, 4);
	piece_took(&p, 16 * MIB, 1, PIECE_NS, GIB);
	ck_assert_uint_eq(p.bytes, 32 * MIB);
	ck_assert_uint_eq(p.ns, 2);
}
END_TEST

/* One that is late says little of the next, whose size it changes by an eighth; what it is
 * expected to take is no more than twice what is wanted. */
START_TEST(one_that_is_late)
{
	struct piece p = {.bytes = 64 * MIB, .ns = PIECE_NS};

	piece_took(&p, p.bytes, 4 * PIECE_NS, PIECE_NS, GIB);
	ck_assert_uint_eq(p.bytes, 56 * MIB);
	ck_assert_uint_eq(p.ns, 2 * PIECE_NS);
	/* The next makes that good. */
	piece_took(&p, p.bytes, PIECE_NS * 7 / 8, PIECE_NS, GIB);
	check_about(p.bytes, 64 * MIB);
	check_about(p.ns, PIECE_NS);
}
END_TEST

/* Ten times as late as it should be: half. Wherever the sizes came from, six of these are
 * enough from 1 GiB to the shortest. */
START_TEST(one_that_is_far_out)
{
	struct piece p = {.bytes = 64 * MIB, .ns = PIECE_NS};
	unsigned int steps = 0;

	piece_took(&p, p.bytes, 10 * PIECE_NS, PIECE_NS, GIB);
	ck_assert_uint_eq(p.bytes, 32 * MIB);
	while (p.bytes > 16 * MIB) {
		piece_took(&p, p.bytes, 10 * PIECE_NS, PIECE_NS, GIB);
		steps++;
	}
	ck_assert_uint_eq(steps, 1);
}
END_TEST

/* Never below 16 MiB, and never more than it may be. */
START_TEST(its_bounds)
{
	struct piece p;

	piece_init(&p);
	for (int i = 0; i < 50; i++)
		piece_took(&p, p.bytes, 1000 * PIECE_NS, PIECE_NS, GIB);
	ck_assert_uint_eq(p.bytes, 16 * MIB);
	ck_assert_uint_eq(p.ns, 2 * PIECE_NS);
	for (int i = 0; i < 50; i++)
		piece_took(&p, p.bytes, 1000, PIECE_NS, 64 * MIB);
	ck_assert_uint_eq(p.bytes, 64 * MIB);
	/* It may be less than the first. */
	piece_init(&p);
	piece_took(&p, 2 * MIB, PIECE_NS / 2, PIECE_NS, 2 * MIB);
	ck_assert_uint_eq(p.bytes, 2 * MIB);
	check_about(p.ns, PIECE_NS / 2);
}
END_TEST

/* Data ended early, or QEMU asked for the rest: mostly it has the fixed cost. */
START_TEST(of_a_short_one_nothing_is_learnt)
{
	const struct piece before = {.bytes = 64 * MIB, .ns = PIECE_NS};
	struct piece p = before;

	piece_took(&p, 32 * MIB - 1, PIECE_NS - 1, PIECE_NS, GIB);
	ck_assert_uint_eq(p.bytes, before.bytes);
	ck_assert_uint_eq(p.ns, before.ns);
	/* Half of it is enough, */
	piece_took(&p, 32 * MIB, PIECE_NS / 2, PIECE_NS, GIB);
	ck_assert_uint_eq(p.bytes, 64 * MIB);
	piece_took(&p, 32 * MIB, PIECE_NS / 4, PIECE_NS, GIB);
	ck_assert_uint_eq(p.bytes, 128 * MIB);
	/* and so is one that took too long, short as it was. */
	p = before;
	piece_took(&p, MIB, PIECE_NS, PIECE_NS, GIB);
	ck_assert_uint_eq(p.bytes, 56 * MIB);
}
END_TEST

START_TEST(of_no_time_and_no_bytes_nothing_is_learnt)
{
	const struct piece before = {.bytes = 64 * MIB, .ns = PIECE_NS};
	struct piece p = before;

	piece_took(&p, 0, PIECE_NS, PIECE_NS, GIB);
	piece_took(&p, 64 * MIB, 0, PIECE_NS, GIB);
	ck_assert_uint_eq(p.bytes, before.bytes);
	ck_assert_uint_eq(p.ns, before.ns);
}
END_TEST

START_TEST(the_part_that_fits_a_time)
{
	const struct piece p = {.bytes = 64 * MIB, .ns = PIECE_NS};

	ck_assert_uint_eq(piece_within(&p, PIECE_NS), 64 * MIB);
	ck_assert_uint_eq(piece_within(&p, 100 * PIECE_NS), 64 * MIB);
	ck_assert_uint_eq(piece_within(&p, PIECE_NS / 2), 32 * MIB);
	ck_assert_uint_eq(piece_within(&p, PIECE_NS / 20), 64 * MIB / 20);
	ck_assert_uint_eq(piece_within(&p, 0), 0);
}
END_TEST

/* The largest of all there is, in no time and in ages: sums do not wrap around. */
START_TEST(large_numbers)
{
	const uint64_t year = UINT64_C(365) * 86400 * 1000 * MS;
	struct piece p = {.bytes = GIB, .ns = 1};

	piece_took(&p, UINT64_C(1) << 40, 1, year, UINT64_C(1) << 40);
	ck_assert_uint_eq(p.bytes, 2 * GIB);
	piece_took(&p, p.bytes, year, PIECE_NS, GIB);
	ck_assert_uint_eq(p.bytes, GIB);
	ck_assert_uint_eq(p.ns, 2 * PIECE_NS);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("piece");
	TCase *tc = tcase_create("piece");

	tcase_add_test(tc, the_first_is_small_and_nothing_is_known);
	tcase_add_test(tc, where_a_page_takes_a_quarter_of_a_microsecond);
	tcase_add_test(tc, where_a_page_takes_three_microseconds);
	tcase_add_test(tc, where_a_page_takes_twelve_microseconds);
	tcase_add_test(tc, a_longer_time_is_a_longer_piece);
	tcase_add_test(tc, it_grows_twofold_at_most);
	tcase_add_test(tc, one_that_is_late);
	tcase_add_test(tc, one_that_is_far_out);
	tcase_add_test(tc, its_bounds);
	tcase_add_test(tc, of_a_short_one_nothing_is_learnt);
	tcase_add_test(tc, of_no_time_and_no_bytes_nothing_is_learnt);
	tcase_add_test(tc, the_part_that_fits_a_time);
	tcase_add_test(tc, large_numbers);
	suite_add_tcase(suite, tc);
	return unit_run(suite);
}
