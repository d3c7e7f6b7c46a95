/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "core/order.h"

#include <errno.h>

#include "core/verbs_values.h"
#include "qp.h"

/*
 * What waits for what: writes for the READY of a zero run they reach into
 * (hazard 1), messages for everything before them, and nothing for a connection
 * that is broken (hazards 2, 3 and 16).
 */

#define SEND	  2000				       /* wr_id of a message */
#define RUN_SLOTS (SEND_SLOTS - SEND_SLOT_REQUEST - 1) /* that zero runs can have */

static struct qp n;

/* The zero runs of these tests are the pages at 0, 1M, 2M and so on; the writes
 * that keep the NIC busy are far from them. */
#define FAR UINT64_C(0x1000000000)

static void start(void)
{
	qp_init(&n, GIB);
	qp_ready(&n);
}

static void keep_busy(void)
{
	struct completion c;

	for (uint64_t i = 0; i < 2; i++) {
		ck_assert_int_eq(qp_write(&n, i, FAR + i * 2 * MIB, 4096), 0);
		ck_assert(completion_queue_pop(&n.due, &c));
	}
}

static const struct order_out *last(void)
{
	ck_assert_uint_gt(n.given, 0);
	return &n.wr[n.given - 1];
}

static void check_last_is_zero(uint64_t at, uint64_t length)
{
	ck_assert_int_eq(last()->kind, ORDER_ZERO);
	ck_assert_uint_eq(last()->zero.addr, at);
	ck_assert_uint_eq(last()->zero.length, length);
	ck_assert(last()->signaled);
	ck_assert_int_ne(last()->slot, SEND_NO_SLOT);
	ck_assert_int_ne(last()->slot, SEND_SLOT_ORDERED);
	ck_assert_int_ne(last()->slot, SEND_SLOT_REQUEST);
}

START_TEST(a_message_follows_all_writes)
{
	start();
	keep_busy();
	for (uint64_t i = 0; i < 70; i++)
		ck_assert_int_eq(qp_write(&n, 10 + i, i * 2 * MIB, 4096), 0);
	ck_assert_uint_gt(n.order.writes.count, 0);
	/* It waits for them to be posted, not to complete: RC does the rest. */
	ck_assert_int_eq(qp_ordered(&n, SEND, false), 0);
	ck_assert_uint_eq(n.given, 73);
	ck_assert_int_eq(last()->kind, ORDER_MESSAGE);
	ck_assert_uint_eq(last()->ordered->wr_id, SEND);
	ck_assert(last()->signaled);
	ck_assert(!n.order.ordered.pending);
	ck_assert_uint_eq(n.order.sends.messages, 1);
	ck_assert_uint_eq(n.order.credits, 0);
	/* And it completes for real. */
	n.due.count = 0;
	while (n.order.in_flight > 1) {
		ck_assert(qp_complete(&n));
		ck_assert_uint_eq(n.due.count, 0);
	}
	ck_assert(qp_complete(&n));
	qp_expect(&n, SEND, VERBS_WC_SUCCESS);
	ck_assert_uint_eq(n.order.sends.messages, 0);
}
END_TEST

START_TEST(a_message_goes_without_a_credit_when_no_run_has_it)
{
	qp_init(&n, GIB);
	ck_assert_int_eq(qp_ordered(&n, SEND, false), 0);
	ck_assert_uint_eq(n.given, 1);
	ck_assert_uint_eq(n.order.credits, 0);
	ck_assert(!qp_ready(&n));
	ck_assert_uint_eq(n.order.credits, 1);
}
END_TEST

START_TEST(one_message_waits_at_a_time)
{
	start();
	ck_assert_int_eq(qp_zero(&n, 0, 4096), 0);
	ck_assert_int_eq(qp_ordered(&n, SEND, false), 0);
	ck_assert(n.order.ordered.pending);
	ck_assert_int_eq(qp_ordered(&n, SEND + 1, false), -EBUSY);
	/* Nor can a run be kept: it belongs behind the message. */
	ck_assert_int_eq(qp_zero(&n, 4096, 4096), -EBUSY);
	ck_assert_uint_eq(n.order.ordered.wr_id, SEND);
	/* Given up, it leaves no trace. */
	order_abandon_message(&n.order);
	ck_assert(qp_ready(&n));
	ck_assert_uint_eq(n.given, 1);
	ck_assert_uint_eq(n.order.credits, 1);
	ck_assert_int_eq(qp_ordered(&n, SEND + 2, false), 0);
	ck_assert_uint_eq(last()->ordered->wr_id, SEND + 2);
}
END_TEST

START_TEST(runs_merge_until_something_else_is_sent)
{
	start();
	for (uint64_t i = 0; i < 100; i++)
		ck_assert_int_eq(qp_zero(&n, i * MIB, MIB), 0);
	ck_assert_uint_eq(n.given, 0);
	ck_assert(!qp_waits_for_ready(&n));
	ck_assert_int_eq(qp_ordered(&n, SEND, false), 0);
	ck_assert_uint_eq(n.given, 1);
	check_last_is_zero(0, 100 * MIB);
	ck_assert_uint_eq(n.order.counters.zeros_kept, 100);
	ck_assert_uint_eq(n.order.counters.zeros_sent, 1);
	ck_assert_uint_eq(n.order.credits, 0);

	/* Hazard 2: the message is next, on the READY for the run, and QEMU, which
	 * thinks it has had that, must not get it again. */
	ck_assert(n.order.ordered.pending);
	ck_assert(qp_waits_for_ready(&n));
	ck_assert(qp_complete(&n));
	ck_assert_uint_eq(n.due.count, 0);
	ck_assert_uint_eq(n.given, 1);
	ck_assert(qp_ready(&n));
	ck_assert_uint_eq(n.given, 2);
	ck_assert_int_eq(last()->kind, ORDER_MESSAGE);
	ck_assert_uint_eq(n.order.credits, 0);
	ck_assert(!qp_waits_for_ready(&n));
	/* The next one is QEMU's. */
	ck_assert(!qp_ready(&n));
}
END_TEST

START_TEST(the_ready_may_come_before_the_runs_own_completion)
{
	start();
	ck_assert_int_eq(qp_zero(&n, 0, 4096), 0);
	ck_assert_int_eq(qp_ordered(&n, SEND, false), 0);
	ck_assert(qp_ready(&n));
	ck_assert_uint_eq(n.given, 2);
	ck_assert(qp_complete(&n));
	ck_assert_uint_eq(n.due.count, 0);
	ck_assert(qp_complete(&n));
	qp_expect(&n, SEND, VERBS_WC_SUCCESS);
}
END_TEST

START_TEST(each_run_waits_for_the_ready_of_the_one_before)
{
	start();
	for (uint64_t i = 0; i < 5; i++)
		ck_assert_int_eq(qp_zero(&n, 2 * i * MIB, MIB), 0);
	/* All but the newest are done growing. */
	ck_assert_uint_eq(n.given, 1);
	check_last_is_zero(0, MIB);
	ck_assert_int_eq(qp_ordered(&n, SEND, false), 0);
	for (uint64_t i = 1; i < 5; i++) {
		ck_assert_uint_eq(n.given, i);
		ck_assert(qp_complete(&n));
		ck_assert(qp_ready(&n));
		check_last_is_zero(2 * i * MIB, MIB);
		ck_assert(qp_waits_for_ready(&n));
	}
	ck_assert(qp_ready(&n));
	ck_assert_int_eq(last()->kind, ORDER_MESSAGE);
	ck_assert_uint_eq(n.given, 6);
	ck_assert_uint_eq(n.order.counters.zeros_sent, 5);
}
END_TEST

/* Own messages stay in their slots until their SENDs complete. */
START_TEST(a_run_waits_for_a_slot)
{
	start();
	for (uint64_t i = 0; i < RUN_SLOTS + 3; i++)
		ck_assert_int_eq(qp_zero(&n, 2 * i * MIB, MIB), 0);
	for (int i = 1; i < RUN_SLOTS; i++)
		ck_assert(qp_ready(&n));
	ck_assert_uint_eq(n.given, RUN_SLOTS);
	ck_assert(qp_ready(&n));
	ck_assert_uint_eq(n.given, RUN_SLOTS);
	ck_assert(qp_complete(&n));
	ck_assert_uint_eq(n.given, RUN_SLOTS + 1);
	check_last_is_zero(2 * RUN_SLOTS * MIB, MIB);
}
END_TEST

START_TEST(more_runs_than_there_is_room_for)
{
	uint64_t i;

	start();
	for (i = 0; i <= ZERO_QUEUE_ROOM; i++)
		ck_assert_int_eq(qp_zero(&n, 2 * i * MIB, MIB), 0);
	/* One is out; QEMU's next goes as a message of its own, after these. */
	ck_assert_int_eq(qp_zero(&n, 2 * i * MIB, MIB), -ENOSPC);
	ck_assert_uint_eq(n.order.counters.zeros_kept, ZERO_QUEUE_ROOM + 1);
	ck_assert_int_eq(qp_ordered(&n, SEND, false), 0);
	ck_assert_uint_eq(n.given, 1);
	while (last()->kind != ORDER_MESSAGE) {
		ck_assert(qp_complete(&n));
		ck_assert(qp_ready(&n));
	}
	ck_assert_uint_eq(n.given, ZERO_QUEUE_ROOM + 2);
}
END_TEST

/* The destination's CPU zeroes when it handles the message; its NIC writes at once. */
START_TEST(a_write_into_a_run_waits_for_its_ready)
{
	start();
	ck_assert_int_eq(qp_zero(&n, 0, MIB), 0);
	/* It closes the run, which goes first. */
	ck_assert_int_eq(qp_write(&n, 1, MIB - 4096, 8192), 0);
	ck_assert_uint_eq(n.given, 1);
	check_last_is_zero(0, MIB);
	qp_expect(&n, 1, VERBS_WC_SUCCESS);
	ck_assert(qp_waits_for_ready(&n));
	ck_assert_uint_eq(n.order.counters.fenced, 1);
	/* What comes after it waits as well: QEMU may rely on the order. */
	ck_assert_int_eq(qp_write(&n, 2, FAR, 4096), 0);
	ck_assert_uint_eq(n.given, 1);
	ck_assert(qp_complete(&n));
	qp_flush(&n);
	ck_assert_uint_eq(n.given, 1);
	ck_assert_uint_eq(n.order.counters.fenced, 1);
	ck_assert(qp_ready(&n));
	ck_assert_uint_eq(n.given, 3);
	ck_assert_uint_eq(n.wr[1].write.wr_id, 1);
	ck_assert_uint_eq(n.wr[2].write.wr_id, 2);
	ck_assert(!qp_waits_for_ready(&n));
	/* A fence that is gone counts anew. */
	ck_assert_int_eq(qp_zero(&n, 4 * MIB, MIB), 0);
	while (qp_complete(&n))
		;
	ck_assert_int_eq(qp_write(&n, 3, 4 * MIB, 4096), 0);
	check_last_is_zero(4 * MIB, MIB);
	ck_assert_uint_eq(n.order.counters.fenced, 2);
}
END_TEST

START_TEST(a_write_beside_a_run_does_not_wait)
{
	start();
	ck_assert_int_eq(qp_zero(&n, MIB, MIB), 0);
	ck_assert_int_eq(qp_write(&n, 1, 0, MIB), 0);
	ck_assert_uint_eq(n.given, 2);
	ck_assert_int_eq(n.wr[0].kind, ORDER_ZERO);
	ck_assert(qp_complete(&n));
	ck_assert_int_eq(qp_write(&n, 2, 2 * MIB, MIB), 0);
	ck_assert_uint_eq(n.given, 3);
	ck_assert_uint_eq(n.wr[2].write.wr_id, 2);
	ck_assert_uint_eq(n.order.counters.fenced, 0);
	ck_assert(!qp_waits_for_ready(&n));
}
END_TEST

/* With the switch for writes off as well. */
START_TEST(a_fence_holds_writes_that_are_not_early)
{
	qp_init(&n, 0);
	qp_ready(&n);
	ck_assert_int_eq(qp_zero(&n, 0, MIB), 0);
	ck_assert_int_eq(qp_write(&n, 1, 4096, 4096), 0);
	check_last_is_zero(0, MIB);
	ck_assert(qp_complete(&n));
	ck_assert_uint_eq(n.due.count, 0);
	ck_assert(qp_ready(&n));
	ck_assert_uint_eq(n.given, 2);
	ck_assert(qp_complete(&n));
	qp_expect(&n, 1, VERBS_WC_SUCCESS);
}
END_TEST

/*
 * The write reaches into the run that is out and into the next, which has grown
 * since: when the READY comes nothing else may happen that would send it.
 */
START_TEST(a_run_that_grew_does_not_keep_its_write_waiting)
{
	start();
	ck_assert_int_eq(qp_zero(&n, 0, MIB), 0);
	ck_assert_int_eq(qp_write(&n, 1, FAR, 4096), 0);
	ck_assert_uint_eq(n.given, 2);
	ck_assert_int_eq(qp_zero(&n, MIB, MIB), 0);
	ck_assert_int_eq(qp_write(&n, 2, MIB - 4096, 8192), 0);
	ck_assert_int_eq(qp_zero(&n, 2 * MIB, MIB), 0);
	while (qp_complete(&n))
		;
	ck_assert_uint_eq(n.given, 2);
	ck_assert(qp_ready(&n));
	/* The run of 2 MiB that the write waits for. */
	ck_assert_uint_eq(n.given, 3);
	check_last_is_zero(MIB, 2 * MIB);
	ck_assert(qp_waits_for_ready(&n));
	ck_assert(qp_complete(&n));
	ck_assert(qp_ready(&n));
	ck_assert_uint_eq(n.given, 4);
	ck_assert_uint_eq(last()->write.wr_id, 2);
}
END_TEST

/* The other way round the order on the wire is enough, unless the write has not
 * been posted yet. */
START_TEST(a_run_over_a_waiting_write_is_not_kept)
{
	start();
	keep_busy();
	ck_assert_int_eq(qp_write(&n, 1, 0, 4096), 0);
	ck_assert_uint_eq(n.order.writes.count, 1);
	ck_assert_int_eq(qp_zero(&n, 0, MIB), -EBUSY);
	ck_assert_int_eq(qp_zero(&n, 4096, MIB), 0);
	ck_assert_uint_eq(n.order.counters.zeros_kept, 1);
	qp_flush(&n);
	ck_assert_int_eq(last()->kind, ORDER_WRITE);
	ck_assert_int_eq(qp_zero(&n, 0, 4096), 0);
}
END_TEST

START_TEST(ready_and_error_overtake_everything)
{
	start();
	ck_assert_int_eq(qp_zero(&n, 0, MIB), 0);
	ck_assert_int_eq(qp_write(&n, 1, 0, 4096), 0);
	ck_assert_int_eq(qp_zero(&n, 4 * MIB, MIB), 0);
	ck_assert_uint_eq(n.given, 1);
	ck_assert_int_eq(qp_ordered(&n, SEND, true), 0);
	ck_assert_uint_eq(n.given, 2);
	ck_assert_int_eq(last()->kind, ORDER_MESSAGE);
	/* And use no credit. */
	ck_assert(qp_ready(&n));
	ck_assert_int_eq(qp_ordered(&n, SEND + 1, true), 0);
	ck_assert_uint_eq(n.order.credits, 1);
}
END_TEST

/* The QP flushes what it is given, so it is given everything; only the runs,
 * which nobody waits for, are not worth it. */
START_TEST(a_broken_connection_waits_for_nothing)
{
	start();
	ck_assert_int_eq(qp_zero(&n, 0, MIB), 0);
	ck_assert_int_eq(qp_write(&n, 1, 0, 4096), 0);
	ck_assert_int_eq(qp_write(&n, 2, FAR, 4096), 0);
	ck_assert_int_eq(qp_zero(&n, 4 * MIB, MIB), 0);
	ck_assert_int_eq(qp_ordered(&n, SEND, false), 0);
	ck_assert_uint_eq(n.given, 1);
	qp_expect(&n, 1, VERBS_WC_SUCCESS);
	qp_expect(&n, 2, VERBS_WC_SUCCESS);
	order_break(&n.order, &n.due);
	ck_assert(!qp_waits_for_ready(&n));
	qp_pump(&n);
	ck_assert_uint_eq(n.given, 4);
	ck_assert_uint_eq(n.wr[1].write.wr_id, 1);
	ck_assert_uint_eq(n.wr[2].write.wr_id, 2);
	ck_assert_int_eq(n.wr[3].kind, ORDER_MESSAGE);
	qp_fail(&n, VERBS_WC_WR_FLUSH_ERR);
	qp_expect(&n, SEND, VERBS_WC_WR_FLUSH_ERR);
	ck_assert_uint_eq(n.due.count, 0);
	order_break(&n.order, &n.due);
	ck_assert_uint_eq(n.due.count, 0);
}
END_TEST

/* Of an early-completed write's failure QEMU learns once, with its true status. */
START_TEST(the_first_failure_is_told)
{
	struct completion c;

	start();
	for (uint64_t i = 0; i < 70; i++)
		ck_assert_int_eq(qp_write(&n, i, i * 2 * MIB, 4096), 0);
	n.due.count = 0;
	ck_assert(qp_complete(&n));
	ck_assert(!n.wr[n.completed].signaled || n.wr[n.completed].write.wr_id == 1);
	qp_fail(&n, 10);
	ck_assert_uint_eq(n.due.count, 1);
	ck_assert(completion_queue_pop(&n.due, &c));
	ck_assert_uint_eq(c.wr_id, 1);
	ck_assert_uint_eq(c.status, 10);
	ck_assert_uint_eq(c.vendor_err, 77);
	ck_assert_uint_eq(c.opcode, VERBS_WC_RDMA_WRITE);
	ck_assert_int_eq(n.order.qp, ORDER_QP_BROKEN);
	ck_assert_uint_eq(n.order.writes.count, 0);
	ck_assert_uint_eq(n.order.in_flight, 0);
}
END_TEST

/* An unsignalled one says so itself, and those before it were successes. */
START_TEST(an_unsignalled_write_can_fail)
{
	struct completion wc = {.status = 9, .opcode = VERBS_WC_RDMA_WRITE};
	unsigned int i = 2;

	start();
	for (uint64_t w = 0; w < 66; w++)
		ck_assert_int_eq(qp_write(&n, w, w * 2 * MIB, 4096), 0);
	n.due.count = 0;
	while (!n.wr[i].signaled)
		i++;
	ck_assert_uint_gt(i, 10);
	ck_assert_int_eq(order_completed(&n.order, 10, &wc, &n.due), 0);
	qp_expect(&n, 10, 9);
	ck_assert_uint_eq(n.due.count, 0);
	ck_assert_uint_eq(n.order.in_flight, n.given - 11);
	ck_assert_uint_eq(n.order.window_bytes, (n.given - 11) * 4096);
}
END_TEST

START_TEST(a_run_that_fails_is_told_once)
{
	start();
	ck_assert_int_eq(qp_zero(&n, 0, MIB), 0);
	ck_assert_int_eq(qp_ordered(&n, SEND, false), 0);
	qp_fail(&n, 12);
	/* No request of QEMU's has the first, but it must learn. */
	ck_assert_uint_eq(n.due.ring[n.due.head].status, 12);
	n.due.count--;
	n.due.head++;
	qp_expect(&n, SEND, VERBS_WC_WR_FLUSH_ERR);
	ck_assert_uint_eq(n.due.count, 0);
}
END_TEST

static void fill_window(void)
{
	for (uint64_t wr_id = 100; !n.order.withheld.count; wr_id++)
		ck_assert_int_eq(qp_write(&n, wr_id, FAR + wr_id * 2 * MIB, MIB), 0);
	n.due.count = 0;
}

START_TEST(a_withheld_completion_is_flushed)
{
	start();
	fill_window();
	order_break(&n.order, &n.due);
	ck_assert_uint_eq(n.due.count, 1);
	ck_assert_uint_eq(n.due.ring[n.due.head].status, VERBS_WC_WR_FLUSH_ERR);
	ck_assert_uint_eq(n.order.withheld.count, 0);
}
END_TEST

/* Hazard 16: what QEMU writes to a connection that is broken fails, as it would
 * without us, and none is kept back for ever. */
START_TEST(writes_to_a_broken_connection_fail)
{
	start();
	order_break(&n.order, &n.due);
	for (uint64_t i = 0; i < 100; i++) {
		ck_assert_int_eq(qp_write(&n, i, i * 2 * MIB, MIB), 0);
		qp_expect(&n, i, VERBS_WC_WR_FLUSH_ERR);
	}
	qp_fail(&n, VERBS_WC_WR_FLUSH_ERR);
	ck_assert_uint_eq(n.due.count, 0);
	ck_assert_uint_eq(n.order.withheld.count, 0);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("order_messages");
	TCase *tc = tcase_create("order_messages");

	tcase_add_test(tc, a_message_follows_all_writes);
	tcase_add_test(tc, a_message_goes_without_a_credit_when_no_run_has_it);
	tcase_add_test(tc, one_message_waits_at_a_time);
	tcase_add_test(tc, runs_merge_until_something_else_is_sent);
	tcase_add_test(tc, the_ready_may_come_before_the_runs_own_completion);
	tcase_add_test(tc, each_run_waits_for_the_ready_of_the_one_before);
	tcase_add_test(tc, a_run_waits_for_a_slot);
	tcase_add_test(tc, more_runs_than_there_is_room_for);
	tcase_add_test(tc, a_write_into_a_run_waits_for_its_ready);
	tcase_add_test(tc, a_write_beside_a_run_does_not_wait);
	tcase_add_test(tc, a_fence_holds_writes_that_are_not_early);
	tcase_add_test(tc, a_run_that_grew_does_not_keep_its_write_waiting);
	tcase_add_test(tc, a_run_over_a_waiting_write_is_not_kept);
	tcase_add_test(tc, ready_and_error_overtake_everything);
	tcase_add_test(tc, a_broken_connection_waits_for_nothing);
	tcase_add_test(tc, the_first_failure_is_told);
	tcase_add_test(tc, an_unsignalled_write_can_fail);
	tcase_add_test(tc, a_run_that_fails_is_told_once);
	tcase_add_test(tc, a_withheld_completion_is_flushed);
	tcase_add_test(tc, writes_to_a_broken_connection_fail);
	suite_add_tcase(suite, tc);
	return unit_run(suite);
}
