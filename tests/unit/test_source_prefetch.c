/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <string.h>

#include "core/prefetch.h"
#include "core/source.h"
#include "qemu.h"

/* Registration ahead of QEMU at the source: where data is looked for, what is asked
 * for, and what QEMU gets when it asks for the same. */

#define FIRST	   (UINT64_C(1) << PREFETCH_FIRST_SHIFT)
#define LOOK_AHEAD (64 * MIB) /* how far; source.c's own */

static struct qemu q;

static void start(unsigned int shift, uint64_t chunk_size, const uint64_t *lengths,
		  unsigned int count)
{
	qemu_start(&q, shift, chunk_size, lengths, count);
	q.source.prefetch.on = true;
}

/* QEMU has written two chunks of 1 MiB: [0, 16M) of 150M is registered. */
static void start_writing(void)
{
	const uint64_t lengths[] = {150 * MIB, 100 * MIB};

	start(30, MIB, lengths, 2);
	qemu_write(&q, 0, 0, 0);
	qemu_write(&q, 0, 1, 0);
}

static void check_look(uint32_t block, uint64_t from, uint64_t to)
{
	struct prefetch_scan look;

	ck_assert(source_scan(&q.source, &look));
	ck_assert_uint_eq(look.block, block);
	ck_assert_uint_eq(look.range.start, from);
	ck_assert_uint_eq(look.range.end, to);
	ck_assert_uint_eq(look.place.addr, LOCAL(block));
	ck_assert_uint_eq(look.place.chunk, q.destination.chunk_size);
}

/*
 * A run of zeros may end within a chunk. What is registered here has to hold the chunk as a
 * whole: QEMU registers it as one, and a part would be pinned for nothing.
 */
START_TEST(here_it_begins_with_a_chunk)
{
	const uint64_t lengths[] = {32 * MIB};
	struct ram_block *block;
	struct range range;

	start(30, 2 * MIB, lengths, 1);
	qemu_write(&q, 0, 0, 0);
	qemu_write(&q, 0, 1, 0);
	block = &q.source.blocks.block[0];
	block->watched = true;
	ck_assert_uint_eq(extent_map_insert(&block->local, (struct range){0, 4 * MIB}, 1), 0);
	source_passed(&q.source, 0, 5 * MIB);
	ck_assert(source_prefetch_local(&q.source, &block, &range));
	ck_assert_uint_eq(range.start, 4 * MIB);
	source_clear(&q.source);
}
END_TEST

static void check_no_look(void)
{
	struct prefetch_scan look = {.position = 4711};

	ck_assert(!source_scan(&q.source, &look));
	ck_assert_uint_eq(look.position, 4711);
}

static const struct extent *extent_at(uint32_t block, uint64_t at)
{
	return extent_map_find(&q.source.blocks.block[block].remote, (struct range){at, at + 1});
}

/* The request that was just made is for [from, to). */
static void check_asked(uint32_t block, uint64_t from, uint64_t to)
{
	const struct extent *extent = extent_at(block, from);

	ck_assert(q.asked);
	ck_assert_uint_eq(q.ahead.block, block);
	ck_assert_uint_eq(q.ahead.addr, OFFSET(block) + from);
	ck_assert_uint_eq(q.ahead.chunks, (to - from - 1) / q.destination.chunk_size);
	ck_assert_uint_eq(extent->range.start, from);
	ck_assert_uint_eq(extent->range.end, to);
	ck_assert_uint_eq(extent->value, PREFETCH_NO_RKEY_YET);
}

/* The destination answers, and QEMU was not waiting for that. */
static void answer(void)
{
	struct message reply;

	qemu_answer_ahead(&q, &reply);
	ck_assert_uint_eq(reply.len, 0);
	qemu_check_extents(&q, 0);
}

START_TEST(requests_begin_small_and_grow)
{
	struct wire_message own;
	struct message m, reply;

	start(30, MIB, (uint64_t[]){150 * MIB}, 1);
	qemu_write(&q, 0, 0, 0);
	for (uint64_t at = 1, end = 16; at < 128; at = end, end *= 2) {
		qemu_request(&q, &m, 0, at, 0);
		ck_assert_int_eq(qemu_judge(&q, &m, &own), SOURCE_REPLACE);
		ck_assert_uint_eq(message_get64(own.bytes, 16), at * MIB);
		ck_assert_uint_eq(message_get64(own.bytes, 32), end - at - 1);
		qemu_write(&q, 0, at, 0);
	}
	/* From where QEMU is, and never beyond an extent or the block. */
	qemu_request(&q, &m, 0, 140, 0);
	ck_assert_int_eq(qemu_exchange(&q, &m, &reply), SOURCE_REPLACE);
	ck_assert_uint_eq(extent_at(0, 140 * MIB)->range.start, 140 * MIB);
	ck_assert_uint_eq(extent_at(0, 140 * MIB)->range.end, 150 * MIB);
	ck_assert_ptr_nonnull(qemu_register(&q, 0, 140, &(struct range){0, 0}));
	qemu_write(&q, 0, 139, 0);
	ck_assert_uint_eq(extent_at(0, 139 * MIB)->range.end, 140 * MIB);
	/* Across an extent nothing is widened, then or later. */
	message_register(&m, WIRE_REGISTER_REQUEST, 138 * MIB, 0, 1);
	ck_assert_int_eq(source_send(&q.source, m.data, m.len, true, &own), SOURCE_FORWARD);
	ck_assert(!q.source.widening);
	source_clear(&q.source);
}
END_TEST

START_TEST(it_looks_only_when_it_knows_what_it_may_ask_for)
{
	start(30, MIB, (uint64_t[]){150 * MIB, 100 * MIB}, 2);
	check_no_look();
	/* Of the first chunk nobody knew the size. */
	qemu_write(&q, 0, 0, 0);
	check_no_look();
	qemu_write(&q, 0, 1, 0);
	check_look(0, FIRST, FIRST + LOOK_AHEAD);
	q.source.widening = false;
	check_no_look();
	q.source.widening = true;
	q.source.prefetch.on = false;
	check_no_look();
	q.source.prefetch.on = true;
	q.source.single = true;
	check_no_look();
	q.source.single = false;
	/* A block whose memory nobody has seen */
	source_passed(&q.source, 1, 5 * MIB);
	check_no_look();
	qemu_write(&q, 1, 5, 0);
	check_look(1, 6 * MIB, 6 * MIB + LOOK_AHEAD);
	source_clear(&q.source);
}
END_TEST

START_TEST(the_chunk_with_data_and_the_rest_of_its_piece)
{
	start_writing();
	check_look(0, FIRST, FIRST + LOOK_AHEAD);
	ck_assert(qemu_look(&q, 3 * MIB));
	check_asked(0, FIRST + 3 * MIB, 2 * FIRST);
	answer();
	/* Enough, until QEMU comes to it. */
	check_no_look();
	qemu_write(&q, 0, 10, 0);
	check_no_look();
	qemu_write(&q, 0, 19, 0);
	/* The next is twice as long; what was zero is not looked at again. */
	check_look(0, 2 * FIRST, 2 * FIRST + LOOK_AHEAD);
	ck_assert(qemu_look(&q, 0));
	check_asked(0, 2 * FIRST, 4 * FIRST);
	answer();
	check_no_look();
	qemu_write(&q, 0, 40, 0);
	check_look(0, 4 * FIRST, 4 * FIRST + LOOK_AHEAD);
	ck_assert(qemu_look(&q, 0));
	check_asked(0, 4 * FIRST, 8 * FIRST);
	answer();
	qemu_write(&q, 0, 63, 0);
	check_no_look();
	qemu_write(&q, 0, 70, 0);
	check_look(0, 8 * FIRST, 150 * MIB);
	/* QEMU need not ask for any of that. */
	ck_assert_uint_eq(q.answered, 5);
	ck_assert_uint_eq(q.destination.requests, 5);
	source_clear(&q.source);
}
END_TEST

START_TEST(a_piece_ends_where_the_data_does)
{
	start_writing();
	qemu_hole(&q, 0, FIRST + 3 * MIB, FIRST + 4 * MIB);
	qemu_hole(&q, 0, FIRST + 9 * MIB, 149 * MIB);
	ck_assert(qemu_look(&q, 0));
	check_asked(0, FIRST, FIRST + 9 * MIB);
	answer();
	/* Data that is too far ahead is for later. */
	qemu_write(&q, 0, 24, 0);
	ck_assert(!qemu_look(&q, 0));
	check_no_look();
	source_passed(&q.source, 0, 100 * MIB);
	ck_assert(qemu_look(&q, 0));
	check_asked(0, 149 * MIB, 150 * MIB);
	source_clear(&q.source);

	/* Memory to lock is short: gaps are not bridged. */
	start_writing();
	q.source.prefetch.bridge = false;
	qemu_hole(&q, 0, FIRST + 3 * MIB, FIRST + 4 * MIB);
	ck_assert(qemu_look(&q, 0));
	check_asked(0, FIRST, FIRST + 3 * MIB);
	source_clear(&q.source);
}
END_TEST

START_TEST(what_has_no_data_is_skipped_and_remembered)
{
	start_writing();
	ck_assert(!qemu_look(&q, QEMU_NO_DATA));
	ck_assert_uint_eq(q.source.prefetch.scanned, FIRST + LOOK_AHEAD);
	ck_assert_uint_eq(q.source.blocks.block[0].remote.count, 2);
	/* No further than that ahead of QEMU, which has to come closer first. */
	check_no_look();
	source_passed(&q.source, 0, FIRST);
	check_no_look();
	source_passed(&q.source, 0, FIRST + MIB);
	check_look(0, FIRST + LOOK_AHEAD, 9 * FIRST);
	ck_assert(qemu_look(&q, 20 * MIB));
	check_asked(0, 100 * MIB, 7 * FIRST);
	answer();
	/* It was zero when it was looked at, and is free for what QEMU finds there. */
	qemu_write(&q, 0, 90, 0);
	ck_assert_uint_eq(extent_at(0, 90 * MIB)->range.start, 90 * MIB);
	ck_assert_uint_eq(extent_at(0, 90 * MIB)->range.end, 6 * FIRST);
	ck_assert_uint_eq(q.destination.repeated, 0);
	source_clear(&q.source);
}
END_TEST

/* COMPRESS may end anywhere; requests are for whole chunks. */
START_TEST(the_place_within_a_chunk)
{
	start_writing();
	source_passed(&q.source, 0, 20 * MIB + 4096);
	check_look(0, 20 * MIB, 20 * MIB + LOOK_AHEAD);
	ck_assert(qemu_look(&q, 0));
	check_asked(0, 20 * MIB, 32 * MIB);
	answer();
	source_passed(&q.source, 0, 140 * MIB - 1);
	check_look(0, 139 * MIB, 150 * MIB);
	source_clear(&q.source);
}
END_TEST

/* In a later pass nothing is asked for ahead: it would be in the way in the blackout. */
START_TEST(a_block_is_looked_at_once)
{
	start_writing();
	ck_assert(!qemu_look(&q, QEMU_NO_DATA));
	check_no_look();
	/* On the same block, forward: what was looked at stays so. */
	source_passed(&q.source, 0, 3 * MIB);
	ck_assert_uint_eq(q.source.prefetch.scanned, FIRST + LOOK_AHEAD);
	/* In another block there may be data. */
	qemu_write(&q, 1, 3, 0);
	ck_assert_uint_eq(q.source.prefetch.scanned, 0);
	check_look(1, 4 * MIB, 4 * MIB + LOOK_AHEAD);
	/* Back in the first. */
	source_passed(&q.source, 0, 140 * MIB);
	check_no_look();
	source_passed(&q.source, 1, 50 * MIB);
	check_no_look();
	source_clear(&q.source);

	/* Back in the same. */
	start_writing();
	check_look(0, FIRST, FIRST + LOOK_AHEAD);
	source_passed(&q.source, 0, 2 * MIB - 1);
	check_no_look();
	source_passed(&q.source, 0, 20 * MIB);
	check_no_look();
	qemu_write(&q, 1, 3, 0);
	check_look(1, 4 * MIB, 4 * MIB + LOOK_AHEAD);
	source_clear(&q.source);
}
END_TEST

START_TEST(no_further_than_the_block)
{
	start(30, MIB, (uint64_t[]){20 * MIB + 4096}, 1);
	qemu_write(&q, 0, 0, 0);
	qemu_write(&q, 0, 1, 0);
	check_look(0, FIRST, 20 * MIB + 4096);
	ck_assert(qemu_look(&q, 4 * MIB));
	check_asked(0, 20 * MIB, 20 * MIB + 4096);
	answer();
	check_no_look();
	source_passed(&q.source, 0, 20 * MIB + 4096);
	check_no_look();
	source_clear(&q.source);
}
END_TEST

START_TEST(the_look_ends_where_something_is_registered)
{
	start_writing();
	extent_map_insert(&q.source.blocks.block[0].remote, (struct range){40 * MIB, 41 * MIB}, 1);
	check_look(0, FIRST, 40 * MIB);
	ck_assert(qemu_look(&q, 22 * MIB));
	check_asked(0, 38 * MIB, 40 * MIB);
	source_clear(&q.source);
}
END_TEST

/* While it was looking, without a lock, something else happened. */
START_TEST(what_it_found_may_be_of_no_use_any_more)
{
	struct wire_register request = {.addr = 4711};
	struct prefetch_scan look;
	struct range found;

	start_writing();
	ck_assert(source_scan(&q.source, &look));
	look.range.start += 2 * MIB;
	found = prefetch_find(&look);
	ck_assert_uint_eq(found.start, FIRST + 2 * MIB);
	ck_assert_uint_eq(found.end, 2 * FIRST);
	/* The destination is not free: what there is to know is remembered all the same. */
	ck_assert(!source_scanned(&q.source, &look, found, false, &request));
	ck_assert_uint_eq(q.source.prefetch.scanned, found.start);
	check_look(0, found.start, found.start + LOOK_AHEAD);
	q.source.widening = false;
	ck_assert(!source_scanned(&q.source, &look, found, true, &request));
	q.source.widening = true;
	/* QEMU has asked for it itself. */
	qemu_write(&q, 0, 17, 0);
	ck_assert(!source_scanned(&q.source, &look, found, true, &request));
	ck_assert_uint_eq(extent_at(0, found.start)->range.start, 17 * MIB);
	ck_assert_uint_eq(request.addr, 4711);
	source_clear(&q.source);
}
END_TEST

START_TEST(what_it_found_where_qemu_no_longer_is)
{
	struct wire_register request = {.addr = 4711};
	struct prefetch_scan look;

	start_writing();
	ck_assert(source_scan(&q.source, &look));
	/* In another block: that says nothing of the one where QEMU is. */
	qemu_write(&q, 1, 0, 0);
	ck_assert(!source_scanned(&q.source, &look, prefetch_find(&look), true, &request));
	ck_assert_uint_eq(q.source.prefetch.scanned, 0);
	source_clear(&q.source);
	/* Further back: it has been there. */
	start_writing();
	ck_assert(source_scan(&q.source, &look));
	source_passed(&q.source, 0, MIB);
	ck_assert(!source_scanned(&q.source, &look, prefetch_find(&look), true, &request));
	ck_assert_uint_eq(q.source.prefetch.scanned, 0);
	/* And has come to the same place again. */
	source_passed(&q.source, 0, 2 * MIB);
	ck_assert(!source_scanned(&q.source, &look, prefetch_find(&look), true, &request));
	ck_assert_uint_eq(request.addr, 4711);
	source_clear(&q.source);
}
END_TEST

START_TEST(a_request_is_held_until_the_result_comes)
{
	struct wire_message own;
	struct message m, reply;

	start_writing();
	ck_assert(qemu_look(&q, 0));
	qemu_request(&q, &m, 0, 17, 4096);
	ck_assert_int_eq(source_send(&q.source, m.data, m.len, true, &own), SOURCE_HOLD);
	ck_assert_int_eq(q.source.request.stage, SOURCE_REQUEST_HELD);
	qemu_answer_ahead(&q, &reply);
	ck_assert_int_ne(q.source.request.stage, SOURCE_REQUEST_HELD);
	ck_assert_uint_eq(reply.len, 32);
	ck_assert_uint_eq(message_get32(reply.data, 4), WIRE_REGISTER_RESULT);
	ck_assert_uint_eq(message_get32(reply.data, 16), extent_at(0, FIRST)->value);
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
	ck_assert_int_eq(source_send(&q.source, m.data, m.len, true, &own), SOURCE_HOLD);
	message_begin(&m, WIRE_QEMU_FILE, 1);
	ck_assert_int_eq(source_send(&q.source, m.data, m.len, true, &own), SOURCE_FORWARD);
	ck_assert_int_ne(q.source.request.stage, SOURCE_REQUEST_HELD);
	ck_assert(q.source.widening);
	/* Then the result is nobody's, but true. */
	answer();
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
	ck_assert_int_eq(source_prefetched(&q.source, m.data, m.len - 1, &held, &own), -EBADMSG);
	m.data[11] = 2;
	ck_assert_int_eq(source_prefetched(&q.source, m.data, m.len, &held, &own), -EBADMSG);
	message_begin(&m, WIRE_READY, 1);
	ck_assert_int_eq(source_prefetched(&q.source, m.data, m.len, &held, &own), -EBADMSG);
	ck_assert(held);
	ck_assert_uint_eq(own.len, 4711);
	check_asked(0, FIRST, 2 * FIRST);
	source_clear(&q.source);
}
END_TEST

/* A chunk longer than a piece is asked for as a whole; one at the block's end is cut. */
START_TEST(chunks_of_every_size)
{
	const uint64_t size = UINT64_C(1) << _i, length = 20 * size + 4096;
	static const unsigned int shifts[] = {20, 24, 25, 30};
	struct message reply;

	for (size_t i = 0; i < sizeof(shifts) / sizeof(shifts[0]); i++) {
		start(shifts[i], size, &length, 1);
		for (uint64_t chunk = 0; chunk < 21; chunk++) {
			qemu_write(&q, 0, chunk, 0);
			qemu_check_extents(&q, chunk);
			while (qemu_look(&q, 0)) {
				ck_assert_uint_eq(q.ahead.addr % size, 0);
				qemu_answer_ahead(&q, &reply);
				ck_assert_uint_eq(reply.len, 0);
				qemu_check_extents(&q, chunk);
			}
		}
		/* QEMU waited for two: before the size was known, and the next. */
		ck_assert_uint_eq(q.sent, 3);
		ck_assert_uint_eq(q.answered, 19);
		ck_assert_uint_eq(q.destination.repeated, 0);
		ck_assert_uint_eq(extent_map_bytes(&q.source.blocks.block[0].remote,
						   (struct range){0, UINT64_MAX}),
				  length);
		source_clear(&q.source);
	}
}
END_TEST

START_TEST(a_chunk_longer_than_a_piece_is_looked_at_alone)
{
	const uint64_t length = 4 * GIB;

	start(24, GIB, &length, 1);
	qemu_write(&q, 0, 0, 0);
	qemu_write(&q, 0, 1, 0);
	/* In front of QEMU nothing is registered, so one chunk is asked for, and no more. */
	check_look(0, 2 * GIB, 3 * GIB);
	ck_assert(qemu_look(&q, 0));
	check_asked(0, 2 * GIB, 3 * GIB);
	answer();
	check_no_look();
	source_clear(&q.source);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("source_prefetch");
	TCase *tc = tcase_create("source_prefetch");

	tcase_add_test(tc, here_it_begins_with_a_chunk);
	tcase_add_test(tc, requests_begin_small_and_grow);
	tcase_add_test(tc, it_looks_only_when_it_knows_what_it_may_ask_for);
	tcase_add_test(tc, the_chunk_with_data_and_the_rest_of_its_piece);
	tcase_add_test(tc, a_piece_ends_where_the_data_does);
	tcase_add_test(tc, what_has_no_data_is_skipped_and_remembered);
	tcase_add_test(tc, the_place_within_a_chunk);
	tcase_add_test(tc, a_block_is_looked_at_once);
	tcase_add_test(tc, no_further_than_the_block);
	tcase_add_test(tc, the_look_ends_where_something_is_registered);
	tcase_add_test(tc, what_it_found_may_be_of_no_use_any_more);
	tcase_add_test(tc, what_it_found_where_qemu_no_longer_is);
	tcase_add_test(tc, a_request_is_held_until_the_result_comes);
	tcase_add_test(tc, what_cannot_be_answered_is_sent);
	tcase_add_test(tc, a_held_request_that_qemu_gives_up);
	tcase_add_test(tc, a_result_that_is_none);
	tcase_add_loop_test(tc, chunks_of_every_size, 20, 31);
	tcase_add_test(tc, a_chunk_longer_than_a_piece_is_looked_at_alone);
	suite_add_tcase(suite, tc);
	return unit_run(suite);
}
