/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "qemu.h"

#include <string.h>

void qemu_receive_ready(struct qemu *q)
{
	struct message ready;

	message_begin(&ready, WIRE_READY, 1);
	source_receive(&q->source, ready.data, ready.len);
	q->credits++;
}

enum source_verdict qemu_exchange(struct qemu *q, const struct message *m, struct message *reply)
{
	struct source_reply own = {.len = 0};
	enum source_verdict verdict = source_send(&q->source, m->data, m->len, q->can_answer, &own);

	switch (verdict) {
	case SOURCE_ANSWER:
		expect(q->can_answer, "answered without room for it", q->sent);
		memcpy(reply->data, own.message, own.len);
		reply->len = own.len;
		q->answered++;
		return verdict;
	case SOURCE_REPLACE:
		destination_handle(&q->destination, own.message, own.len, reply);
		break;
	case SOURCE_FORWARD:
		destination_handle(&q->destination, m->data, m->len, reply);
		break;
	case SOURCE_FAIL:
		return verdict;
	}
	expect(q->credits > 0, "sent without a credit", q->sent);
	q->sent++;
	q->credits--;
	if (reply->len)
		source_receive(&q->source, reply->data, reply->len);
	qemu_receive_ready(q);
	return verdict;
}

void qemu_start(struct qemu *q, unsigned int shift, uint64_t chunk_size, const uint64_t *lengths,
		unsigned int count)
{
	struct message m, reply;

	memset(q, 0, sizeof(*q));
	q->can_answer = true;
	q->destination.chunk_size = chunk_size;
	for (unsigned int i = 0; i < count; i++)
		destination_add_block(&q->destination, OFFSET(i), lengths[i], REMOTE(i));
	source_init(&q->source, shift, false);
	qemu_receive_ready(q);
	message_begin(&m, WIRE_RAM_BLOCKS_REQUEST, 1);
	qemu_exchange(q, &m, &reply);
}

static struct range chunk_range(const struct qemu *q, unsigned int block, uint64_t chunk)
{
	uint64_t size = q->destination.chunk_size;
	struct range r = {chunk * size, (chunk + 1) * size};

	if (r.end > q->destination.block[block].length)
		r.end = q->destination.block[block].length;
	return r;
}

void qemu_check_write(const struct qemu *q, unsigned int block, uint64_t chunk)
{
	expect(destination_covers(&q->destination, block, q->rkey[block][chunk],
				  chunk_range(q, block, chunk)),
	       "the rkey that QEMU holds covers its chunk", chunk);
}

void qemu_request(const struct qemu *q, struct message *m, unsigned int block, uint64_t chunk,
		  uint64_t within)
{
	message_register(m, WIRE_REGISTER_REQUEST,
			 OFFSET(block) + chunk * q->destination.chunk_size + within, block, 0);
}

enum source_verdict qemu_judge(const struct qemu *q, const struct message *m,
			       struct source_reply *own)
{
	struct source copy = q->source;

	return source_send(&copy, m->data, m->len, true, own);
}

struct ram_block *qemu_register(struct qemu *q, unsigned int block, uint64_t chunk,
				struct range *want)
{
	struct range r = chunk_range(q, block, chunk);

	return source_register(&q->source, LOCAL(block) + r.start, r.end - r.start, want);
}

void qemu_write(struct qemu *q, unsigned int block, uint64_t chunk, uint64_t within)
{
	struct message m, reply;
	struct ram_block *found;
	struct range want, r = chunk_range(q, block, chunk);

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

		for (size_t i = 0; i < map->count; i++) {
			struct range r = map->extent[i].range;

			expect(!i || map->extent[i - 1].range.end <= r.start, "overlap", round);
			expect(destination_covers(&q->destination, b,
						  (uint32_t)map->extent[i].value, r),
			       "an extent is what its rkey allows", round);
		}
	}
}
