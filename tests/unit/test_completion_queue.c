/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "core/completion_queue.h"

#include <errno.h>

#include "support.h"

START_TEST(an_empty_queue_gives_nothing)
{
	static struct completion_queue q;
	struct completion c = {.wr_id = 5};

	ck_assert(!completion_queue_pop(&q, &c));
	ck_assert_uint_eq(c.wr_id, 5);
}
END_TEST

START_TEST(completions_leave_whole_and_in_order)
{
	static struct completion_queue q;
	struct random rng = {1};
	uint64_t in = 0, out = 0;
	struct completion c;

	for (int step = 0; step < 20000; step++) {
		c = (struct completion){in, (uint32_t)in + 1, (uint32_t)in + 2, (uint32_t)in + 3,
					(uint32_t)in + 4};
		if (random_below(&rng, 2)) {
			ck_assert_int_eq(completion_queue_push(&q, &c),
					 in - out == COMPLETION_QUEUE_ROOM ? -ENOSPC : 0);
			in += in - out < COMPLETION_QUEUE_ROOM;
		} else if (completion_queue_pop(&q, &c)) {
			ck_assert_uint_eq(c.wr_id, out);
			ck_assert_uint_eq(c.status, out + 1);
			ck_assert_uint_eq(c.opcode, out + 2);
			ck_assert_uint_eq(c.byte_len, out + 3);
			ck_assert_uint_eq(c.vendor_err, out + 4);
			out++;
		} else {
			ck_assert_uint_eq(in, out);
		}
		ck_assert_uint_eq(q.count, in - out);
	}
}
END_TEST

START_TEST(a_full_queue_refuses_and_keeps_what_it_has)
{
	static struct completion_queue q;
	struct completion c = {0};

	/* From every place in the ring that matters: the last but one. */
	q.head = COMPLETION_QUEUE_ROOM - 1;
	for (uint64_t i = 0; i < COMPLETION_QUEUE_ROOM; i++) {
		c.wr_id = i;
		ck_assert_int_eq(completion_queue_push(&q, &c), 0);
	}
	c.wr_id = 999999;
	ck_assert_int_eq(completion_queue_push(&q, &c), -ENOSPC);
	for (uint64_t i = 0; i < COMPLETION_QUEUE_ROOM; i++) {
		ck_assert(completion_queue_pop(&q, &c));
		ck_assert_uint_eq(c.wr_id, i);
	}
	ck_assert(!completion_queue_pop(&q, &c));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("completion_queue");
	TCase *tc = tcase_create("completion_queue");

	tcase_add_test(tc, an_empty_queue_gives_nothing);
	tcase_add_test(tc, completions_leave_whole_and_in_order);
	tcase_add_test(tc, a_full_queue_refuses_and_keeps_what_it_has);
	suite_add_tcase(suite, tc);
	return unit_run(suite);
}
