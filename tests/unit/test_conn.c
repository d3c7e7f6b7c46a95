/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "core/conn.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "bench.h"
#include "core/verbs_values.h"

#define LOCAL BENCH_LOCAL

static struct bench b;

static uint32_t rkey; /* of what start_source() has had registered */

/* A REGISTER_REQUEST that is widened, when chunk 0 is all that is registered. */
static void request(struct message *m, uint64_t chunk)
{
	message_register(m, WIRE_REGISTER_REQUEST, chunk * MIB, 0, 0);
}

/* Chunk 0 alone and [1M, 128M) are registered; no RECV is posted. */
static void start_without_recvs(unsigned int mode)
{
	struct message m, answer;

	bench_start_source(&b, mode, 30);
	request(&m, 1);
	ck_assert_int_eq(bench_send(&b, &m), BENCH_REPLACED);
	ck_assert(bench_complete_send(&b));
	rkey = bench_rkey(&b);
	message_result(&answer, rkey, BENCH_REMOTE);
	bench_incoming(&b, &answer);
	ck_assert(bench_complete_recv(&b));
	bench_expect(&b, CONN_SEND_CQ, WRID_SEND, VERBS_WC_SUCCESS);
	bench_expect(&b, CONN_RECV_CQ, WRID_RECV + 1, VERBS_WC_SUCCESS);
	bench_pass_ready(&b);
	bench_register(&b, LOCAL + MIB, MIB);
}

/* RECVs for an answer are posted. */
static void start_source(unsigned int mode)
{
	start_without_recvs(mode);
	bench_post_answer_recvs(&b);
}

/* What QEMU may see of a connection in a state in which it is not ours. */
static void check_refuses(enum conn_state state)
{
	struct conn_registration want = {.addr = LOCAL, .length = MIB};
	struct conn_wr wr = {.wr_id = 7, .message = false, .length = 1};
	struct conn_action action;
	struct mr *mr;

	ck_assert_int_eq(conn_state(b.conn), state);
	ck_assert_int_eq(conn_post_send(b.conn, &wr), -EINVAL);
	conn_arm(b.conn, CONN_SEND_CQ);
	ck_assert(!conn_next(b.conn, CONN_ALL_KINDS, &action));
	ck_assert(!conn_has(b.conn, CONN_ALL_KINDS));
	ck_assert_int_eq(conn_register(b.conn, &want, &mr), 0);
	ck_assert_ptr_null(mr);
	ck_assert_uint_eq(bench_figures(&b).order.writes, 0);
}

START_TEST(a_candidate_keeps_receives_for_whoever_gets_them)
{
	bench_init(&b, CONN_NO_ROLE, (unsigned int)_i, 30);
	bench_post_recv(&b, 2);
	bench_post_recv(&b, 0);
	check_refuses(CONN_CANDIDATE);
	ck_assert_uint_eq(b.qp->rq_count, 0);
	conn_pass_through(b.conn);
	bench_run(&b);
	ck_assert_uint_eq(b.qp->rq_count, 2);
	ck_assert_uint_eq(b.qp->rq[0].wr_id, WRID_RECV + 2);
	ck_assert_uint_eq(b.qp->rq[1].wr_id, WRID_RECV);
	ck_assert_ptr_eq(b.qp->rq[1].data, b.memory[0]);
	check_refuses(CONN_PASSTHROUGH);
	bench_end(&b);
}
END_TEST

START_TEST(a_candidate_that_posts_without_end_is_refused)
{
	struct recv_request r = {.wr_id = 1};

	bench_init(&b, CONN_NO_ROLE, 0, 30);
	for (int i = 0; i < RECV_QUEUE_DEPTH; i++)
		ck_assert_int_eq(conn_post_recv(b.conn, &r), 0);
	ck_assert_int_eq(conn_post_recv(b.conn, &r), -ENOMEM);
	bench_end(&b);
}
END_TEST

START_TEST(states_and_roles_have_names)
{
	ck_assert_str_eq(conn_state_name(CONN_CANDIDATE), "candidate");
	ck_assert_str_eq(conn_state_name(CONN_PASSTHROUGH), "passthrough");
	ck_assert_str_eq(conn_state_name(CONN_ACTIVE), "active");
	ck_assert_str_eq(conn_state_name(CONN_FAILED), "failed");
	ck_assert_str_eq(conn_role_name(CONN_NO_ROLE), "none");
	ck_assert_str_eq(conn_role_name(CONN_SOURCE), "source");
	ck_assert_str_eq(conn_role_name(CONN_DESTINATION), "destination");
}
END_TEST

/* Hazard 2: the answer costs no credit, and is complete when post_send returns. */
START_TEST(an_absorbed_request_is_complete_at_once)
{
	struct message m;

	start_source((unsigned int)_i);
	request(&m, 77);
	ck_assert_int_eq(bench_send(&b, &m), BENCH_NOTHING);
	ck_assert_uint_eq(bench_in_flight(&b), 0);
	bench_expect(&b, CONN_SEND_CQ, WRID_SEND, VERBS_WC_SUCCESS);
	bench_expect(&b, CONN_RECV_CQ, WRID_RECV + 1, VERBS_WC_SUCCESS);
	bench_expect(&b, CONN_RECV_CQ, WRID_RECV, VERBS_WC_SUCCESS);
	bench_expect_nothing(&b, CONN_SEND_CQ);
	bench_expect_nothing(&b, CONN_RECV_CQ);
	message_result(&m, rkey, BENCH_REMOTE);
	ck_assert_mem_eq(b.memory[1], m.data, m.len);
	message_begin(&m, WIRE_READY, 1);
	ck_assert_mem_eq(b.memory[0], m.data, m.len);

	bench_post_recv(&b, 0);
	message_begin(&m, WIRE_QEMU_FILE, 1);
	ck_assert_int_eq(bench_send(&b, &m), BENCH_SENT);
	ck_assert(bench_complete_send(&b));
	bench_expect(&b, CONN_SEND_CQ, WRID_SEND, VERBS_WC_SUCCESS);
	/* Its READY is what the next message stands on, answered or sent. */
	bench_incoming_ready(&b);
	ck_assert(bench_complete_recv(&b));
	bench_expect(&b, CONN_RECV_CQ, WRID_RECV, VERBS_WC_SUCCESS);
	bench_post_answer_recvs(&b);
	request(&m, 78);
	ck_assert_int_eq(bench_send(&b, &m), BENCH_NOTHING);
	ck_assert_uint_eq(bench_figures(&b).messages.requests_seen, 4);
	ck_assert_uint_eq(bench_figures(&b).messages.requests_sent, 2);
	ck_assert_uint_eq(bench_figures(&b).messages.requests_widened, 1);
	ck_assert_uint_eq(bench_figures(&b).messages.requests_answered, 2);
	ck_assert_uint_eq(bench_figures(&b).messages.sent[WIRE_REGISTER_REQUEST], 2);
	ck_assert_uint_eq(bench_figures(&b).messages.sent[WIRE_QEMU_FILE], 1);
	ck_assert_uint_eq(bench_figures(&b).messages.received[WIRE_REGISTER_RESULT], 2);
	ck_assert_uint_eq(bench_figures(&b).messages.received[WIRE_RAM_BLOCKS_RESULT], 1);
	bench_end(&b);
}
END_TEST

START_TEST(nothing_is_answered_without_two_receives)
{
	struct message m;

	start_without_recvs((unsigned int)_i);
	bench_post_recv(&b, 0);
	request(&m, 77);
	ck_assert_int_eq(bench_send(&b, &m), BENCH_SENT);
	ck_assert_uint_eq(b.wire.len, m.len);
	ck_assert_mem_eq(b.wire.data, m.data, m.len);
	bench_end(&b);
}
END_TEST

START_TEST(a_widened_request_goes_out_in_its_place)
{
	struct message m;

	bench_start_source(&b, (unsigned int)_i, 26);
	request(&m, 70);
	ck_assert_int_eq(bench_send(&b, &m), BENCH_REPLACED);
	ck_assert_uint_eq(b.wire.len, 40);
	ck_assert_uint_eq(message_get64(b.wire.data, 16), 70 * MIB);
	ck_assert_uint_eq(message_get64(b.wire.data, 32), 57);
	bench_expect_nothing(&b, CONN_SEND_CQ);
	ck_assert(bench_complete_send(&b));
	bench_expect(&b, CONN_SEND_CQ, WRID_SEND, VERBS_WC_SUCCESS);
	bench_expect_nothing(&b, CONN_RECV_CQ);
	bench_end(&b);
}
END_TEST

START_TEST(an_unregister_of_a_part_is_answered)
{
	struct message m;

	start_source((unsigned int)_i);
	message_register(&m, WIRE_UNREGISTER_REQUEST, 50, 0, 0);
	ck_assert_int_eq(bench_send(&b, &m), BENCH_NOTHING);
	bench_expect(&b, CONN_SEND_CQ, WRID_SEND, VERBS_WC_SUCCESS);
	bench_expect(&b, CONN_RECV_CQ, WRID_RECV + 1, VERBS_WC_SUCCESS);
	message_begin(&m, WIRE_UNREGISTER_FINISHED, 1);
	ck_assert_mem_eq(b.memory[1], m.data, m.len);
	ck_assert_uint_eq(bench_figures(&b).messages.unregisters_answered, 1);
	ck_assert_uint_eq(bench_figures(&b).messages.requests_answered, 0);
	bench_end(&b);
}
END_TEST

/* What can neither be sent nor answered fails the connection, not the destination. */
START_TEST(an_unregister_that_cannot_be_answered_fails)
{
	struct message m;
	struct conn_wr wr = {.wr_id = WRID_SEND, .message = true, .data = m.data};

	start_without_recvs((unsigned int)_i);
	bench_post_recv(&b, 0);
	message_register(&m, WIRE_UNREGISTER_REQUEST, 50, 0, 0);
	wr.length = m.len;
	ck_assert_int_eq(bench_post(&b, &wr), -EIO);
	ck_assert_int_eq(conn_state(b.conn), CONN_FAILED);
	bench_expect(&b, CONN_RECV_CQ, WRID_RECV, VERBS_WC_WR_FLUSH_ERR);
	bench_end(&b);
}
END_TEST

/* Hazard 17: the answer overtakes the completion of the SEND it answers. */
START_TEST(a_send_comes_before_later_receives)
{
	struct message m, answer;

	bench_start_source(&b, (unsigned int)_i, 30);
	ck_assert_int_eq(bench_write(&b, WRID_WRITE, MIB), 0);
	if (_i & BENCH_WRITES)
		bench_expect(&b, CONN_SEND_CQ, WRID_WRITE, VERBS_WC_SUCCESS);
	request(&m, 5);
	bench_send(&b, &m);
	message_result(&answer, bench_rkey(&b), BENCH_REMOTE);
	bench_incoming(&b, &answer);
	bench_incoming_ready(&b);
	ck_assert(bench_complete_recv(&b));
	if (_i & BENCH_ONE_CQ) {
		bench_expect_nothing(&b, CONN_RECV_CQ);
		/* A write's completion sets nothing free: the SEND is still out. */
		ck_assert(bench_complete_send(&b));
		if (!(_i & BENCH_WRITES))
			bench_expect(&b, CONN_SEND_CQ, WRID_WRITE, VERBS_WC_SUCCESS);
		ck_assert(bench_complete_recv(&b));
		bench_expect_nothing(&b, CONN_RECV_CQ);
		ck_assert(bench_complete_send(&b));
		bench_expect(&b, CONN_SEND_CQ, WRID_SEND, VERBS_WC_SUCCESS);
		bench_expect(&b, CONN_RECV_CQ, WRID_RECV + 1, VERBS_WC_SUCCESS);
	} else {
		bench_expect(&b, CONN_RECV_CQ, WRID_RECV + 1, VERBS_WC_SUCCESS);
		ck_assert(bench_complete_recv(&b));
		ck_assert(bench_complete_send(&b));
		ck_assert(bench_complete_send(&b));
	}
	bench_expect(&b, CONN_RECV_CQ, WRID_RECV, VERBS_WC_SUCCESS);
	bench_end(&b);
}
END_TEST

/* A full send queue is QEMU's to wait out; until then nothing has happened. Messages
 * have room of their own. */
START_TEST(a_full_send_queue_refuses)
{
	struct conn_wr wr = {.wr_id = 1, .length = 4096};
	unsigned int writes = 0;
	struct message m;

	start_source(0);
	while (bench_in_flight(&b) < ORDER_SEND_QUEUE && !bench_post(&b, &wr))
		writes++;
	ck_assert_uint_ge(writes, ORDER_SEND_QUEUE - 16);
	ck_assert_uint_lt(writes, ORDER_SEND_QUEUE);
	ck_assert_uint_eq(bench_in_flight(&b), writes);
	ck_assert_int_eq(bench_post(&b, &wr), -ENOMEM);
	ck_assert_uint_eq(bench_figures(&b).order.writes, writes);
	ck_assert_uint_eq(bench_in_flight(&b), writes);
	request(&m, 500);
	ck_assert_int_eq(bench_send(&b, &m), BENCH_SENT);
	ck_assert_int_eq(conn_state(b.conn), CONN_ACTIVE);
	ck_assert(bench_complete_send(&b));
	bench_expect(&b, CONN_SEND_CQ, 1, VERBS_WC_SUCCESS);
	ck_assert(bench_complete_send(&b));
	ck_assert_int_eq(bench_post(&b, &wr), 0);
	ck_assert_uint_eq(bench_figures(&b).order.writes, writes + 1);
	bench_end(&b);
}
END_TEST

/* One widened request after the other, each in the slot of the one before. */
START_TEST(the_slot_of_a_widened_request_comes_back)
{
	struct message m, answer;

	bench_start_source(&b, (unsigned int)_i, 21);
	for (uint64_t i = 0; i < 3 * SEND_SLOTS; i++) {
		request(&m, 10 + 2 * i);
		ck_assert_int_eq(bench_send(&b, &m), BENCH_REPLACED);
		ck_assert_uint_eq(message_get64(b.wire.data, 16), (10 + 2 * i) * MIB);
		ck_assert(bench_complete_send(&b));
		bench_expect(&b, CONN_SEND_CQ, WRID_SEND, VERBS_WC_SUCCESS);
		message_result(&answer, bench_rkey(&b), BENCH_REMOTE);
		bench_incoming(&b, &answer);
		bench_incoming_ready(&b);
		ck_assert(bench_complete_recv(&b));
		ck_assert(bench_complete_recv(&b));
		bench_expect(&b, CONN_RECV_CQ, WRID_RECV + 1, VERBS_WC_SUCCESS);
		bench_expect(&b, CONN_RECV_CQ, WRID_RECV, VERBS_WC_SUCCESS);
		bench_post_answer_recvs(&b);
	}
	bench_end(&b);
}
END_TEST

/* What the NIC has no room for waits until something has completed, nothing lost, nothing
 * twice. */
START_TEST(what_the_real_queue_refuses_is_offered_again)
{
	struct conn_figures before;
	struct message m;

	start_source(0);
	ck_assert_int_eq(bench_write(&b, 9, 4096), 0);
	before = bench_figures(&b);
	b.world.settings.busy_percent = 100;
	for (uint64_t i = 1; i <= 3; i++)
		ck_assert_int_eq(bench_write_at(&b, i, i * MIB, i * MIB, 4096), 0);
	message_begin(&m, WIRE_QEMU_FILE, 1);
	ck_assert_int_eq(bench_send(&b, &m), BENCH_WAITS);
	b.world.settings.busy_percent = 0;
	bench_run(&b);
	ck_assert_uint_eq(bench_in_flight(&b), 1);
	ck_assert_uint_eq(bench_figures(&b).order.wrs, before.order.wrs);
	ck_assert_uint_eq(bench_figures(&b).order.doorbells, before.order.doorbells);
	ck_assert(bench_complete_send(&b));
	bench_expect(&b, CONN_SEND_CQ, 9, VERBS_WC_SUCCESS);
	ck_assert_uint_eq(bench_in_flight(&b), 4);
	for (unsigned int i = 0; i < 3; i++)
		ck_assert_uint_eq(bench_at(&b, i)->addr, (i + 1) * MIB);
	ck_assert_uint_eq(bench_at(&b, 3)->addr, (uintptr_t)m.data);
	for (uint64_t i = 1; i <= 3; i++) {
		ck_assert(bench_complete_send(&b));
		bench_expect(&b, CONN_SEND_CQ, i, VERBS_WC_SUCCESS);
	}
	ck_assert_uint_eq(bench_figures(&b).order.wrs, before.order.wrs + 4);
	bench_end(&b);
}
END_TEST

/* With nothing on the wire nobody would ever say that there is room again. QEMU would take
 * ENOMEM for a reason to wait. */
START_TEST(a_queue_that_never_drains_fails_the_connection)
{
	struct conn_wr wr = {.wr_id = 1, .length = 4096};
	struct conn_action action;
	struct conn_result full = {.error = ENOMEM};

	start_source((unsigned int)_i);
	ck_assert_int_eq(conn_post_send(b.conn, &wr), 0);
	ck_assert(conn_next(b.conn, CONN_ALL_KINDS, &action));
	ck_assert_int_eq(action.kind, CONN_POST_WRITES);
	ck_assert_uint_eq(action.post.count, 1);
	conn_done(b.conn, &action, &full);
	ck_assert_int_eq(conn_state(b.conn), CONN_FAILED);
	ck_assert_int_eq(conn_post_send(b.conn, &wr), -EIO);
	ck_assert(conn_next(b.conn, CONN_ALL_KINDS, &action));
	ck_assert_int_eq(action.kind, CONN_ABORT);
	ck_assert_int_eq(action.abort.error, ENOMEM);
	ck_assert(action.abort.wr.signaled && !action.abort.wr.length);
	ck_assert(!conn_next(b.conn, CONN_ALL_KINDS, &action));
	bench_end(&b);
}
END_TEST

START_TEST(a_failure_flushes_every_receive)
{
	struct conn_registration want = {.addr = LOCAL, .length = MIB};
	struct completion told;
	struct mr *mr;

	start_source((unsigned int)_i);
	ck_assert_int_eq(bench_write(&b, 5, 1), 0);
	if (_i & BENCH_WRITES)
		bench_expect(&b, CONN_SEND_CQ, 5, VERBS_WC_SUCCESS);
	conn_fail(b.conn, EPROTO, "a test");
	bench_run(&b);
	ck_assert(b.qp->error);
	bench_expect(&b, CONN_RECV_CQ, WRID_RECV + 1, VERBS_WC_WR_FLUSH_ERR);
	bench_expect(&b, CONN_RECV_CQ, WRID_RECV, VERBS_WC_WR_FLUSH_ERR);
	bench_expect_nothing(&b, CONN_RECV_CQ);
	bench_post_recv(&b, 2);
	bench_expect(&b, CONN_RECV_CQ, WRID_RECV + 2, VERBS_WC_WR_FLUSH_ERR);
	ck_assert_int_eq(bench_write(&b, 9, 1), -EPROTO);
	ck_assert_int_eq(conn_register(b.conn, &want, &mr), 0);
	ck_assert_ptr_null(mr);
	/* What is on the wire still completes, with QEMU's wr_id, unless it had; and what
	 * QEMU is woken by, with none. */
	ck_assert_uint_eq(bench_in_flight(&b), 2);
	bench_fail_sends(&b, VERBS_WC_WR_FLUSH_ERR);
	if (!(_i & BENCH_WRITES))
		bench_expect(&b, CONN_SEND_CQ, 5, VERBS_WC_WR_FLUSH_ERR);
	conn_fail(b.conn, EIO, "another");
	bench_run(&b);
	ck_assert_int_eq(conn_error(b.conn), -EPROTO);
	bench_expect_nothing(&b, CONN_SEND_CQ);
	bench_expect_nothing(&b, CONN_RECV_CQ);
	/* QEMU may have forgotten: it is not let sleep. */
	for (int cq = CONN_SEND_CQ; cq < CONN_CQS; cq++) {
		ck_assert(!bench_arm(&b, (enum conn_cq)cq));
		ck_assert(!bench_arm(&b, (enum conn_cq)cq));
		ck_assert(bench_poll(&b, (enum conn_cq)cq, &told));
		ck_assert(!told.wr_id && told.status == VERBS_WC_WR_FLUSH_ERR);
		bench_expect_nothing(&b, (enum conn_cq)cq);
	}
	bench_end(&b);
}
END_TEST

START_TEST(an_error_on_the_receive_queue_reaches_every_receive)
{
	struct completion wc = {.status = VERBS_WC_WR_FLUSH_ERR, .vendor_err = 77};
	struct completion c;

	start_source((unsigned int)_i);
	wc.opcode = VERBS_WC_RECV;
	for (unsigned int i = 0; i < 2; i++) {
		wc.wr_id = b.qp->rq[i].wr_id;
		conn_completed(b.conn, &wc);
	}
	bench_run(&b);
	ck_assert(bench_poll(&b, CONN_RECV_CQ, &c));
	ck_assert_uint_eq(c.wr_id, WRID_RECV + 1);
	ck_assert_uint_eq(c.status, VERBS_WC_WR_FLUSH_ERR);
	ck_assert_uint_eq(c.vendor_err, 77);
	bench_expect(&b, CONN_RECV_CQ, WRID_RECV, VERBS_WC_WR_FLUSH_ERR);
	ck_assert_uint_eq(b.qp->rq_count, RECV_QUEUE_BUFFERS);
	bench_end(&b);
}
END_TEST

START_TEST(a_completion_of_nothing_fails_the_connection)
{
	struct completion wc = {.opcode = VERBS_WC_SEND};

	start_source((unsigned int)_i);
	wc.wr_id = b.qp->sq[0].wr_id + 12345;
	conn_completed(b.conn, &wc);
	ck_assert_int_eq(conn_state(b.conn), CONN_FAILED);
	bench_end(&b);
}
END_TEST

/* QEMU has to poll at times: it is asked to before its completions do not fit. */
START_TEST(writes_without_a_poll_are_refused_in_time)
{
	struct conn_wr wr = {.wr_id = 1, .length = 1};
	unsigned int writes = 0;
	struct completion c;
	int ret;

	start_source((unsigned int)_i);
	while (!(ret = bench_post(&b, &wr)) && writes <= COMPLETION_QUEUE_ROOM) {
		writes++;
		expect(bench_complete_send(&b), "completed", writes);
	}
	ck_assert_int_eq(ret, -ENOMEM);
	ck_assert_int_eq(conn_state(b.conn), CONN_ACTIVE);
	ck_assert_uint_eq(bench_figures(&b).order.writes, writes);
	for (unsigned int i = 0; i < writes; i++)
		expect(bench_poll(&b, CONN_SEND_CQ, &c) && c.wr_id == 1, "one for each", i);
	bench_expect_nothing(&b, CONN_SEND_CQ);
	ck_assert_int_eq(bench_post(&b, &wr), 0);
	bench_end(&b);
}
END_TEST

/* With all that goes with it: QEMU, which waits for its SEND, learns of that. */
START_TEST(a_receive_that_does_not_fit_flushes_what_waits)
{
	struct message m;

	/* On one CQ it would be kept back until the SEND has completed. */
	start_source((unsigned int)_i * 2);
	ck_assert_int_eq(bench_write(&b, WRID_WRITE, 4096), 0);
	if (_i * 2 & BENCH_WRITES)
		bench_expect(&b, CONN_SEND_CQ, WRID_WRITE, VERBS_WC_SUCCESS);
	/* The NIC has no room, so that the SEND stays here. */
	b.world.settings.busy_percent = 100;
	message_begin(&m, WIRE_QEMU_FILE, 1);
	ck_assert_int_eq(bench_send(&b, &m), BENCH_WAITS);
	for (unsigned int i = 0; i <= COMPLETION_QUEUE_ROOM; i++) {
		expect(conn_state(b.conn) == CONN_ACTIVE, "active", i);
		if (i >= 2)
			bench_post_recv(&b, 0);
		bench_incoming_ready(&b);
		expect(bench_complete_recv(&b), "received", i);
	}
	ck_assert_int_eq(conn_state(b.conn), CONN_FAILED);
	bench_expect(&b, CONN_SEND_CQ, WRID_SEND, VERBS_WC_WR_FLUSH_ERR);
	bench_expect_nothing(&b, CONN_SEND_CQ);
	ck_assert_uint_eq(conn_count_due(b.conn, CONN_RECV_CQ), COMPLETION_QUEUE_ROOM);
	bench_end(&b);
}
END_TEST

/* What QEMU does not poll for leaves no room for a local answer. */
START_TEST(nothing_is_answered_into_a_full_queue)
{
	enum bench_sent sent = BENCH_NOTHING;
	unsigned int answers = 0;
	struct message m;

	start_source((unsigned int)_i);
	request(&m, 77);
	while ((sent = bench_send(&b, &m)) == BENCH_NOTHING && answers <= COMPLETION_QUEUE_ROOM) {
		answers++;
		bench_post_answer_recvs(&b);
	}
	ck_assert_int_eq(sent, BENCH_SENT);
	ck_assert_uint_gt(answers, COMPLETION_QUEUE_ROOM / 4);
	ck_assert_int_eq(conn_state(b.conn), CONN_ACTIVE);
	bench_end(&b);
}
END_TEST

/* A malformed or unknown message is posted as it is, and counted nowhere. */
START_TEST(strange_messages_pass)
{
	struct conn_wr wr = {.wr_id = WRID_SEND, .message = true};
	struct message m;

	for (int role = CONN_SOURCE; role <= CONN_DESTINATION; role++) {
		bench_start(&b, role, (unsigned int)_i, 30);
		b.qp->readies = 1;
		ck_assert_int_eq(bench_post(&b, &wr), 0);
		ck_assert_uint_eq(b.outgoing_count, 1);
		ck_assert_uint_eq(b.wire.len, 0);
		message_begin(&m, 4711, 1);
		ck_assert_int_eq(bench_send(&b, &m), BENCH_SENT);
		for (int type = 0; type < WIRE_TYPES; type++)
			ck_assert_uint_eq(bench_figures(&b).messages.sent[type], 0);
		bench_end(&b);
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("conn");
	TCase *tc = tcase_create("conn");

	/* In every mode: one CQ, as QEMU had before 7.0, or two; what is merged. */
	tcase_add_loop_test(tc, a_candidate_keeps_receives_for_whoever_gets_them, 0, BENCH_MODES);
	tcase_add_loop_test(tc, an_absorbed_request_is_complete_at_once, 0, BENCH_MODES);
	tcase_add_loop_test(tc, nothing_is_answered_without_two_receives, 0, BENCH_MODES);
	tcase_add_loop_test(tc, a_widened_request_goes_out_in_its_place, 0, BENCH_MODES);
	tcase_add_loop_test(tc, an_unregister_of_a_part_is_answered, 0, BENCH_MODES);
	tcase_add_loop_test(tc, an_unregister_that_cannot_be_answered_fails, 0, BENCH_MODES);
	tcase_add_loop_test(tc, a_send_comes_before_later_receives, 0, BENCH_MODES);
	tcase_add_loop_test(tc, a_failure_flushes_every_receive, 0, BENCH_MODES);
	tcase_add_loop_test(tc, an_error_on_the_receive_queue_reaches_every_receive, 0,
			    BENCH_MODES);
	tcase_add_loop_test(tc, a_completion_of_nothing_fails_the_connection, 0, BENCH_MODES);
	tcase_add_loop_test(tc, writes_without_a_poll_are_refused_in_time, 0, BENCH_MODES);
	tcase_add_loop_test(tc, a_receive_that_does_not_fit_flushes_what_waits, 0, BENCH_MODES / 2);
	tcase_add_loop_test(tc, nothing_is_answered_into_a_full_queue, 0, BENCH_MODES);
	tcase_add_loop_test(tc, strange_messages_pass, 0, BENCH_MODES);
	tcase_add_test(tc, a_candidate_that_posts_without_end_is_refused);
	tcase_add_test(tc, states_and_roles_have_names);
	tcase_add_test(tc, a_full_send_queue_refuses);
	tcase_add_loop_test(tc, the_slot_of_a_widened_request_comes_back, 0, BENCH_MODES);
	tcase_add_test(tc, what_the_real_queue_refuses_is_offered_again);
	tcase_add_loop_test(tc, a_queue_that_never_drains_fails_the_connection, 0, BENCH_MODES);
	suite_add_tcase(suite, tc);
	return unit_run(suite);
}
