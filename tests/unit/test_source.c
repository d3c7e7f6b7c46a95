/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "core/source.h"

#include "qemu.h"

/* Chunk sizes of QEMU 11.1's x-rdma-chunk-size, and of all others (2^20). */
START_TEST(the_first_request_is_unchanged_and_shows_the_chunk_size)
{
	const uint64_t size = UINT64_C(1) << _i, length = 8 * size;
	struct wire_message own;
	struct message m;
	static struct qemu q;

	qemu_start(&q, 30, size, &length, 1);
	qemu_request(&q, &m, 0, 3, 4096);
	ck_assert_uint_eq(q.source.chunk_size, 0);
	ck_assert_int_eq(qemu_judge(&q, &m, &own), SOURCE_FORWARD);
	qemu_write(&q, 0, 3, 4096);
	ck_assert_uint_eq(q.source.chunk_size, size);
	ck_assert(q.source.blocks.block[0].local_known);
	ck_assert_uint_eq(q.source.blocks.block[0].local_addr, LOCAL(0));
	ck_assert_uint_eq(q.source.blocks.block[0].remote.count, 1);
	source_clear(&q.source);
}
END_TEST

/* A request for [from, to), in chunks, goes out where QEMU asks for the first. */
static void check_widened(struct qemu *q, unsigned int block, uint64_t from, uint64_t to)
{
	struct wire_message own;
	struct message m;

	qemu_request(q, &m, block, from, 4096);
	ck_assert_int_eq(qemu_judge(q, &m, &own), SOURCE_REPLACE);
	ck_assert_uint_eq(own.len, 40);
	ck_assert_uint_eq(message_get32(own.bytes, 4), WIRE_REGISTER_REQUEST);
	ck_assert_uint_eq(message_get64(own.bytes, 16),
			  OFFSET(block) + from * q->destination.chunk_size);
	ck_assert_uint_eq(message_get32(own.bytes, 24), block);
	ck_assert_uint_eq(message_get64(own.bytes, 32), to - from - 1);
}

static void check_not_widened(struct qemu *q, unsigned int block, uint64_t chunk)
{
	struct wire_message own;
	struct message m;

	qemu_request(q, &m, block, chunk, 0);
	ck_assert_int_eq(qemu_judge(q, &m, &own), SOURCE_FORWARD);
}

START_TEST(later_requests_are_widened_to_the_end_of_the_region)
{
	const uint64_t lengths[] = {150 * MIB, 100 * MIB + 8192};
	static struct qemu q;

	qemu_start(&q, 26, MIB, lengths, 2);
	qemu_write(&q, 0, 5, 0);
	check_widened(&q, 0, 77, 128);
	qemu_write(&q, 0, 77, 0);
	/* The memory of the other block has not been seen yet. */
	check_not_widened(&q, 1, 64);
	qemu_write(&q, 1, 64, 0);
	/* Its last region, the tail of which is no whole chunk. */
	check_widened(&q, 1, 65, 101);
	qemu_write(&q, 1, 65, 0);
	ck_assert(slots_cover(&q.destination, 1, q.rkey[1][65],
			      (struct range){65 * MIB, 100 * MIB + 8192}));
	source_clear(&q.source);
}
END_TEST

START_TEST(only_runs_of_chunks_with_data_are_asked_for)
{
	const uint64_t length = 150 * MIB;
	static struct qemu q;

	qemu_start(&q, 30, MIB, &length, 1);
	qemu_hole(&q, 0, 10 * MIB, 12 * MIB);
	qemu_hole(&q, 0, 40 * MIB, 60 * MIB);
	qemu_hole(&q, 0, 61 * MIB, 150 * MIB);
	qemu_write(&q, 0, 0, 0);
	/* The first gap is a small part of it; the second is not. */
	check_widened(&q, 0, 1, 40);
	check_widened(&q, 0, 9, 40);
	check_not_widened(&q, 0, 60);
	/* QEMU has found something there after all. */
	check_not_widened(&q, 0, 50);
	check_widened(&q, 0, 11, 40);
	/* A huge page of zeros that is pinned can end the guest. */
	q.source.blocks.block[0].huge = true;
	check_widened(&q, 0, 1, 10);
	check_not_widened(&q, 0, 9);
	q.source.blocks.block[0].huge = false;
	check_widened(&q, 0, 9, 40);
	q.source.prefetch.bridge = false;
	check_widened(&q, 0, 1, 10);
	check_not_widened(&q, 0, 9);
	q.source.single = true;
	check_not_widened(&q, 0, 1);
	source_clear(&q.source);
}
END_TEST

/* Where QEMU has been, the guest may be standing still. */
START_TEST(a_passed_block_is_asked_for_in_small_pieces)
{
	const uint64_t lengths[] = {150 * MIB, 16 * MIB};
	static struct qemu q;

	qemu_start(&q, 30, MIB, lengths, 2);
	qemu_hole(&q, 0, 31 * MIB, 32 * MIB);
	qemu_write(&q, 0, 50, 0);
	ck_assert(!q.source.blocks.block[0].passed);
	check_widened(&q, 0, 60, 150);
	if (_i) {
		/* Backwards, */
		source_passed(&q.source, 0, 40 * MIB);
	} else {
		/* or from another block. */
		source_passed(&q.source, 1, 4096);
		ck_assert(!q.source.blocks.block[1].passed);
	}
	ck_assert(q.source.blocks.block[0].passed);
	check_widened(&q, 0, 60, 64);
	check_widened(&q, 0, 48, 50);
	check_not_widened(&q, 0, 49);
	check_not_widened(&q, 0, 30);
	check_widened(&q, 0, 148, 150);
	/* Both ends: what was asked for at once is not registered here at once. */
	qemu_write(&q, 0, 60, 0);
	ck_assert_uint_eq(source_bounds(&q.source, &q.source.blocks.block[0],
					(struct range){61 * MIB, 62 * MIB})
				  .end,
			  64 * MIB);
	/* Regions are no larger for it. */
	q.source.prefetch.shift = 21;
	check_widened(&q, 0, 70, 72);
	source_clear(&q.source);
}
END_TEST

START_TEST(nothing_is_registered_here_but_what_was_asked_for)
{
	const uint64_t length = 150 * MIB;
	struct ram_block *block;
	struct range bounds;
	static struct qemu q;

	qemu_start(&q, 30, MIB, &length, 1);
	block = &q.source.blocks.block[0];
	qemu_hole(&q, 0, 40 * MIB, 150 * MIB);
	qemu_write(&q, 0, 0, 0);
	qemu_write(&q, 0, 1, 0);
	bounds = source_bounds(&q.source, block, (struct range){7 * MIB, 8 * MIB});
	ck_assert_uint_eq(bounds.start, MIB);
	ck_assert_uint_eq(bounds.end, 40 * MIB);
	/* Of what the destination has nothing, QEMU's chunk alone. */
	bounds = source_bounds(&q.source, block, (struct range){40 * MIB, 41 * MIB});
	ck_assert_uint_eq(bounds.start, 40 * MIB);
	ck_assert_uint_eq(bounds.end, 41 * MIB);
	source_passed(&q.source, 0, 0);
	bounds = source_bounds(&q.source, block, (struct range){7 * MIB, 8 * MIB});
	ck_assert_uint_eq(bounds.start, 7 * MIB);
	ck_assert_uint_eq(bounds.end, 11 * MIB);
	bounds = source_bounds(&q.source, block, (struct range){38 * MIB, 39 * MIB});
	ck_assert_uint_eq(bounds.end, 40 * MIB);
	source_clear(&q.source);
}
END_TEST

/* What QEMU would have asked for as well is nothing to be blamed for. */
START_TEST(only_an_unanswered_request_may_be_too_much)
{
	const uint64_t length = 128 * MIB;
	struct wire_message own;
	struct message m;
	static struct qemu q;

	qemu_start(&q, 30, MIB, &length, 1);
	ck_assert(!source_may_be_too_much(&q.source));
	qemu_write(&q, 0, 0, 0);
	qemu_request(&q, &m, 0, 1, 0);
	ck_assert_int_eq(source_send(&q.source, m.data, m.len, CAN_ANSWER, &own), SOURCE_REPLACE);
	/* The destination does not know of it yet. */
	ck_assert(!source_may_be_too_much(&q.source));
	source_posted(&q.source, 0, 0);
	ck_assert(source_may_be_too_much(&q.source));
	source_clear(&q.source);

	qemu_start(&q, 30, MIB, &length, 1);
	qemu_write(&q, 0, 0, 0);
	qemu_write(&q, 0, 1, 0);
	ck_assert(!source_may_be_too_much(&q.source));
	source_clear(&q.source);
}
END_TEST

START_TEST(requests_inside_an_extent_are_answered)
{
	const uint64_t length = 128 * MIB;
	static struct qemu q;

	qemu_start(&q, 30, MIB, &length, 1);
	for (uint64_t chunk = 0; chunk < 128; chunk++)
		qemu_write(&q, 0, chunk, 0);
	/* The list, the first chunk as it was, and the rest of the region. */
	ck_assert_uint_eq(q.sent, 3);
	ck_assert_uint_eq(q.answered, 126);
	ck_assert_uint_eq(q.destination.requests, 2);
	source_clear(&q.source);
}
END_TEST

START_TEST(a_request_is_not_answered_without_receives)
{
	const uint64_t length = 128 * MIB;
	struct wire_message own;
	struct message m, reply;
	static struct qemu q;

	qemu_start(&q, 30, MIB, &length, 1);
	qemu_write(&q, 0, 0, 0);
	qemu_write(&q, 0, 1, 0);
	qemu_request(&q, &m, 0, 50, 0);
	ck_assert_int_eq(source_send(&q.source, m.data, m.len, CAN_NOTHING, &own), SOURCE_FORWARD);
	ck_assert_int_eq(slots_handle(&q.destination, m.data, m.len, &reply), SLOTS_DONE);
	source_receive(&q.source, reply.data, reply.len, 0);
	/* The chunk has an MR of its own there; the extent goes on as before. */
	ck_assert_ptr_nonnull(qemu_register(&q, 0, 50, &(struct range){0, 0}));
	ck_assert(q.source.widening);
	qemu_request(&q, &m, 0, 51, 0);
	ck_assert_int_eq(source_send(&q.source, m.data, m.len, CAN_ANSWER, &own), SOURCE_ANSWER);
	source_clear(&q.source);
}
END_TEST

START_TEST(shift_20_leaves_every_request_as_it_is)
{
	const uint64_t length = 40 * MIB;
	static struct qemu q;

	qemu_start(&q, 20, MIB, &length, 1);
	for (uint64_t chunk = 0; chunk < 40; chunk++)
		qemu_write(&q, 0, 39 - chunk, 0);
	ck_assert_uint_eq(q.destination.requests, 40);
	ck_assert_uint_eq(q.answered, 0);
	source_clear(&q.source);
}
END_TEST

START_TEST(unregister_of_a_part_is_answered_and_of_a_whole_forwarded)
{
	const uint64_t length = 128 * MIB;
	static struct qemu q;

	qemu_start(&q, 30, MIB, &length, 1);
	qemu_write(&q, 0, 0, 0); /* an extent of its own */
	qemu_write(&q, 0, 1, 0); /* [1M, 128M) */
	qemu_write(&q, 0, 9, 0);
	ck_assert_int_eq(qemu_unregister(&q, 0, 9), SOURCE_ANSWER);
	ck_assert_int_eq(qemu_unregister(&q, 0, 1), SOURCE_ANSWER); /* its first */
	qemu_check_write(&q, 0, 0);
	qemu_write(&q, 0, 9, 0);
	qemu_write(&q, 0, 1, 0);
	ck_assert_uint_eq(q.destination.requests, 2);
	ck_assert_int_eq(qemu_unregister(&q, 0, 0), SOURCE_FORWARD);
	ck_assert_uint_eq(q.source.blocks.block[0].remote.count, 1);
	qemu_write(&q, 0, 0, 0);
	ck_assert_uint_eq(q.destination.requests, 3);
	ck_assert_uint_eq(q.destination.repeated, 0);
	/* What can neither be answered nor sent. */
	q.can_answer = false;
	ck_assert_int_eq(qemu_unregister(&q, 0, 9), SOURCE_FAIL);
	source_clear(&q.source);
}
END_TEST

/*
 * A block whose one chunk leaves the chunk size open is registered, unregistered
 * and registered again: the rkey of the first time must never be handed out.
 */
START_TEST(unregister_before_the_chunk_size_is_known)
{
	const uint64_t lengths[] = {64 * KIB, 128 * MIB};
	static struct qemu q;

	qemu_start(&q, 30, MIB, lengths, 2);
	qemu_write(&q, 0, 0, 0);
	ck_assert_uint_eq(q.source.chunk_size, 0);
	ck_assert_int_eq(qemu_unregister(&q, 0, 0), SOURCE_FORWARD);
	qemu_write(&q, 1, 0, 0);
	qemu_write(&q, 0, 0, 0);
	source_clear(&q.source);
}
END_TEST

START_TEST(other_messages_pass)
{
	static const enum wire_type types[] = {
		WIRE_QEMU_FILE,		 WIRE_COMPRESS, WIRE_REGISTER_FINISHED,
		WIRE_RAM_BLOCKS_REQUEST, WIRE_READY,	WIRE_ERROR};
	struct source source = {0};
	struct wire_message own;
	struct message m;

	source_init(&source, &(struct source_options){.shift = 30, .threads = 1});
	message_begin(&m, WIRE_READY, 1);
	source_receive(&source, m.data, m.len, 0);
	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		message_begin(&m, types[i], 1);
		ck_assert_int_eq(source_send(&source, m.data, m.len, CAN_ANSWER, &own),
				 SOURCE_FORWARD);
	}
	ck_assert(source.widening);
	source_clear(&source);
}
END_TEST

/* Messages that QEMU never sends: each is passed on, and nothing is widened after. */
START_TEST(what_it_does_not_understand_stops_widening)
{
	const uint64_t length = 128 * MIB;
	struct wire_message own;
	struct message m;
	static struct qemu q;

	qemu_start(&q, 30, MIB, &length, 1);
	qemu_write(&q, 0, 3, 0);
	qemu_write(&q, 0, 70, 0); /* [4M, 128M) */
	switch (_i) {
	case 0: /* several commands */
	case 1:
		message_register(&m, _i ? WIRE_UNREGISTER_REQUEST : WIRE_REGISTER_REQUEST, 0, 0, 0);
		m.data[11] = 2;
		break;
	case 2: /* no such block */
		message_register(&m, WIRE_REGISTER_REQUEST, 0, 1, 0);
		break;
	case 3:
		message_register(&m, WIRE_REGISTER_REQUEST, 0, UINT32_MAX, 0);
		break;
	case 4: /* not in the block */
		message_register(&m, WIRE_REGISTER_REQUEST, 128 * MIB, 0, 0);
		break;
	case 5: /* across what is registered */
		message_register(&m, WIRE_REGISTER_REQUEST, 2 * MIB, 0, 1);
		break;
	case 6: /* too short for a header */
		message_begin(&m, WIRE_QEMU_FILE, 1);
		m.len = 15;
		break;
	case 7: /* a length that is not its own */
		message_begin(&m, WIRE_QEMU_FILE, 1);
		m.data[3]++;
		break;
	}
	ck_assert_int_eq(source_send(&q.source, m.data, m.len, CAN_ANSWER, &own), SOURCE_FORWARD);
	ck_assert(!q.source.widening);
	/* What is registered stays valid; the rest goes as QEMU wrote it. */
	qemu_receive_ready(&q);
	qemu_request(&q, &m, 0, 100, 0);
	ck_assert_int_eq(qemu_judge(&q, &m, &own), SOURCE_ANSWER);
	qemu_write(&q, 0, 0, 0);
	qemu_write(&q, 0, 1, 0);
	qemu_write(&q, 0, 2, 0);
	ck_assert_uint_eq(q.destination.requests, 5);
	ck_assert_uint_eq(q.destination.repeated, 0);
	qemu_check_extents(&q, 0);
	source_clear(&q.source);
}
END_TEST

START_TEST(a_block_below_its_offset_is_not_found)
{
	const uint64_t lengths[] = {128 * MIB, 128 * MIB};
	struct wire_message own;
	struct message m;
	static struct qemu q;

	qemu_start(&q, 30, MIB, lengths, 2);
	message_register(&m, WIRE_REGISTER_REQUEST, OFFSET(1) - 1, 1, 0);
	ck_assert_int_eq(source_send(&q.source, m.data, m.len, CAN_ANSWER, &own), SOURCE_FORWARD);
	ck_assert(!q.source.widening);
	source_clear(&q.source);
}
END_TEST

/* UNREGISTER of what no extent holds is the destination's to judge. */
START_TEST(unregister_of_the_unknown_is_forwarded)
{
	static const struct {
		uint64_t chunk;
		uint32_t block;
	} cases[] = {{2, 0}, {128, 0}, {127, 0}, {UINT64_MAX, 0}, {0, 1}, {0, UINT32_MAX}};
	const uint64_t length = 127 * MIB + 4096;
	struct wire_message own;
	struct message m;
	static struct qemu q;

	qemu_start(&q, 21, MIB, &length, 1);
	qemu_write(&q, 0, 0, 0);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		message_register(&m, WIRE_UNREGISTER_REQUEST, cases[i].chunk, cases[i].block, 0);
		ck_assert_int_eq(source_send(&q.source, m.data, m.len, CAN_ANSWER, &own),
				 SOURCE_FORWARD);
		ck_assert(q.source.widening);
	}
	source_clear(&q.source);
}
END_TEST

/* The destination's side of the unexpected. */
START_TEST(unexpected_answers_change_nothing)
{
	const uint64_t length = 128 * MIB;
	struct wire_message own;
	struct message m, list;
	static struct qemu q;

	qemu_start(&q, 30, MIB, &length, 1);
	qemu_write(&q, 0, 0, 0);
	/* A result nobody asked for. */
	message_result(&m, 4711, 42);
	source_receive(&q.source, m.data, m.len, 0);
	ck_assert(q.source.widening);
	ck_assert_uint_eq(q.source.blocks.block[0].host_addr, REMOTE(0));
	ck_assert_uint_eq(q.source.blocks.block[0].remote.count, 1);
	/* Malformed, and of no interest. */
	source_receive(&q.source, m.data, m.len - 1, 0);
	source_receive(&q.source, m.data, 0, 0);
	message_begin(&m, WIRE_ERROR, 1);
	source_receive(&q.source, m.data, m.len, 0);
	ck_assert(q.source.widening);

	/* A second list of RAM blocks is not believed. */
	message_begin(&m, WIRE_RAM_BLOCKS_REQUEST, 1);
	ck_assert_int_eq(slots_handle(&q.destination, m.data, m.len, &list), SLOTS_DONE);
	source_receive(&q.source, list.data, list.len, 0);
	ck_assert(!q.source.widening);
	ck_assert_uint_eq(q.source.blocks.block[0].remote.count, 1);
	q.source.widening = true;

	/* A result of another shape than the request's: what was registered is unknown. */
	qemu_request(&q, &m, 0, 5, 0);
	ck_assert_int_eq(source_send(&q.source, m.data, m.len, CAN_ANSWER, &own), SOURCE_REPLACE);
	message_result(&m, 4711, REMOTE(0));
	m.data[11] = 2;
	source_receive(&q.source, m.data, m.len, 0);
	ck_assert(!q.source.widening);
	ck_assert_uint_eq(q.source.blocks.block[0].remote.count, 1);
	source_clear(&q.source);
}
END_TEST

START_TEST(a_malformed_list_stops_widening)
{
	struct source source = {0};
	struct wire_message own;
	struct message m;

	source_init(&source, &(struct source_options){.shift = 30, .threads = 1});
	message_begin(&m, WIRE_RAM_BLOCKS_RESULT, 1);
	message_put64(&m, 1);
	source_receive(&source, m.data, m.len, 0);
	ck_assert(!source.widening);
	message_register(&m, WIRE_REGISTER_REQUEST, 0, 0, 0);
	ck_assert_int_eq(source_send(&source, m.data, m.len, CAN_ANSWER, &own), SOURCE_FORWARD);
	source_clear(&source);
}
END_TEST

/* QEMU registers something else than the chunk it has just asked for. */
START_TEST(a_registration_that_does_not_fit_the_request)
{
	static const struct {
		uint64_t addr, length;
	} cases[] = {
		{0x1000, MIB},		       /* below the chunk's place in the block */
		{LOCAL(0) + 5 * MIB, 4096},    /* no chunk */
		{LOCAL(0) + 5 * MIB, 2 * MIB}, /* no chunk of this size */
		{LOCAL(0) + 6 * MIB, MIB},     /* the block would lie elsewhere */
		{UINT64_MAX - 5, MIB},
	};
	const uint64_t length = 128 * MIB;
	struct message m, reply;
	static struct qemu q;
	struct range want;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		want = (struct range){7, 8};
		qemu_start(&q, 30, MIB, &length, 1);
		qemu_write(&q, 0, 0, 0);
		q.source.widening = false; /* so that nothing is recorded before QEMU registers */
		qemu_request(&q, &m, 0, 5, 0);
		qemu_exchange(&q, &m, &reply);
		ck_assert_ptr_null(
			source_register(&q.source, cases[i].addr, cases[i].length, &want));
		ck_assert_uint_eq(want.start, 7);
		ck_assert_uint_eq(q.source.blocks.block[0].local_addr, LOCAL(0));
		ck_assert_uint_eq(q.source.blocks.block[0].remote.count, 1);
		ck_assert(!q.source.widening);
		/* Not in the middle of an exchange, memory is what it is. */
		ck_assert_ptr_nonnull(qemu_register(&q, 0, 9, &want));
		ck_assert_ptr_null(source_register(&q.source, 0x1000, MIB, &want));
		source_clear(&q.source);
	}
}
END_TEST

/* A result, but QEMU never registers: the extent at the destination is unknown
 * while the chunk size is. */
START_TEST(a_request_given_up_stops_widening_when_its_extent_is_unknown)
{
	const uint64_t length = 128 * MIB;
	struct message m, reply;
	static struct qemu q;

	qemu_start(&q, 30, MIB, &length, 1);
	qemu_request(&q, &m, 0, 5, 0);
	qemu_exchange(&q, &m, &reply);
	message_begin(&m, WIRE_QEMU_FILE, 1);
	qemu_exchange(&q, &m, &reply);
	ck_assert(!q.source.widening);
	source_clear(&q.source);

	qemu_start(&q, 30, MIB, &length, 1);
	qemu_write(&q, 0, 0, 0);
	qemu_request(&q, &m, 0, 5, 0);
	qemu_exchange(&q, &m, &reply);
	message_begin(&m, WIRE_QEMU_FILE, 1);
	qemu_exchange(&q, &m, &reply);
	/* A widened one was recorded when its result came. */
	ck_assert(q.source.widening);
	qemu_write(&q, 0, 5, 0);
	ck_assert_uint_eq(q.destination.requests, 2);
	source_clear(&q.source);
}
END_TEST

/* And all of the memory with data is registered in the end, no chunk of it twice. */
START_TEST(any_order_of_chunks_works)
{
	const uint64_t length = 128 * MIB;
	struct random rng = {(uint64_t)_i};
	uint64_t order[128];
	static struct qemu q;

	qemu_start(&q, 30, MIB, &length, 1);
	for (uint64_t i = 0; i < 128; i++) {
		uint64_t j = random_below(&rng, i + 1);

		order[i] = order[j];
		order[j] = i;
	}
	for (uint64_t i = 0; i < 128; i++)
		qemu_write(&q, 0, order[i], 0);
	ck_assert_uint_lt(q.destination.requests, 100);
	ck_assert_uint_eq(q.destination.repeated, 0);
	ck_assert_uint_eq(
		extent_map_bytes(&q.source.blocks.block[0].remote, (struct range){0, UINT64_MAX}),
		length);
	qemu_check_extents(&q, 0);
	source_clear(&q.source);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("source");
	TCase *tc = tcase_create("source");

	tcase_add_loop_test(tc, the_first_request_is_unchanged_and_shows_the_chunk_size, 20, 31);
	tcase_add_test(tc, later_requests_are_widened_to_the_end_of_the_region);
	tcase_add_test(tc, only_runs_of_chunks_with_data_are_asked_for);
	tcase_add_loop_test(tc, a_passed_block_is_asked_for_in_small_pieces, 0, 2);
	tcase_add_test(tc, nothing_is_registered_here_but_what_was_asked_for);
	tcase_add_test(tc, only_an_unanswered_request_may_be_too_much);
	tcase_add_test(tc, requests_inside_an_extent_are_answered);
	tcase_add_test(tc, a_request_is_not_answered_without_receives);
	tcase_add_test(tc, shift_20_leaves_every_request_as_it_is);
	tcase_add_test(tc, unregister_of_a_part_is_answered_and_of_a_whole_forwarded);
	tcase_add_test(tc, unregister_before_the_chunk_size_is_known);
	tcase_add_test(tc, other_messages_pass);
	tcase_add_loop_test(tc, what_it_does_not_understand_stops_widening, 0, 8);
	tcase_add_test(tc, a_block_below_its_offset_is_not_found);
	tcase_add_test(tc, unregister_of_the_unknown_is_forwarded);
	tcase_add_test(tc, unexpected_answers_change_nothing);
	tcase_add_test(tc, a_malformed_list_stops_widening);
	tcase_add_test(tc, a_registration_that_does_not_fit_the_request);
	tcase_add_test(tc, a_request_given_up_stops_widening_when_its_extent_is_unknown);
	tcase_add_loop_test(tc, any_order_of_chunks_works, 0, 8);
	suite_add_tcase(suite, tc);
	return unit_run(suite);
}
