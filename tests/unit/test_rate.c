/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "core/rate.h"

#include "support.h"

#define MS   UINT64_C(1000000)
#define WIRE UINT64_C(12500000000) /* 100 Gbit/s, in bytes a second */

static struct rate rate;

static void setup(void)
{
	rate = (struct rate){0};
}

/* The wire works from `from` on, and MiB by MiB has completed after `ns`, with others to follow. */
static void works(uint64_t from, uint64_t ns, uint64_t per_second)
{
	uint64_t each = MIB * UINT64_C(1000000000) / per_second;

	rate_begin(&rate, from);
	for (uint64_t at = each; at <= ns; at += each)
		rate_completed(&rate, MIB, false, from + at);
}

static void check_about(uint64_t value, uint64_t expected)
{
	ck_assert_uint_ge(value, expected - expected / 50);
	ck_assert_uint_le(value, expected + expected / 50);
}

START_TEST(to_begin_with_nothing_is_known)
{
	ck_assert_uint_eq(rate_bytes(&rate, 1000 * MS), 0);
	ck_assert_uint_eq(rate_ns(&rate, GIB), 0);
	/* Not even by a completion of what nobody saw begin. */
	rate_completed(&rate, GIB, false, 1000 * MS);
	ck_assert_uint_eq(rate.per_second, 0);
}
END_TEST

START_TEST(the_first_reading_is_the_rate)
{
	works(0, RATE_NS - MS, WIRE);
	ck_assert_uint_eq(rate.per_second, 0);
	works(100 * MS, 2 * MS, WIRE);
	check_about(rate.per_second, WIRE);
	check_about(rate_bytes(&rate, 5 * MS), WIRE / 200);
	check_about(rate_ns(&rate, WIRE / 200), 5 * MS);
	ck_assert_uint_eq(rate_bytes(&rate, 0), 0);
	ck_assert_uint_eq(rate_ns(&rate, 0), 0);
}
END_TEST

/* By 5 ms of 2 % at most the reading differs from what the wire does, however it is cut. */
START_TEST(from_0_to_400_gbit)
{
	for (uint64_t per_second = WIRE / 100; per_second <= 4 * WIRE; per_second *= 2) {
		setup();
		works(7, 600 * MS, per_second);
		check_about(rate.per_second, per_second);
	}
}
END_TEST

START_TEST(a_higher_reading_counts_for_half)
{
	rate.per_second = WIRE / 2;
	works(0, 21 * MS, WIRE);
	check_about(rate.per_second, WIRE * 3 / 4);
	works(0, 21 * MS, WIRE);
	check_about(rate.per_second, WIRE * 7 / 8);
}
END_TEST

/* Nobody polled for 200 ms: of the difference a 64th. */
START_TEST(a_lower_reading_counts_for_little)
{
	rate.per_second = WIRE;
	rate_begin(&rate, 0);
	rate_completed(&rate, MIB, false, 200 * MS);
	ck_assert_uint_le(rate.per_second, WIRE - WIRE / 65);
	ck_assert_uint_ge(rate.per_second, WIRE - WIRE / 63);
	/* A wire that is slower for good is known after a second or two. */
	works(200 * MS, 3000 * MS, WIRE / 2);
	ck_assert_uint_le(rate.per_second, WIRE * 6 / 10);
	ck_assert_uint_ge(rate.per_second, WIRE / 2);
}
END_TEST

/* Between two WRITEs QEMU may do anything. */
START_TEST(times_without_work_do_not_count)
{
	works(0, 21 * MS, WIRE);
	check_about(rate.per_second, WIRE);
	rate_completed(&rate, 0, true, 22 * MS);
	ck_assert(!rate.busy);
	/* A completion of a message, meanwhile */
	rate_completed(&rate, 0, true, 5000 * MS);
	check_about(rate.per_second, WIRE);
	works(10000 * MS, 21 * MS, WIRE);
	check_about(rate.per_second, WIRE);
}
END_TEST

/* One WRITE counts when it ends, so a short time says little; but several add up, whatever is
 * between them. */
START_TEST(short_times_make_one_reading)
{
	uint64_t each = RATE_NS / 4, bytes = WIRE / 200;

	for (uint64_t i = 0; i < 4; i++) {
		ck_assert_uint_eq(rate.per_second, 0);
		rate_begin(&rate, i * 100 * MS);
		rate_completed(&rate, bytes, true, i * 100 * MS + each);
		ck_assert(!rate.busy);
	}
	check_about(rate.per_second, WIRE);
}
END_TEST

/* Nobody tells the time, and it stands still. */
START_TEST(without_a_clock_nothing_is_known)
{
	rate_begin(&rate, 0);
	for (int i = 0; i < 1000; i++)
		rate_completed(&rate, GIB, false, 0);
	ck_assert_uint_eq(rate.per_second, 0);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("rate");
	TCase *tc = tcase_create("rate");

	tcase_add_checked_fixture(tc, setup, NULL);
	tcase_add_test(tc, to_begin_with_nothing_is_known);
	tcase_add_test(tc, the_first_reading_is_the_rate);
	tcase_add_test(tc, from_0_to_400_gbit);
	tcase_add_test(tc, a_higher_reading_counts_for_half);
	tcase_add_test(tc, a_lower_reading_counts_for_little);
	tcase_add_test(tc, times_without_work_do_not_count);
	tcase_add_test(tc, short_times_make_one_reading);
	tcase_add_test(tc, without_a_clock_nothing_is_known);
	suite_add_tcase(suite, tc);
	return unit_run(suite);
}
