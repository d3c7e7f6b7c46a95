/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <string.h>

#include "core/prefetch.h"
#include "core/source.h"
#include "qemu.h"

/* Registration ahead of QEMU at the source: where data is looked for, what is asked
 * for, and what QEMU gets when it asks for the same. */

#define PIECE	   (16 * MIB) /* that each end registers at once, as it seems */
#define WRITTEN	   (16 * MIB) /* registered when QEMU has written its second chunk */
#define LOOK_AHEAD (64 * MIB) /* how far; prefetch.c's own */

static struct qemu q;

static void set_piece(uint64_t bytes)
{
	q.source.prefetch.there.bytes = bytes;
	q.source.prefetch.here.bytes = bytes;
}

/* QEMU's requests are its own, until a test says that the destination is free. */
static void start(unsigned int shift, uint64_t chunk_size, const uint64_t *lengths,
		  unsigned int count)
{
	qemu_start(&q, shift, chunk_size, lengths, count);
	q.source.prefetch.on = true;
	q.can_ask = false;
	set_piece(PIECE);
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

	ck_assert(source_scan(&q.source, &q.wire, &look));
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

	ck_assert(!source_scan(&q.source, &q.wire, &look));
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

/* From where QEMU is, to the end of as much as the slower end registers at once. */
START_TEST(requests_are_for_a_piece)
{
	struct prefetch *p = &q.source.prefetch;
	struct wire_message own;
	struct message m, reply;
	uint64_t at = 1;

	start(30, MIB, (uint64_t[]){150 * MIB}, 1);
	prefetch_init(p, 30, 1);
	qemu_write(&q, 0, 0, 0);
	for (uint64_t window = 4; window < 128; window *= 2) {
		qemu_request(&q, &m, 0, at, 0);
		ck_assert_int_eq(qemu_judge(&q, &m, &own), SOURCE_REPLACE);
		ck_assert_uint_eq(message_get64(own.bytes, 16), at * MIB);
		ck_assert_uint_eq(message_get64(own.bytes, 32), window - at - 1);
		qemu_write(&q, 0, at, 0);
		at = window;
		p->there.bytes = 2 * window * MIB + MIB - 1;
		p->here.bytes = 2 * window * MIB + MIB / 2;
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
	ck_assert_int_eq(source_send(&q.source, m.data, m.len, CAN_ANSWER, &own), SOURCE_FORWARD);
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
	check_look(0, WRITTEN, WRITTEN + LOOK_AHEAD);
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
	check_look(0, WRITTEN, WRITTEN + LOOK_AHEAD);
	ck_assert(qemu_look(&q, 3 * MIB));
	check_asked(0, 19 * MIB, 32 * MIB);
	answer();
	/* Enough, until QEMU comes to it. */
	check_no_look();
	qemu_write(&q, 0, 10, 0);
	check_no_look();
	qemu_write(&q, 0, 21, 0);
	/* What was zero is not looked at again. The ends are twice as fast as they seemed. */
	check_look(0, 32 * MIB, 32 * MIB + LOOK_AHEAD);
	set_piece(2 * PIECE);
	ck_assert(qemu_look(&q, 0));
	check_asked(0, 32 * MIB, 64 * MIB);
	answer();
	check_no_look();
	qemu_write(&q, 0, 40, 0);
	check_look(0, 64 * MIB, 64 * MIB + LOOK_AHEAD);
	ck_assert(qemu_look(&q, 0));
	check_asked(0, 64 * MIB, 96 * MIB);
	answer();
	qemu_write(&q, 0, 63, 0);
	check_no_look();
	qemu_write(&q, 0, 70, 0);
	check_look(0, 96 * MIB, 150 * MIB);
	/* QEMU need not ask for any of that. */
	ck_assert_uint_eq(q.answered, 5);
	ck_assert_uint_eq(q.destination.requests, 5);
	source_clear(&q.source);
}
END_TEST

/* What was planned ends with the chunk that QEMU asks for: it is no reason to ask for that alone.
 */
START_TEST(a_plan_of_one_chunk_is_no_limit)
{
	struct message m, reply;

	start_writing();
	q.source.prefetch.planned = (struct range){WRITTEN, WRITTEN + MIB};
	qemu_request(&q, &m, 0, WRITTEN / MIB, 0);
	ck_assert_int_eq(qemu_exchange(&q, &m, &reply), SOURCE_REPLACE);
	ck_assert_uint_eq(extent_at(0, WRITTEN)->range.end, WRITTEN + PIECE);
	ck_assert(!source_has_planned(&q.source));
	source_clear(&q.source);
}
END_TEST

/* QEMU writes in another block, what it has registered there. */
START_TEST(a_write_in_another_block_ends_the_plan)
{
	const uint64_t lengths[] = {150 * MIB, 100 * MIB, 50 * MIB};

	start(30, MIB, lengths, 3);
	qemu_write(&q, 0, 0, 0);
	qemu_write(&q, 1, 0, 0);
	ck_assert(q.source.blocks.block[0].passed);
	ck_assert(qemu_plan(&q, 0));
	/* Of memory that is in no block it says nothing. */
	source_wrote(&q.source, LOCAL(2), 4096);
	ck_assert(source_has_planned(&q.source));
	source_wrote(&q.source, LOCAL(0) + 4096, 4096);
	ck_assert(!source_has_planned(&q.source));
	ck_assert(q.source.blocks.block[1].passed);
	check_no_look();
	/* Where it has not been it goes on as ever. */
	qemu_write(&q, 2, 0, 0);
	check_look(2, MIB, 50 * MIB);
	source_clear(&q.source);
}
END_TEST

/*
 * Chunks 20 to 99 get data when QEMU has passed them. Each end takes 2 ms for 4 MiB. Of 20 requests
 * QEMU makes the first, and waits for that alone; without any ahead of it, it would for each.
 */
START_TEST(data_that_comes_after_the_first_pass)
{
	unsigned int sent, requests;

	start_writing();
	q.source.prefetch.there = q.source.prefetch.here =
		(struct piece){.bytes = PIECE, .ns = 8000000};
	source_passed(&q.source, 0, 150 * MIB);
	source_passed(&q.source, 0, MIB);
	ck_assert(!qemu_look(&q, 0));
	qemu_hole(&q, 0, 100 * MIB, 150 * MIB);
	sent = q.sent;
	requests = q.destination.requests;
	for (uint64_t chunk = 20; chunk < 100; chunk++) {
		qemu_write(&q, 0, chunk, 0);
		if (qemu_look(&q, 0))
			answer();
		qemu_check_extents(&q, chunk);
	}
	ck_assert_uint_eq(q.sent - sent, 1);
	ck_assert_uint_eq(q.destination.requests - requests, 20);
	/* All that has data, and no more. */
	ck_assert_uint_eq(extent_map_bytes(&q.source.blocks.block[0].remote,
					   (struct range){WRITTEN, 150 * MIB}),
			  80 * MIB);
	source_clear(&q.source);
}
END_TEST

/* While the destination registers one piece, the next is looked for. */
START_TEST(it_plans_ahead_while_the_destination_registers)
{
	start_writing();
	q.wire.per_second = 2 * GIB;
	ck_assert(qemu_plan(&q, 0));
	/* One plan at a time */
	check_no_look();
	ck_assert(qemu_ask(&q, UINT64_MAX));
	check_asked(0, WRITTEN, WRITTEN + PIECE);
	ck_assert(!source_has_planned(&q.source));
	check_look(0, WRITTEN + PIECE, WRITTEN + PIECE + LOOK_AHEAD);
	ck_assert(!qemu_plan(&q, QEMU_NO_DATA));
	q.source.prefetch.scanned = WRITTEN + PIECE;
	q.wire.per_second = 4 * GIB;
	ck_assert(qemu_plan(&q, MIB));
	/* What is planned is no extent before it is asked for. */
	ck_assert_ptr_null(extent_at(0, WRITTEN + PIECE + MIB));
	answer();
	/* Of a piece that does not fit the time the rest stays planned; in whole chunks, and
	 * one at least. */
	ck_assert(qemu_ask(&q, 5 * MIB - 1));
	check_asked(0, WRITTEN + PIECE + MIB, WRITTEN + PIECE + 5 * MIB);
	ck_assert(source_has_planned(&q.source));
	answer();
	ck_assert(qemu_ask(&q, 1));
	check_asked(0, WRITTEN + PIECE + 5 * MIB, WRITTEN + PIECE + 6 * MIB);
	answer();
	ck_assert(qemu_ask(&q, UINT64_MAX));
	check_asked(0, WRITTEN + PIECE + 6 * MIB, WRITTEN + 2 * PIECE);
	answer();
	ck_assert_uint_eq(q.destination.repeated, 0);
	source_clear(&q.source);
}
END_TEST

/* QEMU asks first: it has been looked through, and has the same end. */
START_TEST(qemus_own_request_is_for_what_was_planned)
{
	struct message m, reply;

	start_writing();
	qemu_hole(&q, 0, WRITTEN + 9 * MIB, 149 * MIB);
	ck_assert(qemu_plan(&q, 2 * MIB));
	set_piece(4 * MIB);
	qemu_request(&q, &m, 0, 20, 0);
	q.memory.read = 0;
	ck_assert_int_eq(qemu_exchange(&q, &m, &reply), SOURCE_REPLACE);
	ck_assert_uint_eq(q.memory.read, 0);
	ck_assert_uint_eq(extent_at(0, 20 * MIB)->range.start, 20 * MIB);
	ck_assert_uint_eq(extent_at(0, 20 * MIB)->range.end, WRITTEN + 9 * MIB);
	ck_assert(!source_has_planned(&q.source));
	source_clear(&q.source);
}
END_TEST

START_TEST(a_piece_ends_where_the_data_does)
{
	start_writing();
	qemu_hole(&q, 0, WRITTEN + 3 * MIB, WRITTEN + 4 * MIB);
	qemu_hole(&q, 0, WRITTEN + 9 * MIB, 149 * MIB);
	ck_assert(qemu_look(&q, 0));
	check_asked(0, WRITTEN, WRITTEN + 9 * MIB);
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
	qemu_hole(&q, 0, WRITTEN + 3 * MIB, WRITTEN + 4 * MIB);
	ck_assert(qemu_look(&q, 0));
	check_asked(0, WRITTEN, WRITTEN + 3 * MIB);
	source_clear(&q.source);
}
END_TEST

START_TEST(what_has_no_data_is_skipped_and_remembered)
{
	start_writing();
	ck_assert(!qemu_look(&q, QEMU_NO_DATA));
	ck_assert_uint_eq(q.source.prefetch.scanned, WRITTEN + LOOK_AHEAD);
	ck_assert_uint_eq(q.source.blocks.block[0].remote.count, 2);
	/* No further than that ahead of QEMU, which has to come closer first. */
	check_no_look();
	source_passed(&q.source, 0, WRITTEN);
	check_no_look();
	source_passed(&q.source, 0, WRITTEN + MIB);
	check_look(0, WRITTEN + LOOK_AHEAD, WRITTEN + 2 * LOOK_AHEAD);
	ck_assert(qemu_look(&q, 20 * MIB));
	check_asked(0, 100 * MIB, 112 * MIB);
	answer();
	/* It was zero when it was looked at, and is free for what QEMU finds there. */
	qemu_write(&q, 0, 90, 0);
	ck_assert_uint_eq(extent_at(0, 90 * MIB)->range.start, 90 * MIB);
	ck_assert_uint_eq(extent_at(0, 90 * MIB)->range.end, 96 * MIB);
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
	ck_assert_uint_eq(q.source.prefetch.scanned, WRITTEN + LOOK_AHEAD);
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
	check_look(0, WRITTEN, WRITTEN + LOOK_AHEAD);
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
	check_look(0, WRITTEN, 20 * MIB + 4096);
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
	check_look(0, WRITTEN, 40 * MIB);
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
	ck_assert(source_scan(&q.source, &q.wire, &look));
	look.range.start += 2 * MIB;
	found = prefetch_find(&look);
	ck_assert_uint_eq(found.start, WRITTEN + 2 * MIB);
	ck_assert_uint_eq(found.end, WRITTEN + PIECE);
	/* The destination is not free: what there is to know is remembered all the same. */
	source_scanned(&q.source, &look, found);
	ck_assert(source_has_planned(&q.source));
	ck_assert_uint_eq(q.source.prefetch.scanned, found.start);
	q.source.widening = false;
	ck_assert(!source_ask(&q.source, UINT64_MAX, &request));
	q.source.widening = true;
	/* QEMU has asked for it itself. */
	qemu_write(&q, 0, 20, 0);
	ck_assert(!source_has_planned(&q.source));
	ck_assert(!source_ask(&q.source, UINT64_MAX, &request));
	ck_assert_uint_eq(extent_at(0, 20 * MIB)->range.start, 20 * MIB);
	ck_assert_ptr_null(extent_at(0, found.start));
	ck_assert_uint_eq(request.addr, 4711);
	source_clear(&q.source);

	/* It asked while that was looked for. */
	start_writing();
	ck_assert(source_scan(&q.source, &q.wire, &look));
	qemu_write(&q, 0, 16, 0);
	source_scanned(&q.source, &look, prefetch_find(&look));
	ck_assert(!source_ask(&q.source, UINT64_MAX, &request));
	ck_assert(!source_has_planned(&q.source));
	ck_assert_uint_eq(extent_at(0, WRITTEN)->range.start, WRITTEN);
	source_clear(&q.source);
}
END_TEST

START_TEST(what_it_found_where_qemu_no_longer_is)
{
	struct prefetch_scan look;

	start_writing();
	ck_assert(source_scan(&q.source, &q.wire, &look));
	/* In another block: that says nothing of the one where QEMU is. */
	qemu_write(&q, 1, 0, 0);
	source_scanned(&q.source, &look, prefetch_find(&look));
	ck_assert(!source_has_planned(&q.source));
	ck_assert_uint_eq(q.source.prefetch.scanned, 0);
	source_clear(&q.source);
	/* Further back: it has been there. */
	start_writing();
	ck_assert(source_scan(&q.source, &q.wire, &look));
	source_passed(&q.source, 0, MIB);
	source_scanned(&q.source, &look, prefetch_find(&look));
	ck_assert(!source_has_planned(&q.source));
	ck_assert_uint_eq(q.source.prefetch.scanned, 0);
	/* And has come to the same place again. */
	source_passed(&q.source, 0, 2 * MIB);
	source_scanned(&q.source, &look, prefetch_find(&look));
	ck_assert(!source_has_planned(&q.source));
	source_clear(&q.source);
}
END_TEST

/* The guest may be standing still: what QEMU asks for there is short all the same. */
START_TEST(what_it_found_where_qemu_is_again)
{
	struct wire_message own;
	struct prefetch_scan look;
	struct message m;

	start_writing();
	q.source.prefetch.there.ns = PIECE_NS;
	ck_assert(source_scan(&q.source, &q.wire, &look));
	source_passed(&q.source, 1, 0);
	source_passed(&q.source, 0, 3 * MIB);
	source_scanned(&q.source, &look, prefetch_find(&look));
	qemu_request(&q, &m, 0, 17, 0);
	ck_assert_int_eq(qemu_judge(&q, &m, &own), SOURCE_FORWARD);
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
	tcase_add_test(tc, requests_are_for_a_piece);
	tcase_add_test(tc, it_looks_only_when_it_knows_what_it_may_ask_for);
	tcase_add_test(tc, the_chunk_with_data_and_the_rest_of_its_piece);
	tcase_add_test(tc, a_plan_of_one_chunk_is_no_limit);
	tcase_add_test(tc, a_write_in_another_block_ends_the_plan);
	tcase_add_test(tc, data_that_comes_after_the_first_pass);
	tcase_add_test(tc, it_plans_ahead_while_the_destination_registers);
	tcase_add_test(tc, qemus_own_request_is_for_what_was_planned);
	tcase_add_test(tc, what_it_found_where_qemu_is_again);
	tcase_add_test(tc, a_piece_ends_where_the_data_does);
	tcase_add_test(tc, what_has_no_data_is_skipped_and_remembered);
	tcase_add_test(tc, the_place_within_a_chunk);
	tcase_add_test(tc, a_block_is_looked_at_once);
	tcase_add_test(tc, no_further_than_the_block);
	tcase_add_test(tc, the_look_ends_where_something_is_registered);
	tcase_add_test(tc, what_it_found_may_be_of_no_use_any_more);
	tcase_add_test(tc, what_it_found_where_qemu_no_longer_is);
	tcase_add_loop_test(tc, chunks_of_every_size, 20, 31);
	tcase_add_test(tc, a_chunk_longer_than_a_piece_is_looked_at_alone);
	suite_add_tcase(suite, tc);
	return unit_run(suite);
}
