/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "core/order.h"

#include "core/verbs_values.h"
#include "qp.h"

/*
 * A REGISTER_REQUEST of our own: when it may go, what waits for its answer, and
 * that QEMU hears of it only when it fails.
 */

#define SEND  2000 /* wr_id of a message */
#define CHUNK 7	   /* the request's, to be known by */

static struct qp n;

/* The destination is in its loop for registrations, and has sent a READY. */
static void start(void)
{
	qp_init(&n, GIB);
	n.order.registering = true;
	ck_assert(!qp_ready(&n));
}

static const struct order_out *last(void)
{
	ck_assert_uint_gt(n.given, 0);
	return &n.wr[n.given - 1];
}

static void make_request(void)
{
	ck_assert(order_can_request(&n.order));
	own_request_queue(&n.order.request,
			  &(struct wire_register){.addr = CHUNK * MIB, .chunks = 3});
	ck_assert_int_eq(n.order.request.state, OWN_REQUEST_QUEUED);
}

static void check_last_is_the_request(void)
{
	ck_assert_int_eq(last()->kind, ORDER_REQUEST);
	ck_assert_uint_eq(last()->request.addr, CHUNK * MIB);
	ck_assert_uint_eq(last()->request.chunks, 3);
	ck_assert_int_eq(last()->slot, SEND_SLOT_REQUEST);
	ck_assert(last()->signaled);
	ck_assert_int_eq(n.order.request.state, OWN_REQUEST_SENT);
}

static void request_goes(void)
{
	make_request();
	ck_assert_uint_eq(qp_pump(&n), 1);
	check_last_is_the_request();
}

START_TEST(it_takes_the_credit_and_gives_it_back)
{
	start();
	ck_assert(!order_expects_ready(&n.order));
	request_goes();
	ck_assert_uint_eq(n.order.credits, 0);
	ck_assert(order_expects_ready(&n.order));
	ck_assert(!order_can_request(&n.order));
	/* It is nothing that QEMU waits for. */
	ck_assert(!qp_waits_for_ready(&n));
	ck_assert_uint_eq(n.order.sends.messages, 0);
	ck_assert(qp_complete(&n));
	ck_assert_uint_eq(n.due.count, 0);
	ck_assert(order_expects_ready(&n.order));
	/* Its READY is not QEMU's; the next one is. */
	ck_assert(qp_ready(&n));
	ck_assert_uint_eq(n.order.credits, 1);
	ck_assert(!order_expects_ready(&n.order));
	ck_assert(order_can_request(&n.order));
	ck_assert(!qp_ready(&n));
}
END_TEST

START_TEST(only_while_the_destination_registers)
{
	start();
	n.order.registering = false;
	ck_assert(!order_can_request(&n.order));
	n.order.registering = true;
	make_request();
	n.order.registering = false;
	ck_assert_uint_eq(qp_pump(&n), 0);
	ck_assert(!order_waits_for_room(&n.order));
	n.order.registering = true;
	ck_assert_uint_eq(qp_pump(&n), 1);
	check_last_is_the_request();
}
END_TEST

START_TEST(only_with_a_credit)
{
	qp_init(&n, GIB);
	n.order.registering = true;
	ck_assert(!order_can_request(&n.order));
	ck_assert(!qp_ready(&n));
	make_request();
	/* Another message has had the credit meanwhile. */
	n.order.credits = 0;
	ck_assert_uint_eq(qp_pump(&n), 0);
	ck_assert(!order_waits_for_room(&n.order));
	ck_assert(!qp_ready(&n));
	ck_assert_uint_eq(n.given, 1);
	check_last_is_the_request();
}
END_TEST

START_TEST(one_at_a_time)
{
	start();
	make_request();
	ck_assert(!order_can_request(&n.order));
	ck_assert_uint_eq(qp_pump(&n), 1);
	/* Not even with a credit to spare. */
	n.order.credits = 1;
	ck_assert(!order_can_request(&n.order));
	n.order.credits = 0;
	ck_assert(qp_ready(&n));
	/* The completion may lie unseen: the answer has come. */
	ck_assert_uint_eq(qp_in_flight(&n), 1);
	request_goes();
	ck_assert_uint_eq(qp_in_flight(&n), 2);
	ck_assert(qp_complete(&n));
	ck_assert(qp_complete(&n));
	ck_assert_uint_eq(n.due.count, 0);
	ck_assert(qp_ready(&n));
	/* The slots for zero runs are as many as before. */
	ck_assert_int_eq(send_queue_free_slot(&n.order.sends), SEND_SLOT_REQUEST + 1);
	request_goes();
}
END_TEST

/* QEMU has the RESULT, and a READY of our making, when it asks for more. */
START_TEST(the_next_waits_for_the_ready_after_the_result)
{
	const struct wire_register next = {.addr = CHUNK * MIB, .chunks = 3};

	start();
	request_goes();
	ck_assert(!order_can_queue_request(&n.order));
	ck_assert(qp_complete(&n));
	own_request_answered(&n.order.request);
	ck_assert(!order_can_request(&n.order));
	ck_assert(order_can_queue_request(&n.order));
	ck_assert(!own_request_is_open(&n.order.request));
	own_request_queue(&n.order.request, &next);
	ck_assert(own_request_is_open(&n.order.request));
	ck_assert(own_request_is_queued(&n.order.request));
	ck_assert(!order_can_queue_request(&n.order));
	/* Nor does it go with a credit that is none of that READY's. */
	n.order.credits++;
	ck_assert_uint_eq(qp_pump(&n), 0);
	n.order.credits--;
	ck_assert(order_expects_ready(&n.order));
	ck_assert(!order_waits_for_room(&n.order));
	/* Taken back, it leaves the READY to come. */
	own_request_withdraw(&n.order.request);
	ck_assert(!own_request_is_queued(&n.order.request));
	ck_assert(order_expects_ready(&n.order));
	own_request_queue(&n.order.request, &next);
	ck_assert(qp_ready(&n));
	ck_assert_uint_eq(n.given, 2);
	check_last_is_the_request();
	ck_assert_uint_eq(n.order.credits, 0);
	ck_assert(qp_complete(&n));
	ck_assert(qp_ready(&n));
	ck_assert(!order_expects_ready(&n.order));
	ck_assert_uint_eq(n.due.count, 0);
}
END_TEST

/* No READY will come, or QEMU's message is before it. */
START_TEST(no_next_one_where_none_can_go)
{
	start();
	request_goes();
	own_request_answered(&n.order.request);
	ck_assert_int_eq(qp_ordered(&n, SEND, false), 0);
	ck_assert(!order_can_queue_request(&n.order));
	start();
	request_goes();
	own_request_answered(&n.order.request);
	n.order.registering = false;
	ck_assert(!order_can_queue_request(&n.order));
	n.order.registering = true;
	order_break(&n.order, &n.due);
	ck_assert(!order_can_queue_request(&n.order));
}
END_TEST

START_TEST(never_beside_a_zero_run_without_its_ready)
{
	start();
	ck_assert_int_eq(qp_zero(&n, 0, 4096), 0);
	ck_assert_int_eq(qp_zero(&n, MIB, 4096), 0);
	ck_assert_int_eq(last()->kind, ORDER_ZERO);
	/* With a credit of its own it would still be the second message. */
	n.order.credits = 1;
	ck_assert(!order_can_request(&n.order));
	own_request_queue(&n.order.request,
			  &(struct wire_register){.addr = CHUNK * MIB, .chunks = 3});
	ck_assert_uint_eq(qp_pump(&n), 0);
	ck_assert(!order_waits_for_room(&n.order));
	n.order.credits = 0;
	/* The READY is the run's, and the request, which QEMU may wait for, is next. */
	ck_assert(qp_ready(&n));
	ck_assert_uint_eq(n.given, 2);
	check_last_is_the_request();
	/* And no run goes while that is not answered. */
	n.order.credits = 1;
	n.order.zeros.closed = true;
	ck_assert_uint_eq(qp_pump(&n), 0);
	n.order.credits = 0;
	ck_assert(qp_ready(&n));
	ck_assert_int_eq(last()->kind, ORDER_ZERO);
	ck_assert_uint_eq(last()->zero.addr, MIB);
}
END_TEST

/* What QEMU waits for goes first. */
START_TEST(after_a_message_that_waits)
{
	start();
	/* The run has the credit, the message waits for its READY, the request for both. */
	ck_assert_int_eq(qp_zero(&n, 0, 4096), 0);
	make_request();
	n.order.zeros.closed = true;
	ck_assert_int_eq(qp_ordered(&n, SEND, false), 0);
	ck_assert_uint_eq(n.given, 1);
	ck_assert(n.order.ordered.pending);
	ck_assert(!order_can_request(&n.order));
	n.order.credits++;
	ck_assert_uint_eq(qp_pump(&n), 0);
	n.order.credits--;
	ck_assert(qp_ready(&n));
	ck_assert_uint_eq(n.given, 2);
	ck_assert_int_eq(last()->kind, ORDER_MESSAGE);
	ck_assert_int_eq(n.order.request.state, OWN_REQUEST_QUEUED);
	/* That message was a REGISTER_REQUEST, and its READY is QEMU's. */
	ck_assert(!qp_ready(&n));
	ck_assert_uint_eq(n.given, 3);
	check_last_is_the_request();
}
END_TEST

START_TEST(a_message_waits_for_its_ready)
{
	start();
	request_goes();
	ck_assert_int_eq(qp_ordered(&n, SEND, false), 0);
	ck_assert(qp_complete(&n));
	ck_assert_uint_eq(n.given, 1);
	ck_assert(qp_waits_for_ready(&n));
	ck_assert(qp_ready(&n));
	ck_assert_uint_eq(n.given, 2);
	ck_assert_int_eq(last()->kind, ORDER_MESSAGE);
	ck_assert(!qp_waits_for_ready(&n));
	ck_assert_uint_eq(n.order.credits, 0);
	ck_assert(qp_complete(&n));
	qp_expect(&n, SEND, VERBS_WC_SUCCESS);
	ck_assert(!qp_ready(&n));
}
END_TEST

START_TEST(writes_and_errors_do_not_wait_for_it)
{
	struct completion c;

	start();
	request_goes();
	ck_assert_int_eq(qp_write(&n, 1, 0, MIB), 0);
	ck_assert(completion_queue_pop(&n.due, &c));
	ck_assert_uint_eq(n.given, 2);
	ck_assert_int_eq(last()->kind, ORDER_WRITE);
	ck_assert_int_eq(qp_ordered(&n, SEND, true), 0);
	ck_assert_uint_eq(n.given, 3);
	ck_assert_int_eq(last()->kind, ORDER_MESSAGE);
	ck_assert(!qp_waits_for_ready(&n));
}
END_TEST

/* It is little on the wire, and not QEMU's: of WRITEs there are two, as ever, before one is kept.
 */
START_TEST(writes_go_beside_it_as_without_it)
{
	const uint64_t far = GIB;

	start();
	if (_i)
		request_goes();
	for (uint64_t i = 0; i < 3; i++)
		ck_assert_int_eq(qp_write(&n, i, i * far, 4096), 0);
	ck_assert_uint_eq(n.given, _i + 2);
	ck_assert_uint_eq(n.order.writes.count, 1);
}
END_TEST

/* Before the writes that have gathered: they take their time on the wire. */
START_TEST(it_overtakes_queued_writes)
{
	start();
	for (uint64_t i = 0; i < 10; i++)
		ck_assert_int_eq(qp_write(&n, i, 2 * i * MIB, 4096), 0);
	ck_assert_uint_gt(n.order.writes.count, 0);
	request_goes();
	ck_assert_uint_gt(n.order.writes.count, 0);
}
END_TEST

START_TEST(it_waits_for_room_in_the_send_queue)
{
	start();
	make_request();
	n.order.in_flight = ORDER_SEND_QUEUE;
	ck_assert_uint_eq(qp_pump(&n), 0);
	ck_assert(order_waits_for_room(&n.order));
	n.order.in_flight--;
	ck_assert_uint_eq(qp_pump(&n), 1);
	check_last_is_the_request();
	ck_assert(!order_waits_for_room(&n.order));
}
END_TEST

START_TEST(its_failure_is_told_once)
{
	start();
	request_goes();
	ck_assert_int_eq(qp_ordered(&n, SEND, true), 0);
	qp_fail(&n, VERBS_WC_LOC_LEN_ERR);
	ck_assert_int_eq(n.order.qp, ORDER_QP_BROKEN);
	/* QEMU has no request of its own that it could be told of. */
	qp_expect(&n, 0, VERBS_WC_LOC_LEN_ERR);
	qp_expect(&n, SEND, VERBS_WC_WR_FLUSH_ERR);
	ck_assert_uint_eq(n.due.count, 0);
}
END_TEST

START_TEST(its_failure_after_another_is_not_told)
{
	struct completion c;

	start();
	ck_assert_int_eq(qp_write(&n, 1, 0, MIB), 0);
	ck_assert(completion_queue_pop(&n.due, &c));
	request_goes();
	qp_fail(&n, VERBS_WC_LOC_LEN_ERR);
	qp_expect(&n, 1, VERBS_WC_LOC_LEN_ERR);
	ck_assert_uint_eq(n.due.count, 0);
}
END_TEST

START_TEST(a_broken_connection_asks_for_nothing)
{
	start();
	order_break(&n.order, &n.due);
	ck_assert(!order_can_request(&n.order));
	start();
	make_request();
	order_break(&n.order, &n.due);
	ck_assert_uint_eq(qp_pump(&n), 0);
	ck_assert(!order_waits_for_room(&n.order));
	/* Nor does anything wait any more. */
	start();
	request_goes();
	ck_assert_int_eq(qp_ordered(&n, SEND, false), 0);
	ck_assert(qp_waits_for_ready(&n));
	order_break(&n.order, &n.due);
	ck_assert(!qp_waits_for_ready(&n));
	ck_assert_uint_eq(qp_pump(&n), 1);
	ck_assert_int_eq(last()->kind, ORDER_MESSAGE);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("order_request");
	TCase *tc = tcase_create("order_request");

	tcase_add_test(tc, it_takes_the_credit_and_gives_it_back);
	tcase_add_test(tc, only_while_the_destination_registers);
	tcase_add_test(tc, only_with_a_credit);
	tcase_add_test(tc, one_at_a_time);
	tcase_add_test(tc, the_next_waits_for_the_ready_after_the_result);
	tcase_add_test(tc, no_next_one_where_none_can_go);
	tcase_add_test(tc, never_beside_a_zero_run_without_its_ready);
	tcase_add_test(tc, after_a_message_that_waits);
	tcase_add_test(tc, a_message_waits_for_its_ready);
	tcase_add_test(tc, writes_and_errors_do_not_wait_for_it);
	tcase_add_loop_test(tc, writes_go_beside_it_as_without_it, 0, 2);
	tcase_add_test(tc, it_overtakes_queued_writes);
	tcase_add_test(tc, it_waits_for_room_in_the_send_queue);
	tcase_add_test(tc, its_failure_is_told_once);
	tcase_add_test(tc, its_failure_after_another_is_not_told);
	tcase_add_test(tc, a_broken_connection_asks_for_nothing);
	suite_add_tcase(suite, tc);
	return unit_run(suite);
}
