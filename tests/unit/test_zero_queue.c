/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "core/zero_queue.h"

#include <errno.h>
#include <string.h>

#include "support.h"

#define REMOTE UINT64_C(0x550000000000)
#define OFFSET UINT64_C(0x100000000) /* of the block in ram_addr_t space */

static struct zero_queue q;

static void setup(void)
{
	memset(&q, 0, sizeof(q));
}

static struct zero_run run_of(uint64_t at, uint64_t length)
{
	return (struct zero_run){
		.message = {.block = 3, .addr = OFFSET + at, .length = length},
		.remote = {REMOTE + at, REMOTE + at + length},
	};
}

static int push(uint64_t at, uint64_t length)
{
	struct zero_run run = run_of(at, length);

	return zero_queue_push(&q, &run);
}

static struct write write_of(uint64_t at, uint64_t length)
{
	return (struct write){.remote_addr = REMOTE + at, .length = length};
}

static bool fences(uint64_t at, uint64_t length)
{
	struct write write = write_of(at, length);

	return zero_queue_fences(&q, &write);
}

/* Across QEMU's chunks: the message has 64 bits for its length. */
START_TEST(runs_that_continue_become_one)
{
	const struct zero_run *run;

	for (uint64_t i = 0; i < 5000; i++)
		ck_assert_int_eq(push(i * MIB, MIB), 0);
	ck_assert_uint_eq(q.count, 1);
	ck_assert_ptr_null(zero_queue_next(&q, false));
	run = zero_queue_next(&q, true);
	ck_assert_uint_eq(run->message.addr, OFFSET);
	ck_assert_uint_eq(run->message.length, 5000 * MIB);
	ck_assert_uint_eq(run->message.block, 3);
	ck_assert_uint_eq(run->message.value, 0);
	ck_assert_uint_eq(run->remote.start, REMOTE);
	ck_assert_uint_eq(run->remote.end, REMOTE + 5000 * MIB);
}
END_TEST

START_TEST(a_stranger_is_a_run_of_its_own)
{
	struct zero_run run = run_of(4096, 4096);

	ck_assert_int_eq(push(0, 4096), 0);
	switch (_i) {
	case 0: /* another block */
		run.message.block = 4;
		break;
	case 1: /* another byte */
		run.message.value = 1;
		break;
	case 2: /* a gap */
		run.message.addr++;
		break;
	case 3: /* next to it in ram_addr_t space, not in memory */
		run.remote.start++;
		run.remote.end++;
		break;
	case 4: /* once more */
		run = run_of(0, 4096);
		break;
	}
	ck_assert_int_eq(zero_queue_push(&q, &run), 0);
	ck_assert_uint_eq(q.count, 2);
	/* All but the newest are done growing. */
	ck_assert_uint_eq(zero_queue_next(&q, false)->message.addr, OFFSET);
	ck_assert_uint_eq(zero_queue_next(&q, false)->message.length, 4096);
}
END_TEST

START_TEST(one_is_out_at_a_time_and_in_order)
{
	for (uint64_t i = 0; i < 4; i++)
		ck_assert_int_eq(push(i * MIB, 4096), 0);
	for (uint64_t i = 0; i < 4; i++) {
		ck_assert_uint_eq(zero_queue_next(&q, true)->message.addr, OFFSET + i * MIB);
		zero_queue_sent(&q);
		ck_assert(q.unacknowledged);
		ck_assert_uint_eq(q.sent.remote.start, REMOTE + i * MIB);
		ck_assert_ptr_null(zero_queue_next(&q, true));
		zero_queue_acknowledge(&q);
		ck_assert(!q.unacknowledged);
	}
	ck_assert_uint_eq(q.count, 0);
	ck_assert_ptr_null(zero_queue_next(&q, true));
}
END_TEST

START_TEST(what_continues_a_run_that_is_out_is_another)
{
	ck_assert_int_eq(push(0, 4096), 0);
	ck_assert_ptr_nonnull(zero_queue_next(&q, true));
	zero_queue_sent(&q);
	ck_assert_int_eq(push(4096, 4096), 0);
	ck_assert_uint_eq(q.sent.remote.end, REMOTE + 4096);
	zero_queue_acknowledge(&q);
	ck_assert_uint_eq(zero_queue_next(&q, true)->message.addr, OFFSET + 4096);
}
END_TEST

START_TEST(a_closed_run_is_not_waited_for)
{
	ck_assert_int_eq(push(0, 4096), 0);
	ck_assert_ptr_null(zero_queue_next(&q, false));
	q.closed = true;
	ck_assert_ptr_nonnull(zero_queue_next(&q, false));
	/* It grew after all, and may grow on. */
	ck_assert_int_eq(push(4096, 4096), 0);
	ck_assert_uint_eq(q.count, 1);
	ck_assert_ptr_null(zero_queue_next(&q, false));
}
END_TEST

START_TEST(a_full_queue_refuses_all_but_what_continues)
{
	q.head = ZERO_QUEUE_ROOM - 2;
	for (uint64_t i = 0; i < ZERO_QUEUE_ROOM; i++)
		ck_assert_int_eq(push(i * MIB, 4096), 0);
	ck_assert_int_eq(push(GIB, 4096), -ENOSPC);
	ck_assert_int_eq(push((ZERO_QUEUE_ROOM - 1) * MIB + 4096, 4096), 0);
	for (uint64_t i = 0; i < ZERO_QUEUE_ROOM; i++) {
		ck_assert_uint_eq(zero_queue_next(&q, true)->message.addr, OFFSET + i * MIB);
		ck_assert_uint_eq(zero_queue_next(&q, true)->message.length,
				  i < ZERO_QUEUE_ROOM - 1 ? 4096 : 8192);
		zero_queue_sent(&q);
		zero_queue_acknowledge(&q);
	}
}
END_TEST

/* Hazard 1. */
START_TEST(writes_into_a_run_wait_for_its_ready)
{
	ck_assert(!fences(0, GIB));
	ck_assert_int_eq(push(MIB, 4096), 0);
	ck_assert_int_eq(push(3 * MIB, 4096), 0);
	for (int sent = 0; sent < 2; sent++) {
		ck_assert(fences(MIB, 4096));
		ck_assert(fences(MIB + 4095, 1));
		ck_assert(fences(MIB - 1, 2));
		ck_assert(fences(0, GIB));
		ck_assert(!fences(MIB - 1, 1));
		ck_assert(!fences(MIB + 4096, 4096));
		ck_assert(fences(3 * MIB, 1));
		if (!sent) {
			ck_assert_ptr_nonnull(zero_queue_next(&q, false));
			zero_queue_sent(&q);
		}
	}
	zero_queue_acknowledge(&q);
	ck_assert(!fences(MIB, 4096));
	ck_assert(fences(3 * MIB, 1));
}
END_TEST

/* Else both would wait: the write for the run, the run to grow. */
START_TEST(a_run_that_a_write_waits_for_goes_out)
{
	ck_assert_int_eq(push(0, 4096), 0);
	ck_assert(!fences(4096, 1));
	ck_assert_ptr_null(zero_queue_next(&q, false));
	ck_assert(fences(4095, 1));
	ck_assert_ptr_nonnull(zero_queue_next(&q, false));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("zero_queue");
	TCase *tc = tcase_create("zero_queue");

	tcase_add_checked_fixture(tc, setup, NULL);
	tcase_add_test(tc, runs_that_continue_become_one);
	tcase_add_loop_test(tc, a_stranger_is_a_run_of_its_own, 0, 5);
	tcase_add_test(tc, one_is_out_at_a_time_and_in_order);
	tcase_add_test(tc, what_continues_a_run_that_is_out_is_another);
	tcase_add_test(tc, a_closed_run_is_not_waited_for);
	tcase_add_test(tc, a_full_queue_refuses_all_but_what_continues);
	tcase_add_test(tc, writes_into_a_run_wait_for_its_ready);
	tcase_add_test(tc, a_run_that_a_write_waits_for_goes_out);
	suite_add_tcase(suite, tc);
	return unit_run(suite);
}
