/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "core/post_cost.h"

#include "support.h"

/* A call of an adapter's and one of software RDMA's, in nanoseconds. */
#define QUICK	300
#define WORKING (20 * POST_COST_LONG)
/* As long as the scheduler of a busy machine gives the processor to others. */
#define PREEMPTED (300 * POST_COST_LONG)

/* One call as the poster measures it. */
static void call(struct post_cost *c, uint64_t wall, uint64_t cpu)
{
	post_cost_add(c, post_cost_clock(c) == POST_COST_CPU ? cpu : wall);
}

START_TEST(an_adapter_is_asked_for_no_more_than_the_time)
{
	struct post_cost c = {0};

	for (int i = 0; i < 1000; i++) {
		ck_assert_int_eq(post_cost_clock(&c), POST_COST_WALL);
		call(&c, QUICK, QUICK);
	}
	ck_assert(!post_cost_is_high(&c));
}
END_TEST

START_TEST(preemptions_in_a_row_are_not_the_providers)
{
	struct post_cost c = {0};

	for (int i = 0; i < 1000; i++) {
		call(&c, PREEMPTED, QUICK);
		ck_assert(!post_cost_is_high(&c));
	}
}
END_TEST

/* A machine that has other work: it is long by either clock, though not as long. */
START_TEST(software_is_found_out_on_a_busy_machine_too)
{
	struct post_cost c = {0};

	for (int i = 0; i < 1 + POST_COST_CALLS; i++) {
		ck_assert(!post_cost_is_high(&c));
		call(&c, i % 2 ? PREEMPTED + WORKING : WORKING, WORKING);
	}
	ck_assert(post_cost_is_high(&c));
	/* For good: what it is asked to do now may take no time. */
	call(&c, QUICK, QUICK);
	ck_assert(post_cost_is_high(&c));
}
END_TEST

START_TEST(they_have_to_come_in_a_row)
{
	struct post_cost c = {0};

	for (int i = 0; i < 1000; i++) {
		call(&c, WORKING, WORKING);
		ck_assert_int_eq(post_cost_clock(&c), POST_COST_CPU);
		if (i % POST_COST_CALLS == POST_COST_CALLS - 1)
			call(&c, QUICK, QUICK);
		ck_assert(!post_cost_is_high(&c));
	}
}
END_TEST

START_TEST(the_limit_is_not_long)
{
	struct post_cost c = {0};

	call(&c, POST_COST_LONG, POST_COST_LONG);
	ck_assert_int_eq(post_cost_clock(&c), POST_COST_WALL);
	call(&c, POST_COST_LONG + 1, 0);
	ck_assert_int_eq(post_cost_clock(&c), POST_COST_CPU);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("post_cost");
	TCase *tc = tcase_create("post_cost");

	tcase_add_test(tc, an_adapter_is_asked_for_no_more_than_the_time);
	tcase_add_test(tc, preemptions_in_a_row_are_not_the_providers);
	tcase_add_test(tc, software_is_found_out_on_a_busy_machine_too);
	tcase_add_test(tc, they_have_to_come_in_a_row);
	tcase_add_test(tc, the_limit_is_not_long);
	suite_add_tcase(suite, tc);
	return unit_run(suite);
}
