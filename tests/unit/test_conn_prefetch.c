/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "core/conn.h"

#include <errno.h>
#include <string.h>

#include "bench.h"
#include "core/prefetch.h"
#include "core/verbs_values.h"
#include "driver_mr.h"

/* Registration ahead of QEMU through a connection: what is on the wire, and what QEMU
 * sees of it, which is its own answers and nothing else. */

#define LOCAL  BENCH_LOCAL
#define LENGTH BENCH_LENGTH
#define PIECE  PIECE_FIRST
#define WITHIN (7 * MIB) /* the piece after that */
#define FIRST  PIECE	 /* registered when QEMU has written its second chunk */

#define SCAN	 CONN_KIND(CONN_SCAN)
#define REGISTER CONN_KIND(CONN_REGISTER)

static struct bench b;

/* Chunk 0 is registered, a credit is there, and RECVs for an answer are posted. */
static void start(unsigned int mode)
{
	bench_start_source(&b, mode | BENCH_PREFETCH, 30);
}

static enum bench_sent request(struct message *m, uint64_t at)
{
	message_register(m, WIRE_REGISTER_REQUEST, at, 0, 0);
	return bench_send(&b, m);
}

/* A RESULT comes; with which rkey. */
static uint32_t incoming_result(void)
{
	uint32_t rkey = bench_rkey(&b);
	struct message m;

	message_result(&m, rkey, BENCH_REMOTE);
	bench_incoming(&b, &m);
	return rkey;
}

/* And the READY after it: both are taken in. */
static uint32_t take_result(void)
{
	uint32_t rkey = incoming_result();

	bench_incoming_ready(&b);
	ck_assert(bench_complete_recv(&b));
	ck_assert(bench_complete_recv(&b));
	return rkey;
}

/* QEMU asks for what is asked for already: nothing goes out, and as far as it knows it did. */
static void take_request(uint64_t at)
{
	struct message m;

	ck_assert_int_eq(request(&m, at), BENCH_NOTHING);
	bench_expect(&b, CONN_SEND_CQ, WRID_SEND, VERBS_WC_SUCCESS);
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

/* [from, to) is what the request that went out is for. */
static void check_outgoing(uint64_t from, uint64_t to)
{
	struct message m, expected;

	message_register(&expected, WIRE_REGISTER_REQUEST, from, 0, (to - from) / MIB - 1);
	ck_assert(bench_outgoing(&b, &m));
	ck_assert_uint_eq(m.len, expected.len);
	ck_assert_mem_eq(m.data, expected.data, m.len);
}

/* QEMU has written chunk 1, and the request for it was one of ours: [0, 4M) is registered, and
 * a credit is there again. */
static void start_without_recvs(unsigned int mode)
{
	uint32_t rkey;

	start(mode);
	take_request(MIB);
	check_outgoing(MIB, FIRST);
	ck_assert(bench_complete_send(&b));
	bench_expect_nothing(&b, CONN_SEND_CQ);
	rkey = take_result();
	expect_result(rkey);
	bench_register(&b, LOCAL + MIB, MIB);
	ck_assert_uint_eq(b.outgoing_count, 0);
}

static void start_writing(unsigned int mode)
{
	start_without_recvs(mode);
	bench_post_answer_recvs(&b);
}

static void expect_no_scan(void)
{
	struct conn_action action;

	ck_assert(!conn_has(b.conn, SCAN));
	ck_assert(!conn_next(b.conn, SCAN, &action));
}

static void end_scan(struct conn_action *action)
{
	struct conn_result result = {.found = prefetch_find(&action->scan)};

	conn_done(b.conn, action, &result);
}

/* The first data is `data` bytes from where it is looked for. Nothing is posted yet. */
static void find(uint64_t data)
{
	struct conn_action action;

	ck_assert(conn_has(b.conn, SCAN));
	ck_assert(conn_next(b.conn, SCAN, &action));
	ck_assert_uint_eq(action.scan.place.addr, LOCAL);
	/* One at a time. */
	expect_no_scan();
	action.scan.range.start += data;
	end_scan(&action);
}

/* A request for [5M, 9M) is on the wire, of which QEMU sees nothing. */
static void ask(void)
{
	find(0);
	bench_run(&b);
	check_outgoing(FIRST, FIRST + PIECE);
	bench_expect_nothing(&b, CONN_SEND_CQ);
	bench_expect_nothing(&b, CONN_RECV_CQ);
}

START_TEST(its_result_and_ready_are_not_shown)
{
	uint64_t readys;
	uint32_t rkey;
	start_writing((unsigned int)_i);
	readys = bench_figures(&b).messages.received[WIRE_READY];
	ask();
	ck_assert(bench_complete_send(&b));
	bench_expect_nothing(&b, CONN_SEND_CQ);
	rkey = take_result();
	bench_expect_nothing(&b, CONN_RECV_CQ);
	/* The buffers are the NIC's again. */
	ck_assert_uint_eq(b.qp->rq_count, RECV_QUEUE_BUFFERS);
	/* QEMU's own request there is answered with it. */
	take_request(WITHIN);
	expect_result(rkey);
	ck_assert_uint_eq(b.outgoing_count, 0);
	ck_assert_uint_eq(bench_figures(&b).messages.requests_prefetched, 2);
	ck_assert_uint_eq(bench_figures(&b).messages.requests_held, 1);
	ck_assert_uint_eq(bench_figures(&b).messages.requests_answered, 2);
	ck_assert_uint_eq(bench_figures(&b).messages.requests_seen, 3);
	ck_assert_uint_eq(bench_figures(&b).messages.requests_sent, 1);
	ck_assert_uint_eq(bench_figures(&b).messages.requests_widened, 0);
	ck_assert_uint_eq(bench_figures(&b).messages.sent[WIRE_REGISTER_REQUEST], 3);
	ck_assert_uint_eq(bench_figures(&b).messages.received[WIRE_REGISTER_RESULT], 3);
	ck_assert_uint_eq(bench_figures(&b).messages.received[WIRE_READY], readys + 1);
	bench_end(&b);
}
END_TEST

START_TEST(qemus_request_waits_for_ours)
{
	struct message m;
	uint32_t rkey;

	start_writing((unsigned int)_i);
	ask();
	ck_assert_int_eq(request(&m, WITHIN), BENCH_NOTHING);
	/* It is sent, as far as QEMU knows, but not answered. */
	bench_expect(&b, CONN_SEND_CQ, WRID_SEND, VERBS_WC_SUCCESS);
	bench_expect_nothing(&b, CONN_RECV_CQ);
	ck_assert_uint_eq(bench_figures(&b).messages.requests_held, 2);
	ck_assert_uint_eq(bench_figures(&b).messages.requests_answered, 2);
	ck_assert(!bench_arm(&b, CONN_RECV_CQ));
	rkey = incoming_result();
	ck_assert(bench_complete_recv(&b));
	expect_result(rkey);
	/* With the READY that it was promised; the real one is ours. */
	bench_incoming_ready(&b);
	ck_assert(bench_complete_recv(&b));
	bench_expect_nothing(&b, CONN_RECV_CQ);
	ck_assert_uint_eq(b.outgoing_count, 0);
	bench_register(&b, LOCAL + WITHIN, MIB);
	bench_end(&b);
}
END_TEST

/* Another message of QEMU's goes when the READY of ours has come. */
START_TEST(a_message_goes_after_it)
{
	struct message m;
	uint32_t rkey;

	start_writing((unsigned int)_i);
	ask();
	ck_assert(bench_complete_send(&b));
	ck_assert_int_eq(request(&m, 100 * MIB), BENCH_WAITS);
	/* Asleep on the send side, QEMU does not see the READY. */
	ck_assert(bench_arm(&b, CONN_SEND_CQ) == !(_i & BENCH_ONE_CQ));
	incoming_result();
	ck_assert(bench_complete_recv(&b));
	ck_assert_uint_eq(b.outgoing_count, 0);
	bench_incoming_ready(&b);
	ck_assert(bench_complete_recv(&b));
	ck_assert_uint_eq(b.outgoing_count, 1);
	ck_assert(!b.driver->listens);
	/* The result and the READY that come now are QEMU's. */
	ck_assert(bench_complete_send(&b));
	bench_expect(&b, CONN_SEND_CQ, WRID_SEND, VERBS_WC_SUCCESS);
	rkey = take_result();
	expect_result(rkey);
	bench_end(&b);
}
END_TEST

/* Between our RESULT and the READY after it QEMU asks for what nobody has asked for: it has had a
 * READY of our making. That is asked for next, and registered here meanwhile. */
START_TEST(qemus_request_goes_with_the_next_ready)
{
	struct conn_action action;
	struct message m;
	uint32_t rkey;

	start_writing((unsigned int)_i);
	ask();
	ck_assert(bench_complete_send(&b));
	take_request(WITHIN);
	bench_expect_nothing(&b, CONN_RECV_CQ);
	rkey = incoming_result();
	ck_assert(bench_complete_recv(&b));
	expect_result(rkey);
	bench_register(&b, LOCAL + WITHIN, MIB);
	bench_post_answer_recvs(&b);
	take_request(100 * MIB);
	ck_assert_uint_eq(b.outgoing_count, 0);
	ck_assert_uint_eq(bench_figures(&b).messages.requests_widened, 0);
	ck_assert_uint_eq(bench_figures(&b).messages.requests_held, 3);
	ck_assert(conn_next(b.conn, REGISTER, &action));
	ck_assert_uint_eq(action.memory.addr, LOCAL + 100 * MIB);
	conn_done(b.conn, &action, &(struct conn_result){.error = ENOMEM});
	/* QEMU sleeps where it sees the READY come. */
	ck_assert(!bench_arm(&b, CONN_RECV_CQ));
	bench_incoming_ready(&b);
	ck_assert(bench_complete_recv(&b));
	bench_expect_nothing(&b, CONN_RECV_CQ);
	ck_assert(bench_outgoing(&b, &m));
	ck_assert_uint_eq(message_get64(m.data, 16), 100 * MIB);
	ck_assert(bench_complete_send(&b));
	rkey = take_result();
	expect_result(rkey);
	ck_assert_uint_eq(bench_figures(&b).messages.requests_prefetched, 3);
	bench_end(&b);
}
END_TEST

/* The NIC has no room for our request, and QEMU sleeps where it does not see that it
 * has again. */
START_TEST(somebody_sees_to_the_send_queue)
{
	const bool one_cq = _i & BENCH_ONE_CQ;
	uint32_t rkey;

	start_writing((unsigned int)_i);
	ck_assert_int_eq(bench_write(&b, WRID_WRITE, 4096), 0);
	if (_i & BENCH_WRITES)
		bench_expect(&b, CONN_SEND_CQ, WRID_WRITE, VERBS_WC_SUCCESS);
	b.world.settings.busy_percent = 100;
	find(0);
	bench_run(&b);
	ck_assert_uint_eq(b.outgoing_count, 0);
	/* Nobody waits for it: it can wait as well. */
	ck_assert(!bench_arm(&b, CONN_RECV_CQ));
	take_request(WITHIN);
	ck_assert(bench_arm(&b, CONN_RECV_CQ) == !one_cq);
	ck_assert(one_cq || b.driver->listen.cq == CONN_SEND_CQ);
	b.world.settings.busy_percent = 0;
	ck_assert(bench_complete_send(&b));
	ck_assert_uint_eq(b.outgoing_count, 1);
	ck_assert(!b.driver->listens);
	if (!(_i & BENCH_WRITES))
		bench_expect(&b, CONN_SEND_CQ, WRID_WRITE, VERBS_WC_SUCCESS);
	rkey = incoming_result();
	ck_assert(bench_complete_recv(&b));
	expect_result(rkey);
	bench_end(&b);
}
END_TEST

START_TEST(a_failed_connection_needs_no_help)
{
	struct message m;

	start_writing(0);
	ask();
	ck_assert_int_eq(request(&m, 100 * MIB), BENCH_WAITS);
	ck_assert(bench_arm(&b, CONN_SEND_CQ));
	conn_fail(b.conn, EPROTO, "a test");
	bench_run(&b);
	ck_assert(!b.driver->listens);
	ck_assert(!bench_arm(&b, CONN_SEND_CQ));
	expect_no_scan();
	bench_end(&b);
}
END_TEST

/* It fails, and QEMU is told of all that it waits for. */
START_TEST(a_result_that_is_none_fails_the_connection)
{
	struct message m;

	start_writing((unsigned int)_i);
	ask();
	take_request(WITHIN);
	message_result(&m, bench_rkey(&b), BENCH_REMOTE);
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

	start_writing((unsigned int)_i % BENCH_MODES);
	ask();
	incoming_result();
	ck_assert(bench_complete_recv(&b));
	ck_assert_int_eq(conn_state(b.conn), CONN_ACTIVE);
	/* A message that waits completes too; of a request that is held QEMU is told by its RECVs.
	 */
	if (_i < BENCH_MODES) {
		message_begin(&m, WIRE_REGISTER_FINISHED, 1);
		ck_assert_int_eq(bench_send(&b, &m), BENCH_WAITS);
	} else {
		take_request(100 * MIB);
	}
	incoming_result();
	ck_assert(bench_complete_recv(&b));
	ck_assert_int_eq(conn_state(b.conn), CONN_FAILED);
	if (_i < BENCH_MODES)
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
	take_request(WITHIN);
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
	expect_no_scan();
	bench_end(&b);
}
END_TEST

/* While it looked, the connection failed, or QEMU used the credit. */
START_TEST(what_is_found_too_late)
{
	struct conn_action action;
	struct message m;

	start_without_recvs(0);
	ck_assert(conn_next(b.conn, SCAN, &action));
	ck_assert_int_eq(request(&m, 100 * MIB), BENCH_REPLACED);
	b.outgoing_count = 0;
	end_scan(&action);
	bench_run(&b);
	ck_assert_uint_eq(b.outgoing_count, 0);
	ck_assert_uint_eq(bench_figures(&b).messages.requests_prefetched, 1);
	bench_end(&b);

	start_writing(0);
	ck_assert(conn_next(b.conn, SCAN, &action));
	conn_fail(b.conn, EPROTO, "a test");
	end_scan(&action);
	bench_run(&b);
	ck_assert_uint_eq(b.outgoing_count, 0);
	bench_end(&b);
}
END_TEST

START_TEST(who_looks)
{
	/* Not yet, for the place is not known. */
	start(0);
	expect_no_scan();
	ck_assert(!conn_has(b.conn, REGISTER));
	bench_end(&b);
	/* Not any more */
	start_writing(0);
	conn_stop_prefetch(b.conn);
	expect_no_scan();
	ck_assert(!conn_has(b.conn, REGISTER));
	bench_end(&b);
	/* Nobody but an active source */
	bench_init(&b, CONN_SOURCE, BENCH_PREFETCH, 30);
	expect_no_scan();
	bench_end(&b);
	bench_start(&b, CONN_DESTINATION, BENCH_PREFETCH, 30);
	expect_no_scan();
	bench_end(&b);
}
END_TEST

/* [from, to) is to be registered next, which then succeeds, or fails. */
static void check_registers(uint64_t from, uint64_t to, int error)
{
	struct conn_result result = {.error = error};
	struct conn_action action;

	ck_assert(conn_has(b.conn, REGISTER));
	ck_assert(conn_next(b.conn, REGISTER, &action));
	ck_assert_uint_eq(action.memory.addr, LOCAL + from);
	ck_assert_uint_eq(action.memory.length, to - from);
	/* It is not due again. */
	ck_assert(!conn_has(b.conn, REGISTER));
	if (!error)
		driver_perform(b.driver, &action, &result);
	conn_done(b.conn, &action, &result);
}

/* QEMU waits for [1M, 5M), which this end has to register as well; that comes before a look at what
 * comes next. Where QEMU does not wait, the destination is to have its next request first. */
START_TEST(what_qemu_waits_for_is_registered_before_it_looks_further)
{
	struct conn_action action;
	struct message m;

	if (_i) {
		start_writing(0);
		ask();
		message_compress(&m, 0, FIRST, 3 * MIB);
		bench_send(&b, &m);
	} else {
		start(0);
		take_request(MIB);
	}
	ck_assert(conn_has(b.conn, SCAN));
	ck_assert(conn_has(b.conn, REGISTER));
	ck_assert(conn_next(b.conn, SCAN | REGISTER, &action));
	ck_assert_int_eq(action.kind, _i ? CONN_SCAN : CONN_REGISTER);
	if (_i)
		end_scan(&action);
	else
		conn_done(b.conn, &action, &(struct conn_result){.error = ENOMEM});
	bench_end(&b);
}
END_TEST

/* What the destination was asked for, in its order, and what is here already left out. */
START_TEST(a_source_registers_what_was_asked_for)
{
	start_writing(0);
	bench_register(&b, LOCAL + FIRST + 2 * MIB, MIB);
	ck_assert(!conn_has(b.conn, REGISTER));
	find(MIB);
	ck_assert(!conn_has(b.conn, REGISTER));
	/* From the moment of the request on: the two go on at once. */
	bench_run(&b);
	check_registers(FIRST + MIB, FIRST + 2 * MIB, 0);
	check_registers(FIRST + 3 * MIB, FIRST + PIECE, ENOMEM);
	/* Then QEMU asks for what it needs. */
	ck_assert(!conn_has(b.conn, REGISTER));
	bench_register(&b, LOCAL + FIRST + 3 * MIB, MIB);
	ck_assert_uint_eq(bench_figures(&b).mrs.prefetched, 1);
	bench_end(&b);
}
END_TEST

/* It takes the connection down then, as when the user cancels, and waits for what is under way. So
 * it does when the other end has disconnected. */
START_TEST(nothing_more_once_qemu_has_given_up)
{
	struct message m;

	start_writing(0);
	ask();
	ck_assert(conn_has(b.conn, REGISTER));
	if (_i) {
		conn_disconnected(b.conn);
	} else {
		message_begin(&m, WIRE_ERROR, 1);
		ck_assert_int_eq(bench_send(&b, &m), BENCH_SENT);
	}
	ck_assert(!conn_has(b.conn, REGISTER));
	expect_no_scan();
	bench_end(&b);
}
END_TEST

/* The NIC has no room for it yet, and there are no RECVs for an answer: the destination must
 * not be asked for the first chunk of ours twice. */
START_TEST(a_request_that_qemu_cannot_wait_for_is_taken_back)
{
	const struct extent_map *map;
	struct message m, sent;

	start_without_recvs(0);
	map = &conn_blocks(b.conn)->block[0].remote;
	ck_assert_int_eq(bench_write(&b, WRID_WRITE, 4096), 0);
	b.world.settings.busy_percent = 100;
	find(0);
	bench_run(&b);
	ck_assert_ptr_nonnull(extent_map_find(map, (struct range){FIRST, FIRST + MIB}));
	ck_assert_int_eq(request(&m, FIRST), BENCH_WAITS);
	b.world.settings.busy_percent = 0;
	ck_assert(bench_complete_send(&b));
	ck_assert_uint_eq(b.outgoing_count, 1);
	ck_assert(bench_outgoing(&b, &sent));
	ck_assert_uint_eq(message_get64(sent.data, 16), FIRST);
	/* Whose extent comes with its RESULT. */
	ck_assert_ptr_null(extent_map_find(map, (struct range){FIRST, FIRST + MIB}));
	ck_assert_uint_eq(bench_figures(&b).messages.requests_held, 1);
	ck_assert_uint_eq(bench_figures(&b).messages.requests_prefetched, 1);
	bench_end(&b);
}
END_TEST

/* The RECVs that the answer was for have been flushed by then. */
START_TEST(a_result_that_comes_after_the_failure_goes_nowhere)
{
	start_writing(0);
	ask();
	take_request(FIRST);
	ck_assert_uint_eq(bench_figures(&b).messages.requests_held, 2);
	conn_fail(b.conn, EPROTO, "a test");
	bench_run(&b);
	bench_expect(&b, CONN_RECV_CQ, WRID_RECV + 1, VERBS_WC_WR_FLUSH_ERR);
	bench_expect(&b, CONN_RECV_CQ, WRID_RECV, VERBS_WC_WR_FLUSH_ERR);
	incoming_result();
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
	uint32_t rkey;

	bench_init(&b, CONN_SOURCE, (unsigned int)_i | BENCH_PREFETCH, 30);
	conn_set_role(b.conn, CONN_DESTINATION);
	ck_assert(!conn_wants_help(b.conn));
	conn_set_role(b.conn, CONN_SOURCE);
	ck_assert(conn_wants_help(b.conn) == !(_i & BENCH_ONE_CQ));
	conn_forgo_help(b.conn);
	ck_assert(!conn_wants_help(b.conn));
	bench_post_recv(&b, 0);
	bench_connect(&b, CONN_SOURCE);
	bench_learn(&b, LENGTH, MIB, LOCAL);
	bench_post_answer_recvs(&b);
	/* All the rest, and not a piece of it */
	ck_assert_int_eq(request(&m, MIB), BENCH_REPLACED);
	ck_assert(!bench_arm(&b, CONN_SEND_CQ));
	ck_assert(bench_complete_send(&b));
	bench_expect(&b, CONN_SEND_CQ, WRID_SEND, VERBS_WC_SUCCESS);
	rkey = take_result();
	expect_result(rkey);
	bench_post_answer_recvs(&b);
	expect_no_scan();
	message_compress(&m, 0, 2 * MIB, MIB);
	ck_assert_int_eq(bench_send(&b, &m), BENCH_SENT);
	expect_no_scan();
	ck_assert(!bench_arm(&b, CONN_SEND_CQ));
	ck_assert(!bench_arm(&b, CONN_RECV_CQ));
	bench_end(&b);
}
END_TEST

/* QEMU asks for a chunk, and gets its answer from here. */
static void answered(uint64_t at)
{
	take_request(at);
	bench_expect(&b, CONN_RECV_CQ, WRID_RECV + 1, VERBS_WC_SUCCESS);
	bench_expect(&b, CONN_RECV_CQ, WRID_RECV, VERBS_WC_SUCCESS);
	bench_post_answer_recvs(&b);
}

/* QEMU waits for what it needs and no longer: the next piece may have begun when it looks. */
START_TEST(it_waits_for_its_own_piece_only)
{
	struct conn_registration want = {.addr = BENCH_LOCAL + FIRST, .length = MIB};
	struct conn_result done = {0}, next_done = {0};
	struct conn_action piece, next;
	struct mr *mr;

	start_writing(BENCH_WRITES | BENCH_ZEROS);
	/* It asks for [5M, 9M), and registers that here. */
	find(0);
	bench_run(&b);
	ck_assert(conn_next(b.conn, REGISTER, &piece));
	ck_assert_uint_eq(piece.memory.addr, want.addr);
	ck_assert(bench_complete_send(&b));
	take_result();
	/* QEMU comes there: then it asks for [9M, 13M). */
	answered(FIRST - MIB);
	bench_register(&b, LOCAL + FIRST - MIB, MIB);
	answered(FIRST);
	find(0);
	bench_run(&b);
	ck_assert_int_eq(conn_register(b.conn, &want, &mr), CONN_AGAIN);
	ck_assert_int_eq(conn_waits(b.conn), CONN_WAITS_FOR_PREFETCH);
	driver_mr_register(b.driver, &piece, &done);
	conn_done(b.conn, &piece, &done);
	bench_run(&b);
	ck_assert(conn_next(b.conn, REGISTER, &next));
	ck_assert_int_eq(conn_waits(b.conn), CONN_WAITS_FOR_NOTHING);
	ck_assert_int_eq(conn_register(b.conn, &want, &mr), 0);
	mrs_put(mr);
	driver_mr_register(b.driver, &next, &next_done);
	conn_done(b.conn, &next, &next_done);
	bench_end(&b);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("conn_prefetch");
	TCase *tc = tcase_create("conn_prefetch");

	tcase_add_test(tc, it_waits_for_its_own_piece_only);
	tcase_add_loop_test(tc, its_result_and_ready_are_not_shown, 0, BENCH_MODES);
	tcase_add_loop_test(tc, qemus_request_waits_for_ours, 0, BENCH_MODES);
	tcase_add_loop_test(tc, a_message_goes_after_it, 0, BENCH_MODES);
	tcase_add_loop_test(tc, qemus_request_goes_with_the_next_ready, 0, BENCH_MODES);
	tcase_add_loop_test(tc, somebody_sees_to_the_send_queue, 0, BENCH_MODES);
	tcase_add_test(tc, a_result_that_comes_after_the_failure_goes_nowhere);
	tcase_add_test(tc, a_request_that_qemu_cannot_wait_for_is_taken_back);
	tcase_add_test(tc, a_failed_connection_needs_no_help);
	tcase_add_loop_test(tc, a_result_that_is_none_fails_the_connection, 0, BENCH_MODES);
	tcase_add_loop_test(tc, a_second_result_fails_the_connection, 0, 2 * BENCH_MODES);
	tcase_add_loop_test(tc, an_error_in_place_of_the_result, 0, BENCH_MODES);
	tcase_add_loop_test(tc, a_request_that_fails, 0, BENCH_MODES);
	tcase_add_loop_test(tc, without_help_there_is_no_need_for_it, 0, BENCH_MODES);
	tcase_add_test(tc, what_is_found_too_late);
	tcase_add_test(tc, who_looks);
	tcase_add_loop_test(tc, what_qemu_waits_for_is_registered_before_it_looks_further, 0, 2);
	tcase_add_test(tc, a_source_registers_what_was_asked_for);
	tcase_add_loop_test(tc, nothing_more_once_qemu_has_given_up, 0, 2);
	suite_add_tcase(suite, tc);
	return unit_run(suite);
}
