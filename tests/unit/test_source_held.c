/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <string.h>

#include "core/prefetch.h"
#include "core/source.h"
#include "qemu.h"

/* What QEMU asks for while the destination is asked for the same ahead of it, and what it
 * asks for that becomes a request of our own. */

#define PIECE	(16 * MIB) /* that each end registers at once, as it seems */
#define WRITTEN (17 * MIB) /* registered when QEMU has written its second chunk */

static struct qemu q;

/* QEMU's requests are its own, until a test says that the destination is free. */
static void start(void)
{
	const uint64_t lengths[] = {150 * MIB, 100 * MIB};

	qemu_start(&q, 30, MIB, lengths, 2);
	q.source.prefetch.on = true;
	q.can_ask = false;
	q.source.prefetch.there.bytes = PIECE;
	q.source.prefetch.here.bytes = PIECE;
	qemu_write(&q, 0, 0, 0);
}

/* QEMU has written two chunks of 1 MiB: [0, 17M) of 150M is registered. */
static void start_writing(void)
{
	start();
	qemu_write(&q, 0, 1, 0);
}

static const struct extent *extent_at(uint32_t block, uint64_t at)
{
	return extent_map_find(&q.source.blocks.block[block].remote, (struct range){at, at + 1});
}

START_TEST(a_request_is_held_until_the_result_comes)
{
	struct wire_message own;
	struct message m, reply;

	start_writing();
	ck_assert(qemu_look(&q, 0));
	qemu_request(&q, &m, 0, 17, 4096);
	ck_assert_int_eq(source_send(&q.source, m.data, m.len, CAN_ANSWER, &own), SOURCE_HOLD);
	ck_assert_int_eq(q.source.request.stage, SOURCE_REQUEST_HELD);
	qemu_answer_ahead(&q, &reply);
	ck_assert_int_ne(q.source.request.stage, SOURCE_REQUEST_HELD);
	ck_assert_uint_eq(reply.len, 32);
	ck_assert_uint_eq(message_get32(reply.data, 4), WIRE_REGISTER_RESULT);
	ck_assert_uint_eq(message_get32(reply.data, 16), extent_at(0, WRITTEN)->value);
	ck_assert_uint_eq(message_get64(reply.data, 24), REMOTE(0));
	/* It is QEMU's turn now, as after any result. */
	ck_assert_ptr_nonnull(qemu_register(&q, 0, 17, &(struct range){0, 0}));
	ck_assert_int_eq(q.source.request.stage, SOURCE_REQUEST_NONE);
	ck_assert(q.source.widening);
	qemu_write(&q, 0, 18, 0);
	ck_assert_uint_eq(q.answered, 1);
	ck_assert_uint_eq(q.destination.requests, 3);
	qemu_check_extents(&q, 0);
	source_clear(&q.source);
}
END_TEST

/*
 * Both ends register what QEMU asks for, and as a request of our own they do so at once; QEMU
 * waits for the answer as for any.
 */
START_TEST(qemus_own_request_becomes_one_of_ours)
{
	struct ram_block *block;
	struct wire_message own;
	struct wire_register asked;
	struct message m, reply;
	struct range range;

	start();
	block = &q.source.blocks.block[0];
	block->watched = true;
	ck_assert_int_eq(extent_map_insert(&block->local, (struct range){0, MIB}, 1), 0);
	ck_assert(!source_prefetch_local(&q.source, &block, &range));
	qemu_request(&q, &m, 0, 1, 4096);
	ck_assert_int_eq(source_send(&q.source, m.data, m.len, CAN_ASK, &own), SOURCE_ASK);
	ck_assert_int_eq(q.source.request.stage, SOURCE_REQUEST_HELD);
	ck_assert_uint_eq(q.source.prefetch.late, 4);
	asked = source_asked(&q.source);
	ck_assert_uint_eq(asked.addr, OFFSET(0) + MIB);
	ck_assert_uint_eq(asked.chunks, 15);
	ck_assert_uint_eq(extent_at(0, MIB)->value, PREFETCH_NO_RKEY_YET);
	/* QEMU's chunk with the rest of it */
	ck_assert(source_prefetch_local(&q.source, &block, &range));
	ck_assert_uint_eq(range.start, MIB);
	ck_assert_uint_eq(range.end, 17 * MIB);
	/* The destination may end the migration over that, once it has it. */
	ck_assert(!source_may_be_too_much(&q.source));
	prefetch_asked(&q.source.prefetch, 0, 0);
	ck_assert(source_may_be_too_much(&q.source));
	q.asked = true;
	q.ahead = asked;
	q.credits--;
	qemu_answer_ahead(&q, &reply);
	ck_assert_uint_eq(message_get32(reply.data, 16), extent_at(0, MIB)->value);
	ck_assert_uint_eq(message_get64(reply.data, 24), REMOTE(0));
	/* Its own to register, if it is not yet. */
	ck_assert(!source_prefetch_local(&q.source, &block, &range));
	ck_assert_ptr_nonnull(qemu_register(&q, 0, 1, &(struct range){0, 0}));
	ck_assert(q.source.widening);
	for (uint64_t chunk = 2; chunk < 17; chunk++)
		qemu_write(&q, 0, chunk, 0);
	ck_assert_uint_eq(q.answered, 15);
	ck_assert_uint_eq(q.destination.requests, 2);
	/* And so on */
	q.can_ask = true;
	for (uint64_t chunk = 17; chunk < 150; chunk++) {
		qemu_write(&q, 0, chunk, 0);
		qemu_check_extents(&q, chunk);
	}
	ck_assert_uint_eq(q.sent, 2);
	ck_assert_uint_eq(q.destination.repeated, 0);
	source_clear(&q.source);
}
END_TEST

/* What the destination takes for QEMU's own requests tells of it as well; of one chunk, or of what
 * nobody knows when it was posted, nothing. */
START_TEST(a_request_of_qemus_is_measured)
{
	const uint64_t ms = 1000000;
	const struct piece *there = &q.source.prefetch.there;
	struct wire_message own;
	struct message m, reply;

	start();
	if (_i == 1)
		qemu_hole(&q, 0, 2 * MIB, 150 * MIB);
	qemu_request(&q, &m, 0, 1, 0);
	ck_assert_int_eq(source_send(&q.source, m.data, m.len, CAN_ANSWER, &own),
			 _i == 1 ? SOURCE_FORWARD : SOURCE_REPLACE);
	/* Behind WRITEs of 30 ms */
	if (_i < 2)
		source_posted(&q.source, 100 * ms, 30 * ms);
	message_result(&reply, 42, REMOTE(0));
	source_receive(&q.source, reply.data, reply.len, 140 * ms);
	ck_assert_uint_eq(there->ns, _i ? 0 : 20 * ms);
	ck_assert_uint_eq(there->bytes, _i ? PIECE : 2 * PIECE);
	source_clear(&q.source);
}
END_TEST

START_TEST(it_stays_qemus_own_where_it_must)
{
	struct wire_message own;
	struct source_can can = CAN_ASK;
	enum source_verdict verdict = SOURCE_REPLACE;
	struct message m;

	start_writing();
	switch (_i) {
	case 0: /* no RECVs for the answer */
		can.answer = false;
		break;
	case 1: /* the destination is not free */
		can.ask = false;
		break;
	case 2: /* nobody looks after the other CQ */
		q.source.prefetch.on = false;
		break;
	case 3: /* the guest may be standing still */
		source_passed(&q.source, 0, MIB);
		break;
	case 4: /* the other end cannot register much */
		q.source.single = true;
		verdict = SOURCE_FORWARD;
		break;
	case 5: /* one chunk, as QEMU wrote it */
		qemu_hole(&q, 0, 51 * MIB, 150 * MIB);
		verdict = SOURCE_FORWARD;
		break;
	}
	qemu_request(&q, &m, 0, 50, 0);
	ck_assert_int_eq(source_send(&q.source, m.data, m.len, can, &own), verdict);
	ck_assert_int_eq(q.source.request.stage, SOURCE_REQUEST_SENT);
	/* Its extent comes with its result. */
	ck_assert_ptr_null(extent_at(0, 50 * MIB));
	ck_assert_uint_eq(q.source.prefetch.late, 0);
	source_clear(&q.source);
}
END_TEST

/* Without RECVs for the answer it goes out; the destination has both. */
START_TEST(what_cannot_be_answered_is_sent)
{
	struct message m, reply;

	start_writing();
	ck_assert(qemu_look(&q, 0));
	q.can_answer = false;
	qemu_request(&q, &m, 0, 17, 0);
	ck_assert_int_eq(qemu_exchange(&q, &m, &reply), SOURCE_FORWARD);
	ck_assert_int_ne(q.source.request.stage, SOURCE_REQUEST_HELD);
	ck_assert_uint_eq(q.destination.requests, 4);
	ck_assert_ptr_nonnull(qemu_register(&q, 0, 17, &(struct range){0, 0}));
	ck_assert(q.source.widening);
	qemu_check_extents(&q, 0);
	q.can_answer = true;
	qemu_write(&q, 0, 18, 0);
	ck_assert_uint_eq(q.answered, 1);
	source_clear(&q.source);
}
END_TEST

START_TEST(a_held_request_that_qemu_gives_up)
{
	struct wire_message own;
	struct message m;

	start_writing();
	ck_assert(qemu_look(&q, 0));
	qemu_request(&q, &m, 0, 17, 0);
	ck_assert_int_eq(source_send(&q.source, m.data, m.len, CAN_ANSWER, &own), SOURCE_HOLD);
	message_begin(&m, WIRE_QEMU_FILE, 1);
	ck_assert_int_eq(source_send(&q.source, m.data, m.len, CAN_ANSWER, &own), SOURCE_FORWARD);
	ck_assert_int_ne(q.source.request.stage, SOURCE_REQUEST_HELD);
	ck_assert(q.source.widening);
	/* Then the result is nobody's, but true. */
	qemu_answer_ahead(&q, &m);
	ck_assert_uint_eq(m.len, 0);
	qemu_check_extents(&q, 0);
	qemu_write(&q, 0, 17, 0);
	ck_assert_uint_eq(q.answered, 1);
	source_clear(&q.source);
}
END_TEST

START_TEST(a_result_that_is_none)
{
	struct wire_message own = {.len = 4711};
	struct message m;
	bool held = true;

	start_writing();
	message_result(&m, 42, REMOTE(0));
	ck_assert(qemu_look(&q, 0));
	ck_assert_int_eq(source_prefetched(&q.source, m.data, m.len - 1, 0, &held, &own), -EBADMSG);
	m.data[11] = 2;
	ck_assert_int_eq(source_prefetched(&q.source, m.data, m.len, 0, &held, &own), -EBADMSG);
	message_begin(&m, WIRE_READY, 1);
	ck_assert_int_eq(source_prefetched(&q.source, m.data, m.len, 0, &held, &own), -EBADMSG);
	ck_assert(held);
	ck_assert_uint_eq(own.len, 4711);
	ck_assert_uint_eq(extent_at(0, WRITTEN)->value, PREFETCH_NO_RKEY_YET);
	source_clear(&q.source);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("source_held");
	TCase *tc = tcase_create("source_held");

	tcase_add_test(tc, a_request_is_held_until_the_result_comes);
	tcase_add_test(tc, qemus_own_request_becomes_one_of_ours);
	tcase_add_loop_test(tc, a_request_of_qemus_is_measured, 0, 3);
	tcase_add_loop_test(tc, it_stays_qemus_own_where_it_must, 0, 6);
	tcase_add_test(tc, what_cannot_be_answered_is_sent);
	tcase_add_test(tc, a_held_request_that_qemu_gives_up);
	tcase_add_test(tc, a_result_that_is_none);
	suite_add_tcase(suite, tc);
	return unit_run(suite);
}
