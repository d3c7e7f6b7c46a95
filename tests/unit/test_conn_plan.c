/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "core/conn.h"

#include "bench.h"
#include "core/piece.h"
#include "core/prefetch.h"
#include "core/verbs_values.h"

/*
 * When a source asks for what it has planned. QEMU's rounds have 50 ms, as far as can be told: the
 * destination registers between a round's first WRITE and its end, which waits for
 * all that is asked for. Here 4 MiB take the destination 20 ms.
 */

#define START (12 * MIB)
#define MS    UINT64_C(1000000)

#define SCAN	 CONN_KIND(CONN_SCAN)
#define REGISTER CONN_KIND(CONN_REGISTER)

static struct bench b;
static uint64_t now;

static void time_passes(uint64_t ns)
{
	now += ns;
	conn_time(b.conn, now);
}

/* The destination has registered what it was asked for, in `ns`. QEMU sees nothing of that. */
static void registered(uint64_t ns)
{
	struct message m;

	ck_assert(bench_complete_send(&b));
	time_passes(ns);
	message_result(&m, bench_rkey(&b), BENCH_REMOTE);
	bench_incoming(&b, &m);
	bench_incoming_ready(&b);
	ck_assert(bench_complete_recv(&b));
	ck_assert(bench_complete_recv(&b));
}

/* It looks for data, finds it where it begins to look, and plans for it. */
static void plan(void)
{
	struct conn_result result = {0};
	struct conn_action action;

	ck_assert(conn_next(b.conn, SCAN, &action));
	result.found = prefetch_find(&action.scan);
	conn_done(b.conn, &action, &result);
	bench_run(&b);
}

/* What the request that went out is for, in MiB; 0: none did. */
static uint64_t asked(void)
{
	struct message m;

	bench_run(&b);
	while (bench_outgoing(&b, &m))
		if (message_get32(m.data, 4) == WIRE_REGISTER_REQUEST)
			return message_get64(m.data, 32) + 1;
	return 0;
}

static void end_round(void)
{
	struct message m;

	message_begin(&m, WIRE_REGISTER_FINISHED, 1);
	ck_assert_int_eq(bench_send(&b, &m), BENCH_SENT);
	ck_assert(bench_complete_send(&b));
	bench_expect(&b, CONN_SEND_CQ, WRID_SEND, VERBS_WC_SUCCESS);
	bench_post_recv(&b, 2);
	bench_incoming_ready(&b);
	ck_assert(bench_complete_recv(&b));
	ck_assert(bench_poll(&b, CONN_RECV_CQ, &(struct completion){0}));
	b.outgoing_count = 0;
}

/* QEMU writes, at `at` of its block, and no time has been told since. */
static void write_at(uint64_t at)
{
	ck_assert_int_eq(bench_write_at(&b, WRID_WRITE, BENCH_LOCAL + at, BENCH_REMOTE + at, 4096),
			 0);
	bench_expect(&b, CONN_SEND_CQ, WRID_WRITE, VERBS_WC_SUCCESS);
	ck_assert(bench_complete_send(&b));
}

/* QEMU's first WRITE. */
static void begin_round(void)
{
	write_at(START);
	conn_time(b.conn, now);
}

/* QEMU writes its 13th chunk, and waits for [12M, 16M), the rest of a window. */
static void start_first_round(void)
{
	struct conn_result result = {0};
	struct conn_action action;
	struct completion c;
	struct message m;

	now = 1000 * MS;
	bench_start_source(&b, BENCH_WRITES | BENCH_ZEROS | BENCH_PREFETCH, 30);
	time_passes(0);
	message_register(&m, WIRE_REGISTER_REQUEST, START, 0, 0);
	ck_assert_int_eq(bench_send(&b, &m), BENCH_NOTHING);
	time_passes(0);
	ck_assert_uint_eq(asked(), 4);
	/* This end is faster. */
	ck_assert(conn_next(b.conn, REGISTER, &action));
	ck_assert_uint_eq(action.memory.addr, BENCH_LOCAL + START);
	ck_assert_uint_eq(action.memory.length, 4 * MIB);
	driver_perform(b.driver, &action, &result);
	result.ns = MS;
	conn_done(b.conn, &action, &result);
	registered(10 * MS);
	while (bench_poll(&b, CONN_SEND_CQ, &c) || bench_poll(&b, CONN_RECV_CQ, &c))
		;
	bench_register(&b, BENCH_LOCAL + START, MIB);
	bench_post_answer_recvs(&b);
}

/*
 * A round of 50 ms is over. [12M, 16M) is registered, QEMU is at 13M, and for what comes then
 * nothing has been asked yet. As QEMU had to wait, the next piece is to take 40 ms: 16 MiB.
 */
static void start(void)
{
	start_first_round();
	time_passes(40 * MS);
	end_round();
	time_passes(10 * MS);
}

/* Planned between two rounds, it is asked for in the next, which COMPRESS, a WRITE or a request
 * begins. */
START_TEST(only_between_registrations)
{
	struct message m;

	start();
	plan();
	ck_assert_uint_eq(asked(), 0);
	switch (_i) {
	case 0:
		message_compress(&m, 0, START + MIB, MIB);
		ck_assert_int_eq(bench_send(&b, &m), BENCH_NOTHING);
		break;
	case 1:
		begin_round();
		break;
	case 2:
		message_register(&m, WIRE_REGISTER_REQUEST, START + MIB, 0, 0);
		ck_assert_int_eq(bench_send(&b, &m), BENCH_NOTHING);
		break;
	}
	ck_assert_uint_eq(asked(), 16);
	ck_assert_uint_eq(bench_figures(&b).messages.requests_prefetched, 2);
	bench_end(&b);
}
END_TEST

/* `left` of the round are left; to its 50 ms come 5 for what QEMU does at its end. */
static uint64_t asked_when_left(uint64_t left)
{
	start();
	begin_round();
	time_passes(55 * MS - left);
	plan();
	return asked();
}

START_TEST(it_fits_the_rest_of_the_round)
{
	static const struct {
		uint64_t left, asked, then;
	} cases[] = {{55, 16, 0}, {40, 16, 0}, {39, 15, 1}, {30, 12, 4}, {24, 9, 0}, {20, 8, 0}};
	uint64_t rest = 16 - cases[_i].asked - cases[_i].then;

	ck_assert_uint_eq(asked_when_left(cases[_i].left * MS), cases[_i].asked);
	/* What was left of it, if that fits as well then, and else in the next round. */
	registered(18 * MS);
	ck_assert_uint_eq(asked(), cases[_i].then);
	if (rest) {
		end_round();
		begin_round();
		ck_assert_uint_eq(asked(), rest);
	}
	bench_end(&b);
}
END_TEST

/* Too little time for half of it, and nothing is known of the wire: what is there lasts. */
START_TEST(near_the_end_of_the_round_it_waits_for_the_next)
{
	ck_assert_uint_eq(asked_when_left(19 * MS), 0);
	/* Later it still does. */
	time_passes(15 * MS);
	ck_assert_uint_eq(asked(), 0);
	end_round();
	time_passes(10 * MS);
	ck_assert_uint_eq(asked(), 0);
	begin_round();
	ck_assert_uint_eq(asked(), 16);
	bench_end(&b);
}
END_TEST

/* One that is longer than the one before may be much longer. */
START_TEST(a_round_that_is_overdue)
{
	ck_assert_uint_eq(asked_when_left(1), 0);
	time_passes(1);
	ck_assert_uint_eq(asked(), 16);
	bench_end(&b);
}
END_TEST

/* The first round: nobody knows how long it is. */
START_TEST(a_round_of_which_nothing_is_known)
{
	start_first_round();
	time_passes(_i * MS);
	plan();
	ck_assert_uint_eq(asked(), 16);
	bench_end(&b);
}
END_TEST

/* A round of 50 ms, or of 20, is over. The next begins with a WRITE, after which nobody looks at
 * the clock: what is asked for is registered in as much time as that one had. */
START_TEST(a_round_that_begins_has_as_much_time_as_the_last)
{
	const bool longer = _i;

	start_first_round();
	time_passes(longer ? 40 * MS : 10 * MS);
	end_round();
	plan();
	ck_assert_uint_eq(asked(), 0);
	write_at(START);
	/* Of 16 MiB, which take 40 ms, in 20 and the 5 of its end. */
	ck_assert_uint_eq(asked(), longer ? 16 : 10);
	bench_end(&b);
}
END_TEST

/*
 * QEMU writes what it has registered and asks for nothing, as in its last round, when the guest
 * stands still. In the chunk where it was or beyond it, it goes on; below, it has gone back.
 */
START_TEST(a_write_below_shows_that_qemu_has_gone_back)
{
	static const struct {
		uint64_t at;
		bool back;
	} cases[] = {{0, true}, {START - 4096, true}, {START, false}, {START + 2 * MIB, false}};
	struct conn_action action;

	start();
	plan();
	write_at(cases[_i].at);
	ck_assert_uint_eq(asked(), cases[_i].back ? 0 : 16);
	ck_assert_int_eq(conn_blocks(b.conn)->block[0].passed, cases[_i].back);
	ck_assert(!conn_next(b.conn, SCAN, &action));
	bench_end(&b);
}
END_TEST

/* The wire works for 40 ms on WRITEs, at `per_second`. */
static void show_rate(uint64_t per_second)
{
	const uint64_t length = 4 * MIB, each = length * 1000 / (per_second / MS);
	uint64_t end = now + 40 * MS;
	struct completion c;

	for (unsigned int i = 0; i < 2; i++)
		ck_assert_int_eq(bench_write_at(&b, WRID_WRITE, i * GIB, i * GIB, length), 0);
	conn_time(b.conn, now);
	for (unsigned int i = 2; now < end; i++) {
		time_passes(each);
		ck_assert(bench_complete_send(&b));
		while (bench_poll(&b, CONN_SEND_CQ, &c))
			;
		if (now < end)
			ck_assert_int_eq(bench_write_at(&b, WRID_WRITE, i * GIB, i * GIB, length),
					 0);
	}
	while (bench_complete_send(&b))
		;
	while (bench_poll(&b, CONN_SEND_CQ, &c))
		;
}

/* Too little time is left, but the wire would have to wait: of the 3 MiB that are ahead at 100
 * MiB/s for 20 ms, at 20 MiB/s not at all. */
START_TEST(the_wire_would_have_to_wait)
{
	const bool fast = _i;

	start();
	begin_round();
	show_rate(fast ? 100 * MIB : 20 * MIB);
	end_round();
	begin_round();
	time_passes(50 * MS);
	end_round();
	begin_round();
	time_passes(45 * MS);
	plan();
	ck_assert_uint_eq(asked() > 0, fast);
	bench_end(&b);
}
END_TEST

/* The wire takes what is left of the guest in less than a second: all of it is asked for, whatever
 * is left of the round. */
START_TEST(the_tail_does_not_wait_for_the_next_round)
{
	start();
	begin_round();
	show_rate(400 * MIB);
	end_round();
	begin_round();
	time_passes(50 * MS);
	end_round();
	begin_round();
	time_passes(45 * MS);
	for (uint64_t at = 16; at < 128; at += 16) {
		plan();
		ck_assert_uint_eq(asked(), 16);
		ck_assert_uint_eq(bench_figures(&b).order.tails, 0);
		registered(40 * MS);
	}
	ck_assert(!conn_next(b.conn, SCAN, &(struct conn_action){0}));
	bench_end(&b);
}
END_TEST

/* QEMU writes `bytes` in front of it, and waits for nothing. */
static void write_ahead(uint64_t bytes)
{
	for (uint64_t at = START + MIB; at < START + MIB + bytes; at += MIB) {
		ck_assert_int_eq(
			bench_write_at(&b, WRID_WRITE, BENCH_LOCAL + at, BENCH_REMOTE + at, MIB),
			0);
		bench_expect(&b, CONN_SEND_CQ, WRID_WRITE, VERBS_WC_SUCCESS);
	}
}

/* When both ends have registered it, QEMU may write all of it at once, and is in no blackout when
 * the wire takes it. */
START_TEST(the_window_opens_for_the_tail)
{
	struct conn_action action;

	start();
	begin_round();
	show_rate(400 * MIB);
	for (uint64_t at = 16; at < 128; at += 16) {
		plan();
		ck_assert_uint_eq(asked(), 16);
		registered(40 * MS);
	}
	write_at(START);
	ck_assert_uint_eq(bench_figures(&b).order.tails, 0);
	while (conn_next(b.conn, REGISTER, &action)) {
		struct conn_result result = {.ns = MS};

		write_at(START);
		ck_assert_uint_eq(bench_figures(&b).order.tails, 0);
		driver_perform(b.driver, &action, &result);
		conn_done(b.conn, &action, &result);
	}
	write_ahead(100 * MIB);
	ck_assert_uint_eq(bench_figures(&b).order.tails, 1);
	ck_assert_uint_eq(bench_figures(&b).order.withheld, 0);
	ck_assert_uint_ge(bench_figures(&b).window_bytes, 100 * MIB);
	while (bench_complete_send(&b))
		;
	/* QEMU is back at the beginning, for another pass. */
	write_at(0);
	ck_assert(conn_blocks(b.conn)->block[0].passed);
	for (unsigned int i = 0; i < 3; i++)
		ck_assert_int_eq(bench_write_at(&b, WRID_WRITE, i * GIB, i * GIB, 4 * MIB), 0);
	ck_assert_uint_eq(bench_figures(&b).order.withheld, 1);
	bench_end(&b);
}
END_TEST

/* Asleep on the CQ of its SENDs and WRITEs, QEMU does not see the READY, with which the next of
 * our own requests may go. */
START_TEST(somebody_listens_for_the_ready_of_ours)
{
	start();
	begin_round();
	ck_assert(!bench_arm(&b, CONN_SEND_CQ));
	plan();
	ck_assert_uint_eq(asked(), 16);
	ck_assert(bench_arm(&b, CONN_SEND_CQ));
	ck_assert_int_eq(b.driver->listen.cq, CONN_RECV_CQ);
	registered(20 * MS);
	ck_assert(!b.driver->listens);
	ck_assert(!bench_arm(&b, CONN_SEND_CQ));
	bench_end(&b);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("conn_plan");
	TCase *tc = tcase_create("conn_plan");

	tcase_add_loop_test(tc, only_between_registrations, 0, 3);
	tcase_add_loop_test(tc, it_fits_the_rest_of_the_round, 0, 6);
	tcase_add_test(tc, near_the_end_of_the_round_it_waits_for_the_next);
	tcase_add_test(tc, a_round_that_is_overdue);
	tcase_add_loop_test(tc, a_round_of_which_nothing_is_known, 0, 100);
	tcase_add_loop_test(tc, a_round_that_begins_has_as_much_time_as_the_last, 0, 2);
	tcase_add_loop_test(tc, a_write_below_shows_that_qemu_has_gone_back, 0, 4);
	tcase_add_loop_test(tc, the_wire_would_have_to_wait, 0, 2);
	tcase_add_test(tc, the_tail_does_not_wait_for_the_next_round);
	tcase_add_test(tc, the_window_opens_for_the_tail);
	tcase_add_test(tc, somebody_listens_for_the_ready_of_ours);
	suite_add_tcase(suite, tc);
	return unit_run(suite);
}
