/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "core/conn.h"

#include <errno.h>
#include <string.h>

#include "bench.h"
#include "core/verbs_values.h"

/*
 * Zero runs and early-completed writes through a connection: what QEMU sees of
 * them on its two CQs, and what is on the wire. What waits for what is
 * test_order_messages.c's.
 */

#define LOCAL  BENCH_LOCAL
#define LENGTH BENCH_LENGTH

static struct bench b;

/* One block at destination ram_addr_t 0; one credit; RECVs of the tests' own. */
static void start(unsigned int mode)
{
	bench_start(&b, CONN_SOURCE, mode, 30);
	bench_learn(&b, LENGTH, MIB, LOCAL);
}

/* QEMU sends COMPRESS, with a RECV for the READY. */
static enum bench_sent zero(uint64_t at, uint64_t length)
{
	struct message m;

	message_compress(&m, 0, at, length);
	bench_post_recv(&b, 0);
	return bench_send(&b, &m);
}

/* It is answered, and what it costs is on nobody's account yet. */
static void keep(uint64_t at, uint64_t length)
{
	ck_assert_int_eq(zero(at, length), BENCH_NOTHING);
	bench_expect(&b, CONN_SEND_CQ, WRID_SEND, VERBS_WC_SUCCESS);
	bench_expect(&b, CONN_RECV_CQ, WRID_RECV, VERBS_WC_SUCCESS);
	ck_assert_uint_eq(message_get32(b.memory[0], 4), WIRE_READY);
}

static void check_wire_is_zero(uint64_t at, uint64_t length)
{
	struct message m;

	message_compress(&m, 0, at, length);
	ck_assert_uint_eq(b.wire.len, m.len);
	ck_assert_mem_eq(b.wire.data, m.data, m.len);
}

START_TEST(zero_runs_are_answered_and_merged)
{
	struct message file;

	start((unsigned int)_i | BENCH_ZEROS);
	for (uint64_t i = 0; i < 128; i++)
		keep(i * MIB, MIB);
	ck_assert_uint_eq(b.outgoing_count, 0);
	/* The next message of another kind: the run, its READY, the message. */
	message_begin(&file, WIRE_QEMU_FILE, 1);
	bench_post_recv(&b, 0);
	ck_assert_int_eq(bench_send(&b, &file), BENCH_WAITS);
	ck_assert_uint_eq(b.outgoing_count, 1);
	check_wire_is_zero(0, LENGTH);
	ck_assert(bench_complete_send(&b));
	bench_expect_nothing(&b, CONN_SEND_CQ);
	bench_incoming_ready(&b);
	ck_assert(bench_complete_recv(&b));
	bench_expect_nothing(&b, CONN_RECV_CQ);
	ck_assert_uint_eq(b.outgoing_count, 2);
	ck_assert_mem_eq(b.wire.data, file.data, file.len);
	/* The buffer of the READY that QEMU never saw is the NIC's again. */
	ck_assert_uint_eq(b.qp->rq_count, RECV_QUEUE_BUFFERS);
	ck_assert(bench_complete_send(&b));
	bench_expect(&b, CONN_SEND_CQ, WRID_SEND, VERBS_WC_SUCCESS);
	bench_incoming_ready(&b);
	ck_assert(bench_complete_recv(&b));
	bench_expect(&b, CONN_RECV_CQ, WRID_RECV, VERBS_WC_SUCCESS);
	ck_assert_uint_eq(bench_figures(&b).messages.zeros_seen, 128);
	ck_assert_uint_eq(bench_figures(&b).messages.sent[WIRE_COMPRESS], 1);
	ck_assert_uint_eq(bench_figures(&b).messages.received[WIRE_READY], 5);
	bench_end(&b);
}
END_TEST

/* RDMACHUNK_ZEROS=off: message for message, as without us. */
START_TEST(switched_off_each_is_sent)
{
	start((unsigned int)_i & ~BENCH_ZEROS);
	for (uint64_t i = 0; i < 10; i++) {
		ck_assert_int_eq(zero(i * MIB, MIB), BENCH_SENT);
		check_wire_is_zero(i * MIB, MIB);
		bench_expect_nothing(&b, CONN_SEND_CQ);
		ck_assert(bench_complete_send(&b));
		bench_expect(&b, CONN_SEND_CQ, WRID_SEND, VERBS_WC_SUCCESS);
		bench_expect_nothing(&b, CONN_RECV_CQ);
		bench_incoming_ready(&b);
		ck_assert(bench_complete_recv(&b));
		bench_expect(&b, CONN_RECV_CQ, WRID_RECV, VERBS_WC_SUCCESS);
	}
	ck_assert_uint_eq(bench_figures(&b).messages.zeros_seen, 10);
	ck_assert_uint_eq(bench_figures(&b).messages.sent[WIRE_COMPRESS], 10);
	ck_assert_uint_eq(bench_figures(&b).order.zeros_kept, 0);
	bench_end(&b);
}
END_TEST

/* Not a run of zeros that we know to be guest memory: the destination judges. */
static const struct {
	const char *what;
	uint32_t block;
	uint64_t addr, length;
} strange[] = {
	{"no such block", 1, 0, 4096},
	{"no block at all", UINT32_MAX, 0, 4096},
	{"behind the block", 0, LENGTH, 4096},
	{"over its end", 0, LENGTH - 4096, 4097},
	{"over the end of all addresses", 0, 4096, UINT64_MAX},
	{"before the block", 0, UINT64_MAX - 4095, 4096},
	{"nothing", 0, 4096, 0},
};
#define STRANGE ((int)(sizeof(strange) / sizeof(strange[0])))

START_TEST(a_strange_run_is_sent_as_it_is)
{
	struct message m;

	start(BENCH_ZEROS);
	message_compress(&m, strange[_i].block, strange[_i].addr, strange[_i].length);
	bench_post_recv(&b, 0);
	ck_assert_msg(bench_send(&b, &m) == BENCH_SENT, "%s", strange[_i].what);
	ck_assert_uint_eq(b.wire.len, m.len);
	ck_assert_mem_eq(b.wire.data, m.data, m.len);
	ck_assert_uint_eq(bench_figures(&b).messages.zeros_seen, 1);
	ck_assert_uint_eq(bench_figures(&b).messages.sent[WIRE_COMPRESS], 1);
	bench_end(&b);
}
END_TEST

START_TEST(a_message_with_several_commands_is_sent_as_it_is)
{
	struct message m;

	start(BENCH_ZEROS);
	message_compress(&m, 0, 0, 4096);
	m.data[11] = 2;
	bench_post_recv(&b, 0);
	ck_assert_int_eq(bench_send(&b, &m), BENCH_SENT);
	bench_end(&b);
}
END_TEST

/* Without a RECV for the READY it cannot be answered here. */
START_TEST(a_run_that_cannot_be_answered_is_sent)
{
	struct message m;

	start((unsigned int)_i | BENCH_ZEROS);
	keep(0, MIB);
	message_compress(&m, 0, MIB, MIB);
	ck_assert_int_eq(bench_send(&b, &m), BENCH_WAITS);
	check_wire_is_zero(0, MIB);
	bench_incoming_ready(&b);
	ck_assert(bench_complete_recv(&b));
	check_wire_is_zero(MIB, MIB);
	ck_assert_uint_eq(bench_figures(&b).messages.sent[WIRE_COMPRESS], 2);
	bench_end(&b);
}
END_TEST

/* A request for a chunk is answered while runs are kept: it uses no credit. */
START_TEST(a_request_is_answered_while_a_run_is_kept)
{
	struct message m;

	start(BENCH_ZEROS);
	keep(0, MIB);
	message_register(&m, WIRE_REGISTER_REQUEST, 0, 0, 0);
	bench_post_answer_recvs(&b);
	ck_assert_int_eq(bench_send(&b, &m), BENCH_NOTHING);
	bench_expect(&b, CONN_RECV_CQ, WRID_RECV + 1, VERBS_WC_SUCCESS);
	bench_expect(&b, CONN_RECV_CQ, WRID_RECV, VERBS_WC_SUCCESS);
	ck_assert_uint_eq(b.outgoing_count, 0);
	bench_end(&b);
}
END_TEST

/*
 * Hazard 3: QEMU goes to sleep on the send CQ while its write or its message
 * waits for a READY on the other: somebody must listen there.
 */
START_TEST(who_listens_for_the_ready)
{
	struct message m;
	bool one_cq = _i & BENCH_ONE_CQ;

	start((unsigned int)_i | BENCH_ZEROS);
	ck_assert(!bench_arm(&b, CONN_SEND_CQ));
	keep(0, MIB);
	/* QEMU waits for nothing of this. */
	ck_assert(!bench_arm(&b, CONN_SEND_CQ));
	message_begin(&m, WIRE_QEMU_FILE, 1);
	bench_post_recv(&b, 0);
	ck_assert_int_eq(bench_send(&b, &m), BENCH_WAITS);
	ck_assert(bench_arm(&b, CONN_SEND_CQ) == !one_cq);
	/* On the receive CQ QEMU hears it itself. */
	ck_assert(!bench_arm(&b, CONN_RECV_CQ));
	bench_incoming_ready(&b);
	ck_assert(bench_complete_recv(&b));
	ck_assert(!bench_arm(&b, CONN_SEND_CQ));
	bench_end(&b);
}
END_TEST

START_TEST(a_fenced_write_is_listened_for)
{
	start((unsigned int)_i | BENCH_ZEROS);
	keep(0, MIB);
	ck_assert_int_eq(bench_write_at(&b, WRID_WRITE, LOCAL, BENCH_REMOTE, 4096), 0);
	check_wire_is_zero(0, MIB);
	ck_assert_uint_eq(b.written, 0);
	if (_i & BENCH_WRITES) {
		/* There is something to poll: QEMU will not sleep. */
		ck_assert(!bench_arm(&b, CONN_SEND_CQ));
		bench_expect(&b, CONN_SEND_CQ, WRID_WRITE, VERBS_WC_SUCCESS);
	}
	ck_assert(bench_arm(&b, CONN_SEND_CQ) == !(_i & BENCH_ONE_CQ));
	bench_incoming_ready(&b);
	ck_assert(bench_complete_recv(&b));
	bench_expect_nothing(&b, CONN_RECV_CQ);
	ck_assert_uint_eq(b.written, 4096);
	ck_assert(bench_complete_send(&b));
	ck_assert(bench_complete_send(&b));
	if (!(_i & BENCH_WRITES))
		bench_expect(&b, CONN_SEND_CQ, WRID_WRITE, VERBS_WC_SUCCESS);
	bench_expect_nothing(&b, CONN_SEND_CQ);
	bench_end(&b);
}
END_TEST

START_TEST(arming_posts_what_has_gathered)
{
	start(BENCH_WRITES);
	for (uint64_t i = 0; i < 10; i++) {
		ck_assert_int_eq(bench_write(&b, WRID_WRITE, MIB / 2), 0);
		bench_expect(&b, CONN_SEND_CQ, WRID_WRITE, VERBS_WC_SUCCESS);
	}
	ck_assert_uint_lt(b.written, 10 * MIB / 2);
	ck_assert(!bench_arm(&b, CONN_SEND_CQ));
	ck_assert_uint_eq(b.written, 10 * MIB / 2);
	bench_end(&b);
}
END_TEST

/* 2^N bytes, and no more than the port can send at once. */
START_TEST(merged_writes_end_where_the_port_and_the_region_do)
{
	const uint64_t each = MIB / 8;
	static const struct {
		unsigned int shift;
		uint64_t max_message, longest;
	} cases[] = {
		{30, GIB, 8 * MIB}, {22, GIB, 4 * MIB}, {30, 2 * MIB, 2 * MIB}, {20, MIB, MIB}};
	uint64_t longest = 0;

	bench_init(&b, CONN_SOURCE, BENCH_WRITES, cases[_i].shift);
	b.world.settings.max_message = cases[_i].max_message;
	bench_connect(&b, CONN_SOURCE);
	ck_assert_int_eq(bench_write(&b, 1, 4096), 0);
	ck_assert_int_eq(bench_write(&b, 1, 4096), 0);
	for (uint64_t i = 0; i < 64; i++)
		ck_assert_int_eq(
			bench_write_at(&b, 1, LOCAL + i * each, BENCH_REMOTE + i * each, each), 0);
	ck_assert(bench_complete_send(&b));
	for (unsigned int i = 0; i < bench_in_flight(&b); i++)
		if (bench_at(&b, i)->length > longest)
			longest = bench_at(&b, i)->length;
	ck_assert_uint_eq(longest, cases[_i].longest);
	bench_end(&b);
}
END_TEST

/* A destination's connection completes nothing early and keeps nothing. */
START_TEST(a_destination_merges_nothing)
{
	struct message m;

	bench_start(&b, CONN_DESTINATION, BENCH_WRITES | BENCH_ZEROS, 30);
	ck_assert_int_eq(bench_write(&b, WRID_WRITE, 4096), 0);
	bench_expect_nothing(&b, CONN_SEND_CQ);
	message_compress(&m, 0, 0, 4096);
	ck_assert_int_eq(bench_send(&b, &m), BENCH_SENT);
	bench_expect_nothing(&b, CONN_SEND_CQ);
	bench_end(&b);
}
END_TEST

/* Hazard 16: whatever QEMU waits for ends. */
START_TEST(a_failure_ends_what_waits)
{
	struct message m;

	start((unsigned int)_i | BENCH_ZEROS);
	keep(0, MIB);
	ck_assert_int_eq(bench_write_at(&b, WRID_WRITE, LOCAL, BENCH_REMOTE, 4096), 0);
	if (_i & BENCH_WRITES)
		bench_expect(&b, CONN_SEND_CQ, WRID_WRITE, VERBS_WC_SUCCESS);
	message_begin(&m, WIRE_QEMU_FILE, 1);
	bench_post_recv(&b, 0);
	ck_assert_int_eq(bench_send(&b, &m), BENCH_WAITS);
	conn_fail(b.conn, EPROTO, "a test");
	bench_run(&b);
	if (!(_i & BENCH_WRITES))
		bench_expect(&b, CONN_SEND_CQ, WRID_WRITE, VERBS_WC_WR_FLUSH_ERR);
	bench_expect(&b, CONN_SEND_CQ, WRID_SEND, VERBS_WC_WR_FLUSH_ERR);
	bench_expect(&b, CONN_RECV_CQ, WRID_RECV, VERBS_WC_WR_FLUSH_ERR);
	bench_fail_sends(&b, VERBS_WC_WR_FLUSH_ERR);
	bench_expect_nothing(&b, CONN_SEND_CQ);
	bench_expect_nothing(&b, CONN_RECV_CQ);
	ck_assert_uint_eq(b.written, 0);
	bench_end(&b);
}
END_TEST

/* The QP breaks while the message waits: it goes, and comes back flushed. */
START_TEST(a_broken_qp_ends_what_waits)
{
	struct message m;

	start((unsigned int)_i | BENCH_ZEROS);
	keep(0, MIB);
	message_begin(&m, WIRE_QEMU_FILE, 1);
	bench_post_recv(&b, 0);
	ck_assert_int_eq(bench_send(&b, &m), BENCH_WAITS);
	bench_flush_recv(&b);
	bench_expect(&b, CONN_RECV_CQ, WRID_RECV, VERBS_WC_WR_FLUSH_ERR);
	ck_assert(!bench_arm(&b, CONN_SEND_CQ));
	bench_fail_sends(&b, VERBS_WC_WR_FLUSH_ERR);
	bench_expect(&b, CONN_SEND_CQ, WRID_SEND, VERBS_WC_WR_FLUSH_ERR);
	bench_expect_nothing(&b, CONN_SEND_CQ);
	/* And nothing is kept or answered any more. */
	message_compress(&m, 0, MIB, MIB);
	ck_assert_int_eq(bench_send(&b, &m), BENCH_SENT);
	bench_end(&b);
}
END_TEST

/* QEMU gives up on a message that waits, and says so with an ERROR. */
START_TEST(an_error_takes_the_place_of_a_message_that_waits)
{
	struct message file, error;

	start((unsigned int)_i | BENCH_ZEROS);
	keep(0, MIB);
	message_begin(&file, WIRE_QEMU_FILE, 1);
	bench_post_recv(&b, 0);
	ck_assert_int_eq(bench_send(&b, &file), BENCH_WAITS);
	message_begin(&error, WIRE_ERROR, 1);
	ck_assert_int_eq(bench_send(&b, &error), BENCH_SENT);
	ck_assert_mem_eq(b.wire.data, error.data, error.len);
	ck_assert_uint_eq(b.outgoing_count, 2);
	bench_end(&b);
}
END_TEST

/* QEMU waits for each of its messages; a second would be lost or overwritten. */
START_TEST(a_second_message_while_one_waits_is_refused)
{
	struct message file;
	struct conn_wr wr = {.wr_id = 1, .message = true, .data = file.data};

	start(BENCH_ZEROS);
	keep(0, MIB);
	message_begin(&file, WIRE_QEMU_FILE, 1);
	wr.length = file.len;
	ck_assert_int_eq(bench_send(&b, &file), BENCH_WAITS);
	ck_assert_int_eq(bench_post(&b, &wr), -EIO);
	ck_assert_uint_eq(b.outgoing_count, 1);
	bench_end(&b);
}
END_TEST

/*
 * The poster has a WRITE, and the NIC does not take it. QEMU has sent zeros for the same
 * bytes meanwhile: they go behind it all the same.
 */
START_TEST(zeros_do_not_pass_a_write_that_comes_back)
{
	struct conn_result full = {.error = ENOMEM}, ok = {0};
	struct conn_action a;
	struct message m;
	struct completion wc;
	uint64_t before;

	bench_start_source(&b, BENCH_WRITES | BENCH_ZEROS, 30);
	/* Something on the wire will complete. */
	ck_assert_int_eq(
		bench_write_at(&b, WRID_WRITE, BENCH_LOCAL, BENCH_REMOTE + 100 * MIB, 4096), 0);
	b.driver->poster = true;
	ck_assert_int_eq(
		bench_write_at(&b, WRID_WRITE, BENCH_LOCAL + 4096, BENCH_REMOTE + 4096, 4096), 0);
	while (bench_poll(&b, CONN_SEND_CQ, &wc))
		;
	ck_assert(conn_next(b.conn, CONN_KIND(CONN_POST_WRITES), &a));
	message_compress(&m, 0, 4096, 4096);
	bench_send(&b, &m);
	conn_done(b.conn, &a, &full);
	bench_run(&b);
	before = b.qp->posted;
	bench_complete_send(&b);
	bench_arm(&b, CONN_SEND_CQ);
	ck_assert(conn_next(b.conn, CONN_KIND(CONN_POST_WRITES), &a));
	driver_perform(b.driver, &a, &ok);
	conn_done(b.conn, &a, &ok);
	ck_assert_uint_eq(b.qp->posted, before + 1);
	ck_assert(!b.qp->sq[before % NIC_SEND_QUEUE].message);
	bench_run(&b);
	bench_end(&b);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("conn_merging");
	TCase *tc = tcase_create("conn_merging");

	tcase_add_test(tc, zeros_do_not_pass_a_write_that_comes_back);
	tcase_add_loop_test(tc, zero_runs_are_answered_and_merged, 0, BENCH_ZEROS);
	tcase_add_loop_test(tc, switched_off_each_is_sent, 0, BENCH_ZEROS);
	tcase_add_loop_test(tc, a_strange_run_is_sent_as_it_is, 0, STRANGE);
	tcase_add_test(tc, a_message_with_several_commands_is_sent_as_it_is);
	tcase_add_loop_test(tc, a_run_that_cannot_be_answered_is_sent, 0, BENCH_ZEROS);
	tcase_add_test(tc, a_request_is_answered_while_a_run_is_kept);
	tcase_add_loop_test(tc, who_listens_for_the_ready, 0, BENCH_ZEROS);
	tcase_add_loop_test(tc, a_fenced_write_is_listened_for, 0, BENCH_ZEROS);
	tcase_add_test(tc, arming_posts_what_has_gathered);
	tcase_add_loop_test(tc, merged_writes_end_where_the_port_and_the_region_do, 0, 4);
	tcase_add_test(tc, a_destination_merges_nothing);
	tcase_add_loop_test(tc, a_failure_ends_what_waits, 0, BENCH_ZEROS);
	tcase_add_loop_test(tc, a_broken_qp_ends_what_waits, 0, BENCH_ZEROS);
	tcase_add_loop_test(tc, an_error_takes_the_place_of_a_message_that_waits, 0, BENCH_ZEROS);
	tcase_add_test(tc, a_second_message_while_one_waits_is_refused);
	suite_add_tcase(suite, tc);
	return unit_run(suite);
}
