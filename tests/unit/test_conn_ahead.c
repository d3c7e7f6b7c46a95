/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "core/conn.h"

#include <string.h>

#include "bench.h"
#include "core/ahead.h"
#include "core/verbs_values.h"

/* Registration ahead of QEMU through a connection: what is on the wire, and what QEMU
 * sees of it, which is its own answers and nothing else. */

#define LOCAL  BENCH_LOCAL
#define LENGTH BENCH_LENGTH
#define FIRST  (UINT64_C(1) << AHEAD_FIRST_SHIFT)
#define RKEY   4711 /* of what was registered ahead */

static struct bench b;

/* Chunk 0 is registered, a credit is there, and RECVs for an answer are posted. */
static void start(unsigned int mode)
{
	bench_start(&b, CONN_SOURCE, mode | BENCH_AHEAD, 30);
	bench_learn(&b, LENGTH, MIB, LOCAL);
}

/* QEMU sends COMPRESS for what is there, and is answered. */
static void zero(uint64_t at, uint64_t length)
{
	struct message m;

	message_begin(&m, WIRE_COMPRESS, 1);
	message_put32(&m, 0);
	message_put32(&m, 0);
	message_put64(&m, at);
	message_put64(&m, length);
	ck_assert_int_eq(bench_send(&b, &m), BENCH_NOTHING);
	bench_expect(&b, CONN_SEND_CQ, WRID_SEND, VERBS_WC_SUCCESS);
	bench_expect(&b, CONN_RECV_CQ, WRID_RECV, VERBS_WC_SUCCESS);
}

static enum bench_sent request(struct message *m, uint64_t at)
{
	message_register(m, WIRE_REGISTER_REQUEST, at, 0, 0);
	return bench_send(&b, m);
}

static void incoming_result(uint32_t rkey)
{
	struct message m;

	message_result(&m, rkey, BENCH_REMOTE);
	bench_incoming(&b, &m);
}

/* QEMU has written chunk 1: [0, 16M) is registered, and a credit is there again. */
static void start_writing(unsigned int mode)
{
	struct range want;
	struct message m;

	start(mode);
	ck_assert_int_eq(request(&m, MIB), BENCH_REPLACED);
	ck_assert(bench_complete_send(&b));
	bench_expect(&b, CONN_SEND_CQ, WRID_SEND, VERBS_WC_SUCCESS);
	incoming_result(101);
	bench_incoming_ready(&b);
	ck_assert(bench_complete_recv(&b));
	bench_expect(&b, CONN_RECV_CQ, WRID_RECV + 1, VERBS_WC_SUCCESS);
	ck_assert(bench_complete_recv(&b));
	bench_expect(&b, CONN_RECV_CQ, WRID_RECV, VERBS_WC_SUCCESS);
	bench_register(&b, LOCAL + MIB, MIB);
	bench_post_answer_recvs(&b);
	b.outgoing_count = 0;
}

static void expect_no_look(void)
{
	struct source_look look = {.position = 4711};

	ck_assert(!conn_look(&b.conn, &look));
	ck_assert_uint_eq(look.position, 4711);
}

/* The first data is `data` bytes from where it is looked for. Nothing is posted yet. */
static void find(uint64_t data)
{
	struct source_look look;

	ck_assert(conn_look(&b.conn, &look));
	ck_assert_uint_eq(look.place.addr, LOCAL);
	look.range.start += data;
	conn_looked(&b.conn, &look, source_find(&look));
}

/* A request for [16M, 32M) is on the wire, of which QEMU sees nothing. */
static void ask(void)
{
	struct message m, expected;

	find(0);
	bench_pump(&b);
	message_register(&expected, WIRE_REGISTER_REQUEST, FIRST, 0, FIRST / MIB - 1);
	ck_assert(bench_outgoing(&b, &m));
	ck_assert_uint_eq(m.len, expected.len);
	ck_assert_mem_eq(m.data, expected.data, m.len);
	bench_expect_nothing(&b, CONN_SEND_CQ);
	bench_expect_nothing(&b, CONN_RECV_CQ);
}

static void expect_result(uint32_t rkey)
{
	bench_expect(&b, CONN_RECV_CQ, WRID_RECV + 1, VERBS_WC_SUCCESS);
	ck_assert_uint_eq(message_get32(b.memory[1], 4), WIRE_REGISTER_RESULT);
	ck_assert_uint_eq(message_get32(b.memory[1], 16), rkey);
	ck_assert_uint_eq(message_get64(b.memory[1], 24), BENCH_REMOTE);
	bench_expect(&b, CONN_RECV_CQ, WRID_RECV, VERBS_WC_SUCCESS);
	ck_assert_uint_eq(message_get32(b.memory[0], 4), WIRE_READY);
}

START_TEST(its_result_and_ready_are_not_shown)
{
	uint64_t readys;
	struct message m;

	start_writing((unsigned int)_i);
	readys = bench_figures(&b).messages.received[WIRE_READY];
	ask();
	ck_assert(bench_complete_send(&b));
	bench_expect_nothing(&b, CONN_SEND_CQ);
	incoming_result(RKEY);
	bench_incoming_ready(&b);
	ck_assert(bench_complete_recv(&b));
	ck_assert(bench_complete_recv(&b));
	bench_expect_nothing(&b, CONN_RECV_CQ);
	ck_assert_uint_eq(b.conn.recvs.count, 2);
	/* The buffers are the NIC's again. */
	ck_assert_uint_eq(b.qp->rq_count, RECV_QUEUE_BUFFERS);
	/* QEMU's own request there is answered with it. */
	ck_assert_int_eq(request(&m, 20 * MIB), BENCH_NOTHING);
	bench_expect(&b, CONN_SEND_CQ, WRID_SEND, VERBS_WC_SUCCESS);
	expect_result(RKEY);
	ck_assert_uint_eq(b.outgoing_count, 0);
	ck_assert_uint_eq(bench_figures(&b).messages.requests_ahead, 1);
	ck_assert_uint_eq(bench_figures(&b).messages.requests_held, 0);
	ck_assert_uint_eq(bench_figures(&b).messages.requests_answered, 1);
	ck_assert_uint_eq(bench_figures(&b).messages.requests_seen, 3);
	ck_assert_uint_eq(bench_figures(&b).messages.requests_sent, 2);
	ck_assert_uint_eq(bench_figures(&b).messages.sent[WIRE_REGISTER_REQUEST], 3);
	ck_assert_uint_eq(bench_figures(&b).messages.received[WIRE_REGISTER_RESULT], 3);
	ck_assert_uint_eq(bench_figures(&b).messages.received[WIRE_READY], readys + 1);
	bench_end(&b);
}
END_TEST

START_TEST(qemus_request_waits_for_ours)
{
	struct range want;
	struct message m;

	start_writing((unsigned int)_i);
	ask();
	ck_assert_int_eq(request(&m, 20 * MIB), BENCH_NOTHING);
	/* It is sent, as far as QEMU knows, but not answered. */
	bench_expect(&b, CONN_SEND_CQ, WRID_SEND, VERBS_WC_SUCCESS);
	bench_expect_nothing(&b, CONN_RECV_CQ);
	ck_assert_uint_eq(bench_figures(&b).messages.requests_held, 1);
	ck_assert_uint_eq(bench_figures(&b).messages.requests_answered, 1);
	ck_assert(!bench_arm(&b, CONN_RECV_CQ));
	incoming_result(RKEY);
	ck_assert(bench_complete_recv(&b));
	expect_result(RKEY);
	/* With the READY that it was promised; the real one is ours. */
	bench_incoming_ready(&b);
	ck_assert(bench_complete_recv(&b));
	bench_expect_nothing(&b, CONN_RECV_CQ);
	ck_assert_uint_eq(b.outgoing_count, 0);
	bench_register(&b, LOCAL + 20 * MIB, MIB);
	ck_assert_uint_eq(want.start, 20 * MIB);
	bench_end(&b);
}
END_TEST

/* Another message of QEMU's goes when the READY of ours has come. */
START_TEST(a_message_goes_after_it)
{
	struct message m;

	start_writing((unsigned int)_i);
	ask();
	ck_assert(bench_complete_send(&b));
	ck_assert_int_eq(request(&m, 100 * MIB), BENCH_WAITS);
	expect_no_look();
	/* Asleep on the send side, QEMU does not see the READY. */
	ck_assert(bench_arm(&b, CONN_SEND_CQ) == !(_i & BENCH_ONE_CQ));
	ck_assert(conn_needs_help(&b.conn, CONN_SEND_CQ) == !(_i & BENCH_ONE_CQ));
	ck_assert(!conn_needs_help(&b.conn, CONN_RECV_CQ));
	incoming_result(RKEY);
	ck_assert(bench_complete_recv(&b));
	ck_assert_uint_eq(b.outgoing_count, 0);
	bench_incoming_ready(&b);
	ck_assert(bench_complete_recv(&b));
	ck_assert_uint_eq(b.outgoing_count, 1);
	ck_assert(!conn_needs_help(&b.conn, CONN_SEND_CQ));
	/* The result and the READY that come now are QEMU's. */
	ck_assert(bench_complete_send(&b));
	bench_expect(&b, CONN_SEND_CQ, WRID_SEND, VERBS_WC_SUCCESS);
	incoming_result(102);
	bench_incoming_ready(&b);
	ck_assert(bench_complete_recv(&b));
	ck_assert(bench_complete_recv(&b));
	expect_result(102);
	bench_end(&b);
}
END_TEST

/* The NIC has no room for our request, and QEMU sleeps where it does not see that it
 * has again. */
START_TEST(somebody_sees_to_the_send_queue)
{
	const bool one_cq = _i & BENCH_ONE_CQ;
	struct message m;

	start_writing((unsigned int)_i);
	b.conn.transmit.in_flight += TRANSMIT_SEND_QUEUE;
	find(0);
	bench_pump(&b);
	ck_assert_uint_eq(b.outgoing_count, 0);
	/* Nobody waits for it: it can wait as well. */
	ck_assert(!conn_needs_help(&b.conn, CONN_RECV_CQ));
	ck_assert_int_eq(request(&m, 20 * MIB), BENCH_NOTHING);
	bench_expect(&b, CONN_SEND_CQ, WRID_SEND, VERBS_WC_SUCCESS);
	ck_assert(bench_arm(&b, CONN_RECV_CQ) == !one_cq);
	ck_assert(conn_needs_help(&b.conn, CONN_RECV_CQ) == !one_cq);
	ck_assert(!conn_needs_help(&b.conn, CONN_SEND_CQ));
	b.conn.transmit.in_flight -= TRANSMIT_SEND_QUEUE;
	bench_pump(&b);
	ck_assert_uint_eq(b.outgoing_count, 1);
	ck_assert(!conn_needs_help(&b.conn, CONN_RECV_CQ));
	incoming_result(RKEY);
	ck_assert(bench_complete_recv(&b));
	expect_result(RKEY);
	bench_end(&b);
}
END_TEST

START_TEST(a_failed_connection_needs_no_help)
{
	struct message m;

	start_writing(0);
	ask();
	ck_assert_int_eq(request(&m, 100 * MIB), BENCH_WAITS);
	ck_assert(conn_needs_help(&b.conn, CONN_SEND_CQ));
	conn_fail(&b.conn);
	ck_assert(!conn_needs_help(&b.conn, CONN_SEND_CQ));
	ck_assert(!bench_arm(&b, CONN_SEND_CQ));
	expect_no_look();
	bench_end(&b);
}
END_TEST

/* It fails, and QEMU is told of all that it waits for. */
START_TEST(a_result_that_is_none_fails_the_connection)
{
	struct message m;

	start_writing((unsigned int)_i);
	ask();
	ck_assert_int_eq(request(&m, 20 * MIB), BENCH_NOTHING);
	bench_expect(&b, CONN_SEND_CQ, WRID_SEND, VERBS_WC_SUCCESS);
	message_result(&m, RKEY, BENCH_REMOTE);
	m.data[11] = 2;
	bench_incoming(&b, &m);
	ck_assert(bench_complete_recv(&b));
	ck_assert_int_eq(conn_state(b.conn), CONN_FAILED);
	bench_expect(&b, CONN_RECV_CQ, WRID_RECV + 1, VERBS_WC_WR_FLUSH_ERR);
	bench_expect(&b, CONN_RECV_CQ, WRID_RECV, VERBS_WC_WR_FLUSH_ERR);
	bench_expect_nothing(&b, CONN_RECV_CQ);
	bench_expect_nothing(&b, CONN_SEND_CQ);
	bench_end(&b);
}
END_TEST

/* Two results for one request: the second answers nothing. */
START_TEST(a_second_result_fails_the_connection)
{
	struct message m;

	start_writing((unsigned int)_i);
	ask();
	incoming_result(RKEY);
	ck_assert(bench_complete_recv(&b));
	ck_assert_int_eq(conn_state(b.conn), CONN_ACTIVE);
	/* A message that waits completes too. */
	ck_assert_int_eq(request(&m, 100 * MIB), BENCH_WAITS);
	incoming_result(RKEY);
	ck_assert(bench_complete_recv(&b));
	ck_assert_int_eq(conn_state(b.conn), CONN_FAILED);
	bench_expect(&b, CONN_SEND_CQ, WRID_SEND, VERBS_WC_WR_FLUSH_ERR);
	bench_expect(&b, CONN_RECV_CQ, WRID_RECV + 1, VERBS_WC_WR_FLUSH_ERR);
	bench_expect(&b, CONN_RECV_CQ, WRID_RECV, VERBS_WC_WR_FLUSH_ERR);
	bench_end(&b);
}
END_TEST

/* An ERROR is QEMU's to see, whoever asked; and its request is never answered. */
START_TEST(an_error_in_place_of_the_result)
{
	struct message m;

	start_writing((unsigned int)_i);
	ask();
	ck_assert_int_eq(request(&m, 20 * MIB), BENCH_NOTHING);
	bench_expect(&b, CONN_SEND_CQ, WRID_SEND, VERBS_WC_SUCCESS);
	message_begin(&m, WIRE_ERROR, 1);
	bench_incoming(&b, &m);
	ck_assert(bench_complete_recv(&b));
	bench_expect(&b, CONN_RECV_CQ, WRID_RECV + 1, VERBS_WC_SUCCESS);
	ck_assert_uint_eq(message_get32(b.memory[1], 4), WIRE_ERROR);
	bench_expect_nothing(&b, CONN_RECV_CQ);
	bench_end(&b);
}
END_TEST

/* Its SEND fails: QEMU is told by a completion, once. */
START_TEST(a_request_that_fails)
{
	struct completion c;

	start_writing((unsigned int)_i);
	ask();
	bench_fail_sends(&b, VERBS_WC_LOC_LEN_ERR);
	ck_assert(bench_poll(&b, CONN_SEND_CQ, &c));
	ck_assert_uint_eq(c.status, VERBS_WC_LOC_LEN_ERR);
	bench_expect_nothing(&b, CONN_SEND_CQ);
	expect_no_look();
	bench_end(&b);
}
END_TEST

/* In the destination's loop for registrations only, which COMPRESS begins as well. */
START_TEST(only_between_registrations)
{
	struct message m;

	start_writing(BENCH_WRITES | BENCH_ZEROS);
	message_begin(&m, WIRE_REGISTER_FINISHED, 1);
	ck_assert_int_eq(bench_send(&b, &m), BENCH_SENT);
	ck_assert(bench_complete_send(&b));
	bench_expect(&b, CONN_SEND_CQ, WRID_SEND, VERBS_WC_SUCCESS);
	bench_incoming_ready(&b);
	ck_assert(bench_complete_recv(&b));
	bench_expect(&b, CONN_RECV_CQ, WRID_RECV + 1, VERBS_WC_SUCCESS);
	expect_no_look();
	zero(2 * MIB, MIB);
	ck_assert_uint_eq(b.conn.source.ahead.position, 3 * MIB);
	b.outgoing_count = 0;
	ask();
	bench_end(&b);
}
END_TEST

/* While it looked, the connection failed, or QEMU used the credit. */
START_TEST(what_is_found_too_late)
{
	struct source_look look;
	struct message m;

	start_writing(0);
	ck_assert(conn_look(&b.conn, &look));
	ck_assert_int_eq(request(&m, 100 * MIB), BENCH_REPLACED);
	b.outgoing_count = 0;
	conn_looked(&b.conn, &look, source_find(&look));
	ck_assert(!b.conn.transmit.request.pending);
	bench_pump(&b);
	ck_assert_uint_eq(b.outgoing_count, 0);
	ck_assert_uint_eq(bench_figures(&b).messages.requests_ahead, 0);
	bench_end(&b);

	start_writing(0);
	ck_assert(conn_look(&b.conn, &look));
	conn_fail(&b.conn);
	conn_looked(&b.conn, &look, source_find(&look));
	ck_assert(!b.conn.transmit.request.pending);
	bench_end(&b);
}
END_TEST

START_TEST(who_looks)
{
	struct ram_block *block;
	struct range range;

	/* Not yet, for the chunk size and the place are not known. */
	start(0);
	expect_no_look();
	ck_assert(!conn_register_ahead(&b.conn, &block, &range));
	bench_end(&b);
	/* RDMACHUNK_AHEAD=off */
	start_writing(0);
	b.conn.source.ahead.on = false;
	expect_no_look();
	bench_end(&b);
	/* A destination */
	start_writing(0);
	b.conn.role = CONN_DESTINATION;
	expect_no_look();
	bench_end(&b);
	/* Nobody but an active connection */
	bench_init(&b, BENCH_AHEAD, 30);
	expect_no_look();
	bench_end(&b);
}
END_TEST

static void check_register_ahead(const struct ram_block *of, uint64_t from, uint64_t to)
{
	struct ram_block *block = NULL;
	struct range range = {0, 0};

	ck_assert(conn_register_ahead(&b.conn, &block, &range));
	ck_assert_ptr_eq(block, of);
	ck_assert_uint_eq(range.start, from);
	ck_assert_uint_eq(range.end, to);
}

static void check_nothing_to_register(void)
{
	struct ram_block *block;
	struct range range;

	ck_assert(!conn_register_ahead(&b.conn, &block, &range));
}

static void have(struct ram_block *block, uint64_t from, uint64_t to)
{
	struct range range = {from, to};

	ck_assert_int_eq(registration_begin(block, range), 0);
	registration_end(&b.conn.policy, block, range, block);
}

/* What the destination was asked for, in its order, and what is here already left out. */
START_TEST(a_source_registers_what_was_asked_for)
{
	struct ram_block *block;

	start_writing(0);
	block = &b.conn.source.blocks.block[0];
	/* Not before QEMU has shown its access flags. */
	check_nothing_to_register();
	b.conn.policy.access_known = true;
	/* Nor where nobody would tell that it is discarded. */
	check_nothing_to_register();
	block->watched = true;
	check_register_ahead(block, 2 * MIB, FIRST);
	have(block, 4 * MIB, 5 * MIB);
	check_register_ahead(block, 2 * MIB, 4 * MIB);
	have(block, 2 * MIB, 4 * MIB);
	check_register_ahead(block, 5 * MIB, FIRST);
	have(block, 5 * MIB, FIRST);
	check_nothing_to_register();
	/* From the moment of the request on: the two go on at once. */
	find(3 * MIB);
	check_register_ahead(block, FIRST + 3 * MIB, 2 * FIRST);
	b.conn.policy.ahead_failed = true;
	check_nothing_to_register();
	b.conn.policy.ahead_failed = false;
	b.conn.policy.ahead = false;
	check_nothing_to_register();
	b.conn.policy.ahead = true;
	/* A begun one is not due again. */
	ck_assert_int_eq(registration_begin(block, (struct range){FIRST + 3 * MIB, 2 * FIRST}), 0);
	check_nothing_to_register();
	registration_end(&b.conn.policy, block, (struct range){FIRST + 3 * MIB, 2 * FIRST}, NULL);
	check_nothing_to_register();
	b.conn.policy.ahead_failed = false;
	check_register_ahead(block, FIRST + 3 * MIB, 2 * FIRST);
	block->watched = false;
	check_nothing_to_register();
	block->watched = true;
	conn_state(b.conn) = CONN_FAILED;
	check_nothing_to_register();
	bench_end(&b);
}
END_TEST

/* Its QEMU says where it is by what it registers. */
/* By itself, so that it can be given back; what QEMU registers is no wider than it says. */
START_TEST(a_destination_registers_what_comes_next)
{
	struct ram_block *block;
	struct message m;
	struct range want, bounds;

	bench_start(&b, CONN_DESTINATION, BENCH_AHEAD, 30);
	message_begin(&m, WIRE_RAM_BLOCKS_RESULT, 1);
	message_put_block(&m, LOCAL, 0, 60 * MIB);
	message_put_block(&m, LOCAL + GIB, GIB, 40 * MIB);
	ck_assert_int_eq(bench_send(&b, &m), BENCH_SENT);
	b.conn.policy.access_known = true;
	check_nothing_to_register();
	/* Memory of no block says nothing. */
	ck_assert_ptr_null(conn_register(&b.conn, 4096, MIB, &want));
	check_nothing_to_register();
	for (uint64_t at = 0; at < 16; at++) {
		check_nothing_to_register();
		block = conn_register(&b.conn, LOCAL + at * MIB, MIB, &want);
		ck_assert_ptr_eq(block, &b.conn.dest_blocks.block[0]);
		bounds = conn_bounds(&b.conn, block, want);
		ck_assert_uint_eq(bounds.start, want.start);
		ck_assert_uint_eq(bounds.end, want.end);
		have(block, want.start, want.end);
	}
	/* Not where a discard would not be noticed; then a quarter of what was asked for. */
	check_nothing_to_register();
	block->watched = true;
	check_register_ahead(block, 16 * MIB, 20 * MIB);
	b.conn.policy.ahead = false;
	bounds = conn_bounds(&b.conn, block, want);
	ck_assert_uint_eq(bounds.end, 20 * MIB);
	bench_end(&b);
}
END_TEST

/* It has not gone out yet, and there are no RECVs for an answer: the destination must
 * not be asked for the first chunk of ours twice. */
START_TEST(a_request_that_qemu_cannot_wait_for_is_taken_back)
{
	const struct extent_map *map;
	struct recv_request recv;
	struct message m, sent;

	start_writing(0);
	map = &b.conn.source.blocks.block[0].remote;
	find(0);
	ck_assert(b.conn.transmit.request.pending);
	while (recv_queue_take(&b.conn.recvs, &recv))
		;
	ck_assert_int_eq(request(&m, FIRST), BENCH_REPLACED);
	ck_assert(!b.conn.transmit.request.pending && !b.conn.source.ahead.asked);
	ck_assert_uint_eq(b.outgoing_count, 1);
	ck_assert(bench_outgoing(&b, &sent));
	ck_assert_uint_eq(message_get64(sent.data, 16), FIRST);
	/* Whose extent comes with its RESULT. */
	ck_assert_ptr_null(extent_map_find(map, (struct range){FIRST, FIRST + MIB}));
	ck_assert_uint_eq(bench_figures(&b).messages.requests_held, 0);
	bench_end(&b);
}
END_TEST

/* The RECVs that the answer was for have been flushed by then. */
START_TEST(a_result_that_comes_after_the_failure_goes_nowhere)
{
	struct message m;

	start_writing(0);
	ask();
	ck_assert_int_eq(request(&m, FIRST), BENCH_NOTHING);
	bench_expect(&b, CONN_SEND_CQ, WRID_SEND, VERBS_WC_SUCCESS);
	ck_assert_uint_eq(bench_figures(&b).messages.requests_held, 1);
	conn_fail(&b.conn);
	bench_expect(&b, CONN_RECV_CQ, WRID_RECV + 1, VERBS_WC_WR_FLUSH_ERR);
	bench_expect(&b, CONN_RECV_CQ, WRID_RECV, VERBS_WC_WR_FLUSH_ERR);
	incoming_result(RKEY);
	ck_assert(bench_complete_recv(&b));
	bench_expect_nothing(&b, CONN_RECV_CQ);
	bench_end(&b);
}
END_TEST

/* There is nobody who could look after a CQ: QEMU's messages go as they are, and it
 * waits for nothing but its own. */
START_TEST(without_help_there_is_no_need_for_it)
{
	struct message m;

	bench_init(&b, (unsigned int)_i | BENCH_AHEAD, 30);
	b.conn.role = CONN_DESTINATION;
	ck_assert(!conn_wants_help(&b.conn));
	b.conn.role = CONN_SOURCE;
	ck_assert(conn_wants_help(&b.conn) == !(_i & BENCH_ONE_CQ));
	conn_forgo_help(&b.conn);
	ck_assert(!conn_wants_help(&b.conn));
	bench_post_recv(&b, 0);
	conn_start(&b.conn, CONN_SOURCE, BENCH_MAX_MESSAGE);
	bench_learn(&b, LENGTH, MIB, LOCAL);
	/* All the rest, and not a piece of it */
	ck_assert_int_eq(request(&m, MIB), BENCH_REPLACED);
	ck_assert(!bench_arm(&b, CONN_SEND_CQ));
	ck_assert(bench_complete_send(&b));
	bench_expect(&b, CONN_SEND_CQ, WRID_SEND, VERBS_WC_SUCCESS);
	incoming_result(101);
	bench_incoming_ready(&b);
	ck_assert(bench_complete_recv(&b));
	ck_assert(bench_complete_recv(&b));
	expect_result(101);
	bench_post_answer_recvs(&b);
	expect_no_look();
	message_begin(&m, WIRE_COMPRESS, 1);
	message_put32(&m, 0);
	message_put32(&m, 0);
	message_put64(&m, 2 * MIB);
	message_put64(&m, MIB);
	ck_assert_int_eq(bench_send(&b, &m), BENCH_SENT);
	expect_no_look();
	ck_assert(!bench_arm(&b, CONN_SEND_CQ));
	ck_assert(!bench_arm(&b, CONN_RECV_CQ));
	bench_end(&b);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("conn_ahead");
	TCase *tc = tcase_create("conn_ahead");

	tcase_add_loop_test(tc, its_result_and_ready_are_not_shown, 0, BENCH_MODES);
	tcase_add_loop_test(tc, qemus_request_waits_for_ours, 0, BENCH_MODES);
	tcase_add_loop_test(tc, a_message_goes_after_it, 0, BENCH_MODES);
	tcase_add_loop_test(tc, somebody_sees_to_the_send_queue, 0, BENCH_MODES);
	tcase_add_test(tc, a_result_that_comes_after_the_failure_goes_nowhere);
	tcase_add_test(tc, a_request_that_qemu_cannot_wait_for_is_taken_back);
	tcase_add_test(tc, a_failed_connection_needs_no_help);
	tcase_add_loop_test(tc, a_result_that_is_none_fails_the_connection, 0, BENCH_MODES);
	tcase_add_loop_test(tc, a_second_result_fails_the_connection, 0, BENCH_MODES);
	tcase_add_loop_test(tc, an_error_in_place_of_the_result, 0, BENCH_MODES);
	tcase_add_loop_test(tc, a_request_that_fails, 0, BENCH_MODES);
	tcase_add_loop_test(tc, without_help_there_is_no_need_for_it, 0, BENCH_MODES);
	tcase_add_test(tc, only_between_registrations);
	tcase_add_test(tc, what_is_found_too_late);
	tcase_add_test(tc, who_looks);
	tcase_add_test(tc, a_source_registers_what_was_asked_for);
	tcase_add_test(tc, a_destination_registers_what_comes_next);
	suite_add_tcase(suite, tc);
	return unit_run(suite);
}
