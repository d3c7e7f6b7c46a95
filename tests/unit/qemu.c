/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "qemu.h"

#include <string.h>

#include "extents.h"

static enum slots_verdict give_rkey(void *context, unsigned int block, struct range range,
				    uint32_t *rkey)
{
	struct qemu *q = context;

	(void)block;
	(void)range;
	*rkey = ++q->last_rkey;
	return SLOTS_DONE;
}

static void deliver(struct qemu *q, const void *msg, size_t len, struct message *reply)
{
	bool handled;

	reply->len = 0;
	/* That is for its stream. */
	if (message_type(msg) == WIRE_QEMU_FILE)
		return;
	handled = slots_handle(&q->destination, msg, len, reply) == SLOTS_DONE;
	expect(handled, q->destination.why, q->sent);
}

void qemu_receive_ready(struct qemu *q)
{
	struct message ready;

	message_begin(&ready, WIRE_READY, 1);
	source_receive(&q->source, ready.data, ready.len, 0);
	q->credits++;
}

bool qemu_plan(struct qemu *q, uint64_t data)
{
	struct prefetch_scan look;
	struct range found;

	if (!source_scan(&q->source, &q->wire, &look))
		return false;
	expect(look.range.start < look.range.end, "memory to look at", look.range.start);
	expect(look.place.addr == LOCAL(look.block), "the block's address", look.place.addr);
	expect(look.place.chunk == q->destination.chunk_size, "the chunk size", look.place.chunk);
	data = data < look.range.end - look.range.start ? look.range.start + data : look.range.end;
	if (data > look.range.start)
		qemu_hole(q, look.block, look.range.start, data);
	found = prefetch_find(&look);
	if (data > look.range.start)
		q->memory.holes--;
	source_scanned(&q->source, &look, found);
	expect(source_has_planned(&q->source) == (found.start < found.end), "what it found",
	       found.start);
	return source_has_planned(&q->source);
}

static void goes_ahead(struct qemu *q, struct wire_register request)
{
	expect(!q->asked, "a destination that is free", q->sent);
	expect(q->credits > 0, "asked without a credit", q->sent);
	q->ahead = request;
	q->asked = true;
	q->credits--;
	prefetch_asked(&q->source.prefetch, 0, 0);
}

bool qemu_ask(struct qemu *q, uint64_t most)
{
	struct wire_register request;

	if (q->asked || !q->credits || !source_ask(&q->source, most, &request))
		return false;
	goes_ahead(q, request);
	return true;
}

bool qemu_look(struct qemu *q, uint64_t data)
{
	if (q->asked || !q->credits)
		return false;
	if (!source_has_planned(&q->source))
		qemu_plan(q, data);
	return qemu_ask(q, UINT64_MAX);
}

void qemu_answer_ahead(struct qemu *q, struct message *reply)
{
	struct wire_message own = {.len = 0};
	struct message m, result;
	bool held;

	expect(q->asked, "a request on the wire", q->sent);
	message_register(&m, WIRE_REGISTER_REQUEST, q->ahead.addr, q->ahead.block, q->ahead.chunks);
	deliver(q, m.data, m.len, &result);
	expect(!source_prefetched(&q->source, result.data, result.len, 0, &held, &own), "a result",
	       q->sent);
	expect(held == (own.len > 0), "an answer when it is held", q->sent);
	memcpy(reply->data, own.bytes, own.len);
	reply->len = own.len;
	q->asked = false;
	q->credits++;
}

enum source_verdict qemu_exchange(struct qemu *q, const struct message *m, struct message *reply)
{
	struct wire_message own = {.len = 0};
	struct source_can can = {q->can_answer, q->can_ask && !q->asked && q->credits};
	enum source_verdict verdict = source_send(&q->source, m->data, m->len, can, &own);
	struct message none;

	/* What goes out itself does so behind the answer to our own request. */
	if (q->asked && (verdict == SOURCE_REPLACE || verdict == SOURCE_FORWARD)) {
		qemu_answer_ahead(q, &none);
		expect(!none.len, "answered, though it is sent", q->sent);
	}
	source_posted(&q->source, 0, 0);
	switch (verdict) {
	case SOURCE_ASK:
		expect(can.ask, "asked when the destination is not free", q->sent);
		goes_ahead(q, source_asked(&q->source));
		/* fall through */
	case SOURCE_HOLD:
		expect(q->can_answer, "held without room for the answer", q->sent);
		qemu_answer_ahead(q, reply);
		expect(reply->len, "the answer that QEMU waits for", q->sent);
		return verdict;
	case SOURCE_ANSWER:
		expect(q->can_answer, "answered without room for it", q->sent);
		memcpy(reply->data, own.bytes, own.len);
		reply->len = own.len;
		q->answered++;
		return verdict;
	case SOURCE_REPLACE:
		deliver(q, own.bytes, own.len, reply);
		break;
	case SOURCE_FORWARD:
		deliver(q, m->data, m->len, reply);
		break;
	case SOURCE_FAIL:
		return verdict;
	}
	expect(q->credits > 0, "sent without a credit", q->sent);
	q->sent++;
	q->credits--;
	if (reply->len)
		source_receive(&q->source, reply->data, reply->len, 0);
	qemu_receive_ready(q);
	return verdict;
}

void qemu_start(struct qemu *q, unsigned int shift, uint64_t chunk_size, const uint64_t *lengths,
		unsigned int count)
{
	static const struct slots_ops ops = {.reg = give_rkey};
	struct message m, reply;

	memset(q, 0, sizeof(*q));
	q->can_answer = true;
	q->can_ask = true;
	q->destination.ops = &ops;
	q->destination.context = q;
	q->destination.chunk_size = chunk_size;
	for (unsigned int i = 0; i < count; i++)
		slots_add_block(&q->destination, OFFSET(i), lengths[i], REMOTE(i));
	source_init(&q->source, &(struct source_options){
					.shift = shift,
					.threads = 1,
					.bridge = true,
					.memory = fake_memory_of(&q->memory),
				});
	qemu_receive_ready(q);
	message_begin(&m, WIRE_RAM_BLOCKS_REQUEST, 1);
	qemu_exchange(q, &m, &reply);
}

void qemu_hole(struct qemu *q, unsigned int block, uint64_t from, uint64_t to)
{
	fake_memory_hole(&q->memory, LOCAL(block) + from, LOCAL(block) + to);
}

void qemu_check_write(const struct qemu *q, unsigned int block, uint64_t chunk)
{
	expect(slots_cover(&q->destination, block, q->rkey[block][chunk],
			   slots_range(&q->destination, block, chunk, 1)),
	       "the rkey that QEMU holds covers its chunk", chunk);
}

void qemu_request(const struct qemu *q, struct message *m, unsigned int block, uint64_t chunk,
		  uint64_t within)
{
	message_register(m, WIRE_REGISTER_REQUEST,
			 OFFSET(block) + chunk * q->destination.chunk_size + within, block, 0);
}

enum source_verdict qemu_judge(const struct qemu *q, const struct message *m,
			       struct wire_message *own)
{
	struct source copy = q->source;

	return source_send(&copy, m->data, m->len, CAN_ANSWER, own);
}

struct ram_block *qemu_register(struct qemu *q, unsigned int block, uint64_t chunk,
				struct range *want)
{
	struct range r = slots_range(&q->destination, block, chunk, 1);

	return source_register(&q->source, LOCAL(block) + r.start, r.end - r.start, want);
}

void qemu_write(struct qemu *q, unsigned int block, uint64_t chunk, uint64_t within)
{
	struct message m, reply;
	struct ram_block *found;
	struct range want, r = slots_range(&q->destination, block, chunk, 1);

	if (!q->rkey[block][chunk]) {
		qemu_request(q, &m, block, chunk, within % (r.end - r.start));
		expect(qemu_exchange(q, &m, &reply) != SOURCE_FAIL, "not failed", chunk);
		expect(reply.len == 32 && message_get32(reply.data, 4) == WIRE_REGISTER_RESULT,
		       "a result", chunk);
		expect(message_get64(reply.data, 24) == REMOTE(block), "host address", chunk);
		found = qemu_register(q, block, chunk, &want);
		expect(found || q->may_lose_track, "known as guest memory", chunk);
		if (found) {
			expect(found == &q->source.blocks.block[block], "the block", chunk);
			expect(want.start == r.start && want.end == r.end, "the chunk", chunk);
		}
		q->rkey[block][chunk] = message_get32(reply.data, 16);
	}
	qemu_check_write(q, block, chunk);
}

enum source_verdict qemu_unregister(struct qemu *q, unsigned int block, uint64_t chunk)
{
	struct message m, reply;
	enum source_verdict verdict;

	/* QEMU has deregistered its own memory and forgotten the rkey before. */
	q->rkey[block][chunk] = 0;
	message_register(&m, WIRE_UNREGISTER_REQUEST, chunk, block, 0);
	verdict = qemu_exchange(q, &m, &reply);
	if (verdict != SOURCE_FAIL) {
		expect(reply.len == 16 && message_get32(reply.data, 4) == WIRE_UNREGISTER_FINISHED,
		       "unregister finished", chunk);
	}
	return verdict;
}

void qemu_check_extents(const struct qemu *q, uint64_t round)
{
	for (unsigned int b = 0; b < q->source.blocks.count; b++) {
		const struct extent_map *map = &q->source.blocks.block[b].remote;
		struct extents_shape shape;
		const struct extent *e;

		expect(!extents_check(map, &shape), "the map is as it should be", round);
		for (e = extent_map_first(map, 0); e; e = extent_map_first(map, e->range.end)) {
			expect(e->value == PREFETCH_NO_RKEY_YET
				       ? q->asked
				       : slots_cover(&q->destination, b, (uint32_t)e->value,
						     e->range),
			       "an extent is what its rkey allows", round);
		}
	}
}
