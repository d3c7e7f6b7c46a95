/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "core/conn.h"

#include <errno.h>

#include "bench.h"
#include "core/verbs_values.h"
#include "driver_mr.h"

/* Memory through a connection: which MR serves what QEMU registers and writes, and when it is
 * given back. */

static struct bench b;

/* Chunk 0 is registered alone; the destination has been asked for chunks 2 and 3 at once. */
static void start(unsigned int mode)
{
	struct message m, answer;

	bench_start_source(&b, mode, 21);
	message_register(&m, WIRE_REGISTER_REQUEST, 2 * MIB, 0, 0);
	ck_assert_int_eq(bench_send(&b, &m), BENCH_REPLACED);
	ck_assert(bench_complete_send(&b));
	bench_expect(&b, CONN_SEND_CQ, WRID_SEND, VERBS_WC_SUCCESS);
	message_result(&answer, bench_rkey(&b), BENCH_REMOTE);
	bench_incoming(&b, &answer);
	ck_assert(bench_complete_recv(&b));
	bench_expect(&b, CONN_RECV_CQ, WRID_RECV + 1, VERBS_WC_SUCCESS);
	bench_pass_ready(&b);
	bench_post_answer_recvs(&b);
}

static uint32_t registered(uint64_t chunk)
{
	bench_register(&b, BENCH_LOCAL + chunk * MIB, MIB);
	return b.driver->handle[b.driver->handles - 1]->real.lkey;
}

static void discard(uint64_t from, uint64_t to)
{
	struct ram_blocks *blocks = conn_blocks(b.conn);

	ram_blocks_discard(blocks, &blocks->block[0], (struct range){from * MIB, to * MIB});
}

/* QEMU writes [from, to) under the lkey that it has; what the call returns. */
static int write_chunks(uint64_t from, uint64_t to, uint32_t lkey)
{
	struct conn_wr wr = {
		.wr_id = WRID_WRITE,
		.length = (to - from) * MIB,
		.local_addr = BENCH_LOCAL + from * MIB,
		.remote_addr = BENCH_REMOTE + from * MIB,
		.lkey = lkey,
		.rkey = 2,
	};

	return bench_post(&b, &wr);
}

/* Complete all, and have QEMU poll. */
static void finish(void)
{
	struct completion wc;

	while (bench_complete_send(&b))
		;
	while (bench_poll(&b, CONN_SEND_CQ, &wc))
		ck_assert_uint_eq(wc.status, VERBS_WC_SUCCESS);
}

/* Both chunks of a region; its MR goes with the second handle. */
START_TEST(one_mr_for_a_region)
{
	struct mr **handle;
	uint32_t lkey;
	void *real;

	start((unsigned int)_i);
	handle = b.driver->handle;
	lkey = registered(2);
	ck_assert_uint_eq(registered(3), lkey);
	ck_assert_uint_ne(registered(4), lkey);
	ck_assert_uint_eq(bench_figures(&b).mrs.asked, 4);
	ck_assert_uint_eq(bench_figures(&b).mrs.made, 3);
	ck_assert_uint_eq(bench_figures(&b).mrs.largest, 2 * MIB);
	ck_assert_uint_eq(bench_figures(&b).mrs.pinned, 4 * MIB);
	ck_assert_ptr_null(mrs_put(handle[1]));
	real = mrs_put(handle[2]);
	ck_assert_ptr_nonnull(real);
	driver_mr_give_back(b.driver, real);
	ck_assert_uint_eq(bench_figures(&b).mrs.pinned, 2 * MIB);
	ck_assert_uint_eq(bench_figures(&b).mrs.pinned_peak, 4 * MIB);
	handle[1] = handle[3];
	b.driver->handles = 2;
	bench_end(&b);
}
END_TEST

START_TEST(a_write_from_what_was_discarded_gets_an_mr_of_its_own)
{
	uint32_t lkey, fresh;

	start((unsigned int)_i);
	lkey = registered(2);
	ck_assert_int_eq(write_chunks(2, 3, lkey), 0);
	ck_assert_uint_eq(bench_at(&b, 0)->lkey, lkey);
	finish();
	discard(2, 3);
	ck_assert_int_eq(write_chunks(2, 3, lkey), 0);
	fresh = bench_at(&b, 0)->lkey;
	ck_assert_uint_ne(fresh, lkey);
	ck_assert_uint_eq(b.world.mr[fresh].addr, BENCH_LOCAL + 2 * MIB);
	ck_assert_uint_eq(b.world.mr[fresh].length, MIB);
	finish();
	/* And so do later ones; the other chunk's is right. */
	ck_assert_int_eq(write_chunks(2, 3, lkey), 0);
	ck_assert_uint_eq(bench_at(&b, 0)->lkey, fresh);
	finish();
	ck_assert_int_eq(write_chunks(3, 4, lkey), 0);
	ck_assert_uint_eq(bench_at(&b, 0)->lkey, lkey);
	ck_assert_uint_eq(bench_figures(&b).mrs.renewed, 1);
	finish();
	bench_end(&b);
}
END_TEST

/* Early, in parts; else one MR has to hold all of it. */
START_TEST(a_write_that_reaches_into_two_mrs)
{
	const bool early = _i & BENCH_WRITES;
	struct completion wc;
	uint32_t lkey;

	start((unsigned int)_i);
	lkey = registered(2);
	discard(3, 4);
	ck_assert_int_eq(write_chunks(2, 4, lkey), 0);
	ck_assert_uint_eq(bench_in_flight(&b), early ? 2 : 1);
	ck_assert_uint_eq(bench_at(&b, 0)->length, early ? MIB : 2 * MIB);
	ck_assert_uint_eq(bench_at(&b, 0)->lkey == lkey, early);
	if (early)
		ck_assert_uint_ne(bench_at(&b, 1)->lkey, lkey);
	while (bench_complete_send(&b))
		;
	/* It is one to QEMU. */
	ck_assert(bench_poll(&b, CONN_SEND_CQ, &wc));
	ck_assert_uint_eq(wc.wr_id, WRID_WRITE);
	bench_expect_nothing(&b, CONN_SEND_CQ);
	bench_end(&b);
}
END_TEST

/* Whatever handle QEMU has; but not while a WRITE is on its way. */
START_TEST(an_mr_of_which_all_was_discarded_is_given_back)
{
	const struct mr *old;
	uint32_t lkey;

	start((unsigned int)_i);
	lkey = registered(2);
	old = b.driver->handle[1];
	ck_assert_int_eq(write_chunks(2, 4, lkey), 0);
	discard(2, 4);
	ck_assert_int_eq(write_chunks(2, 3, lkey), 0);
	ck_assert_int_eq(write_chunks(3, 4, lkey), 0);
	ck_assert_int_eq(old->state, MR_STALE);
	ck_assert_uint_eq(b.driver->given_back, 0);
	finish();
	ck_assert_uint_eq(b.driver->given_back, 1);
	ck_assert(b.world.mr[lkey].gone);
	ck_assert_int_eq(old->state, MR_GONE);
	/* QEMU's handle goes later, and nothing with it. */
	ck_assert_ptr_null(mrs_put(b.driver->handle[1]));
	b.driver->handles = 1;
	bench_end(&b);
}
END_TEST

/* There is room for what QEMU needs, once what is of no use has been given back; for that it
 * waits for the WRITEs. */
START_TEST(room_is_made_before_a_registration_fails)
{
	struct conn_registration want = {.addr = BENCH_LOCAL + 8 * MIB, .length = MIB};
	struct mr *mr;
	uint32_t lkey;

	start((unsigned int)_i);
	lkey = registered(2);
	b.driver->limit = 3 * MIB;
	b.driver->asked = MIB;
	ck_assert_int_eq(write_chunks(2, 3, lkey), 0);
	discard(3, 4);
	ck_assert_int_eq(conn_register(b.conn, &want, &mr), CONN_AGAIN);
	ck_assert_int_eq(conn_waits(b.conn), CONN_WAITS_FOR_WRITES);
	ck_assert(!b.world.mr[lkey].gone);
	finish();
	ck_assert_int_eq(conn_waits(b.conn), CONN_WAITS_FOR_NOTHING);
	ck_assert(b.world.mr[lkey].gone);
	ck_assert_uint_ne(registered(8), lkey);
	/* What was given up is registered again when it is needed. */
	ck_assert_int_eq(write_chunks(2, 3, lkey), 0);
	ck_assert_uint_ne(bench_at(&b, 0)->lkey, lkey);
	finish();
	bench_end(&b);
}
END_TEST

/* A WRITE that is not taken apart needs one MR for all of it: those that it takes the place of
 * go first, though nothing in them was discarded since. */
START_TEST(room_is_made_of_what_a_write_supersedes)
{
	uint32_t lkey;

	start((unsigned int)_i & ~BENCH_WRITES);
	lkey = registered(2);
	for (uint64_t chunk = 2; chunk < 4; chunk++) {
		discard(chunk, chunk + 1);
		ck_assert_int_eq(write_chunks(chunk, chunk + 1, lkey), 0);
		finish();
	}
	ck_assert_uint_eq(b.driver->pinned, 3 * MIB);
	b.driver->limit = 3 * MIB;
	b.driver->asked = MIB;
	ck_assert_int_eq(write_chunks(2, 4, lkey), 0);
	ck_assert_uint_eq(b.world.mr[bench_at(&b, 0)->lkey].length, 2 * MIB);
	finish();
	ck_assert_uint_eq(b.driver->pinned, 3 * MIB);
	bench_end(&b);
}
END_TEST

START_TEST(without_room_a_registration_fails)
{
	uint32_t lkey;

	start((unsigned int)_i);
	registered(2);
	b.driver->limit = MIB;
	ck_assert_int_eq(driver_register(b.driver, BENCH_LOCAL + 8 * MIB, MIB, 0, &lkey), -ENOMEM);
	ck_assert_int_eq(conn_state(b.conn), CONN_ACTIVE);
	/* What may be of no use has been given back for it. */
	ck_assert_uint_eq(b.driver->pinned, MIB);
	bench_end(&b);
}
END_TEST

/* Whatever a provider calls it: none of its errors says that waiting helps. */
START_TEST(a_providers_error_is_not_waited_out)
{
	static const int errors[] = {-EAGAIN, -EBUSY, -EINTR};
	uint32_t lkey;

	start(0);
	registered(2);
	b.driver->limit = MIB;
	b.driver->beyond = errors[_i];
	ck_assert_int_eq(driver_register(b.driver, BENCH_LOCAL + 8 * MIB, MIB, 0, &lkey),
			 errors[_i]);
	b.driver->limit = 0;
	bench_end(&b);
}
END_TEST

/* Stale memory must not go out, and QEMU would take ENOMEM for a reason to wait. */
START_TEST(without_room_a_write_fails_the_connection)
{
	start((unsigned int)_i);
	discard(0, 1);
	b.driver->limit = 1;
	ck_assert_int_eq(write_chunks(0, 1, b.driver->handle[0]->real.lkey), -EIO);
	ck_assert_int_eq(conn_state(b.conn), CONN_FAILED);
	b.driver->limit = 0;
	bench_end(&b);
}
END_TEST

/* Other access flags: nobody else may use it. */
START_TEST(an_mr_with_other_access_flags_is_for_itself)
{
	uint32_t first, key;

	start((unsigned int)_i);
	first = registered(2);
	ck_assert_int_eq(driver_register(b.driver, BENCH_LOCAL + 3 * MIB, MIB, 4, &key), 0);
	ck_assert_uint_ne(key, first);
	ck_assert_int_eq(b.driver->handle[2]->state, MR_PRIVATE);
	bench_end(&b);
}
END_TEST

START_TEST(a_block_that_cannot_be_watched_is_qemus)
{
	uint32_t lkey;

	bench_start(&b, CONN_SOURCE, (unsigned int)_i, 21);
	b.world.discards.scarce = 100;
	bench_pass_ready(&b);
	ck_assert_int_eq(driver_register(b.driver, BENCH_LOCAL, MIB, 0, &lkey), 0);
	ck_assert_uint_eq(b.driver->handles, 0);
	ck_assert_uint_eq(b.driver->owns, 1);
	bench_end(&b);
}
END_TEST

/* The handle outlives the connection. */
START_TEST(what_qemu_has_is_left_to_it)
{
	start((unsigned int)_i);
	registered(2);
	discard(2, 3);
	ck_assert_int_eq(write_chunks(2, 3, 1), 0);
	finish();
	b.qp->error = true;
	driver_end(b.driver, true);
}
END_TEST

/* The peer ends the migration when it was to register more than QEMU would have asked for. */
START_TEST(a_peer_that_cannot_register_much)
{
	struct message m;

	start((unsigned int)_i);
	message_register(&m, WIRE_REGISTER_REQUEST, 6 * MIB, 0, 0);
	ck_assert_int_eq(bench_send(&b, &m), BENCH_REPLACED);
	conn_disconnected(b.conn);
	bench_run(&b);
	ck_assert(b.driver->shunned);
	/* It is said once. */
	b.driver->shunned = false;
	conn_disconnected(b.conn);
	message_begin(&m, WIRE_ERROR, 1);
	bench_incoming(&b, &m);
	ck_assert(bench_complete_recv(&b));
	ck_assert(!b.driver->shunned);
	bench_end(&b);
}
END_TEST

START_TEST(a_peer_that_says_that_it_cannot)
{
	struct message m;

	start((unsigned int)_i);
	message_register(&m, WIRE_REGISTER_REQUEST, 6 * MIB, 0, 0);
	ck_assert_int_eq(bench_send(&b, &m), BENCH_REPLACED);
	message_begin(&m, WIRE_ERROR, 1);
	bench_incoming(&b, &m);
	ck_assert(bench_complete_recv(&b));
	ck_assert(b.driver->shunned);
	bench_end(&b);
}
END_TEST

/* It was QEMU that gave up; or nothing was to be registered. */
START_TEST(a_peer_that_goes_for_another_reason)
{
	struct message m, error;

	start((unsigned int)_i);
	conn_disconnected(b.conn);
	bench_run(&b);
	ck_assert(!b.driver->shunned);
	message_register(&m, WIRE_REGISTER_REQUEST, 6 * MIB, 0, 0);
	ck_assert_int_eq(bench_send(&b, &m), BENCH_REPLACED);
	message_begin(&error, WIRE_ERROR, 1);
	ck_assert_int_eq(bench_send(&b, &error), BENCH_SENT);
	conn_disconnected(b.conn);
	bench_run(&b);
	ck_assert(!b.driver->shunned);
	bench_end(&b);
}
END_TEST

/* The link is lost: WRs of ours time out, and what the destination was asked for meanwhile has
 * nothing to do with that. */
START_TEST(a_peer_whose_link_is_lost)
{
	struct message m;

	start((unsigned int)_i);
	message_register(&m, WIRE_REGISTER_REQUEST, 6 * MIB, 0, 0);
	ck_assert_int_eq(bench_send(&b, &m), BENCH_REPLACED);
	bench_fail_sends(&b, NIC_WC_RETRY_EXC_ERR);
	conn_disconnected(b.conn);
	bench_run(&b);
	ck_assert(!b.driver->shunned);
	bench_end(&b);
}
END_TEST

/* It has not been asked yet: a request of QEMU's waits for the READY of a zero run. */
START_TEST(a_peer_that_goes_before_it_is_asked)
{
	struct message zero, m;

	start((unsigned int)_i | BENCH_ZEROS);
	message_compress(&zero, 0, 10 * MIB, MIB);
	ck_assert_int_eq(bench_send(&b, &zero), BENCH_NOTHING);
	message_compress(&zero, 0, 12 * MIB, MIB);
	bench_post_recv(&b, 0);
	ck_assert_int_eq(bench_send(&b, &zero), BENCH_NOTHING);
	message_register(&m, WIRE_REGISTER_REQUEST, 6 * MIB, 0, 0);
	ck_assert_int_eq(bench_send(&b, &m), BENCH_WAITS);
	conn_disconnected(b.conn);
	bench_run(&b);
	ck_assert(!b.driver->shunned);
	bench_end(&b);
}
END_TEST

/* Told before the connection: single chunks only. */
START_TEST(a_peer_that_is_asked_singly)
{
	struct message m;

	bench_init(&b, CONN_SOURCE, (unsigned int)_i, 21);
	conn_ask_singly(b.conn);
	bench_post_recv(&b, 0);
	bench_connect(&b, CONN_SOURCE);
	bench_learn(&b, BENCH_LENGTH, MIB, BENCH_LOCAL);
	bench_post_answer_recvs(&b);
	message_register(&m, WIRE_REGISTER_REQUEST, 2 * MIB, 0, 0);
	ck_assert_int_eq(bench_send(&b, &m), BENCH_SENT);
	bench_end(&b);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("conn_mrs");
	TCase *tc = tcase_create("conn_mrs");

	/* With writes completed early, and without. */
	tcase_add_loop_test(tc, one_mr_for_a_region, 0, BENCH_ZEROS);
	tcase_add_loop_test(tc, a_write_from_what_was_discarded_gets_an_mr_of_its_own, 0,
			    BENCH_ZEROS);
	tcase_add_loop_test(tc, a_write_that_reaches_into_two_mrs, 0, BENCH_ZEROS);
	tcase_add_loop_test(tc, an_mr_of_which_all_was_discarded_is_given_back, 0, BENCH_ZEROS);
	tcase_add_loop_test(tc, room_is_made_before_a_registration_fails, 0, BENCH_ZEROS);
	tcase_add_loop_test(tc, a_providers_error_is_not_waited_out, 0, 3);
	tcase_add_loop_test(tc, room_is_made_of_what_a_write_supersedes, 0, BENCH_MODES);
	tcase_add_loop_test(tc, without_room_a_registration_fails, 0, BENCH_ZEROS);
	tcase_add_loop_test(tc, without_room_a_write_fails_the_connection, 0, BENCH_ZEROS);
	tcase_add_loop_test(tc, an_mr_with_other_access_flags_is_for_itself, 0, BENCH_ZEROS);
	tcase_add_loop_test(tc, a_block_that_cannot_be_watched_is_qemus, 0, BENCH_ZEROS);
	tcase_add_loop_test(tc, what_qemu_has_is_left_to_it, 0, BENCH_ZEROS);
	tcase_add_loop_test(tc, a_peer_that_cannot_register_much, 0, BENCH_ZEROS);
	tcase_add_loop_test(tc, a_peer_that_says_that_it_cannot, 0, BENCH_ZEROS);
	tcase_add_loop_test(tc, a_peer_that_goes_for_another_reason, 0, BENCH_ZEROS);
	tcase_add_loop_test(tc, a_peer_whose_link_is_lost, 0, BENCH_ZEROS);
	tcase_add_loop_test(tc, a_peer_that_goes_before_it_is_asked, 0, BENCH_ZEROS);
	tcase_add_loop_test(tc, a_peer_that_is_asked_singly, 0, BENCH_ZEROS);
	suite_add_tcase(suite, tc);
	return unit_run(suite);
}
