/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "core/source.h"

#include <string.h>

#include "core/widen.h"

void source_init(struct source *s, unsigned int shift)
{
	s->shift = shift;
	s->widening = true;
}

void source_clear(struct source *s)
{
	ram_blocks_clear(&s->blocks);
	memset(s, 0, sizeof(*s));
}

/* The block of an index that came from a message, or NULL. */
static struct ram_block *block_at(struct source *s, uint32_t index)
{
	return index < s->blocks.count ? &s->blocks.block[index] : NULL;
}

/*
 * A request whose result never came, or whose chunk QEMU never registered, may
 * have left an extent at the destination whose bounds we do not know.
 */
static void drop_request(struct source *s)
{
	if (s->request.stage != SOURCE_REQUEST_NONE && !s->request.recorded)
		s->widening = false;
	memset(&s->request, 0, sizeof(s->request));
}

static void record(struct source *s, struct ram_block *block)
{
	if (extent_map_insert(&block->remote, s->request.range, s->request.rkey))
		s->widening = false;
	s->request.recorded = true;
}

static enum source_verdict answer_register(struct source *s, const struct ram_block *block,
					   const struct extent *extent, struct source_reply *reply)
{
	struct wire_result result = {
		.rkey = (uint32_t)extent->value,
		.host_addr = block->host_addr,
	};

	s->request.stage = SOURCE_REQUEST_ANSWERED;
	s->request.recorded = true;
	reply->len = wire_build_register_result(reply->message, &result);
	return SOURCE_ANSWER;
}

static enum source_verdict send_register(struct source *s, const void *msg, size_t len,
					 bool can_answer, struct source_reply *reply)
{
	struct source_request *request = &s->request;
	const struct extent *extent;
	struct ram_block *block;
	struct range want, wide;
	struct wire_register changed;

	if (wire_parse_register(msg, len, WIRE_REGISTER_REQUEST, &request->asked)) {
		s->widening = false;
		return SOURCE_FORWARD;
	}
	block = block_at(s, request->asked.block);
	if (!block || request->asked.addr < block->offset ||
	    request->asked.addr - block->offset >= block->length) {
		s->widening = false;
		return SOURCE_FORWARD;
	}
	request->stage = SOURCE_REQUEST_SENT;
	request->offset = request->asked.addr - block->offset;
	if (!s->chunk_size || !widen_chunk_range(block->length, request->offset,
						 request->asked.chunks, s->chunk_size, &want))
		return SOURCE_FORWARD;

	extent = extent_map_find(&block->remote, want);
	if (extent) {
		if (can_answer)
			return answer_register(s, block, extent, reply);
		/* The destination makes an MR for this chunk alone, or returns the
		 * one it has: either serves this chunk. */
		request->recorded = true;
		return SOURCE_FORWARD;
	}
	if (!s->widening)
		return SOURCE_FORWARD;
	if (!widen_range(&block->remote, block->length, want, s->shift, &wide)) {
		s->widening = false;
		return SOURCE_FORWARD;
	}
	request->range = wide;
	if (wide.start == want.start && wide.end == want.end)
		return SOURCE_FORWARD;
	changed = request->asked;
	changed.addr = block->offset + wide.start;
	/* The last chunk that the range reaches into, counted from its first. */
	changed.chunks = (wide.end - 1 - wide.start) / s->chunk_size;
	reply->len = wire_build_register_request(reply->message, &changed);
	return SOURCE_REPLACE;
}

static enum source_verdict send_unregister(struct source *s, const void *msg, size_t len,
					   bool can_answer, struct source_reply *reply)
{
	const struct extent *extent;
	struct wire_register reg;
	struct ram_block *block;
	struct range chunk;

	if (wire_parse_register(msg, len, WIRE_UNREGISTER_REQUEST, &reg)) {
		s->widening = false;
		return SOURCE_FORWARD;
	}
	block = block_at(s, reg.block);
	if (block && !s->chunk_size) {
		/* Which extent goes cannot be told; none of them may be used again. */
		extent_map_clear(&block->remote);
		s->widening = false;
	}
	if (!block || !s->chunk_size || reg.addr >= block->length / s->chunk_size + 1 ||
	    !widen_chunk_range(block->length, reg.addr * s->chunk_size, 0, s->chunk_size, &chunk))
		return SOURCE_FORWARD;
	extent = extent_map_find(&block->remote, chunk);
	if (!extent)
		return SOURCE_FORWARD;
	if (extent->range.start == chunk.start && extent->range.end == chunk.end) {
		extent_map_remove(&block->remote, chunk.start);
		return SOURCE_FORWARD;
	}
	/*
	 * The destination knows the whole extent by its first chunk only. To
	 * unregister any other would crash it; to unregister the first would
	 * take the MR away from all the others.
	 */
	if (!can_answer)
		return SOURCE_FAIL;
	reply->len = wire_build_empty(reply->message, WIRE_UNREGISTER_FINISHED);
	return SOURCE_ANSWER;
}

enum source_verdict source_send(struct source *s, const void *msg, size_t len, bool can_answer,
				struct source_reply *reply)
{
	enum source_verdict verdict = SOURCE_FORWARD;
	struct wire_header header;

	if (wire_parse_header(msg, len, &header)) {
		s->widening = false;
		return SOURCE_FORWARD;
	}
	/* READY belongs to the return path, and neither is part of an exchange. */
	if (header.type == WIRE_READY || header.type == WIRE_ERROR)
		return SOURCE_FORWARD;

	drop_request(s);
	if (header.type == WIRE_REGISTER_REQUEST)
		verdict = send_register(s, msg, len, can_answer, reply);
	else if (header.type == WIRE_UNREGISTER_REQUEST)
		verdict = send_unregister(s, msg, len, can_answer, reply);
	return verdict;
}

static void receive_result(struct source *s, const void *msg, size_t len)
{
	struct wire_result result;
	struct ram_block *block;

	if (s->request.stage != SOURCE_REQUEST_SENT)
		return;
	block = block_at(s, s->request.asked.block);
	if (!block || wire_parse_result(msg, len, &result)) {
		drop_request(s);
		return;
	}
	s->request.stage = SOURCE_REQUEST_ANSWERED;
	if (s->request.recorded)
		return;
	s->request.rkey = result.rkey;
	block->host_addr = result.host_addr;
	if (s->request.range.end)
		record(s, block);
}

void source_receive(struct source *s, const void *msg, size_t len)
{
	struct wire_header header;

	if (wire_parse_header(msg, len, &header))
		return;
	switch (header.type) {
	case WIRE_REGISTER_RESULT:
		receive_result(s, msg, len);
		break;
	case WIRE_RAM_BLOCKS_RESULT:
		/* The list comes once, before any registration. */
		if (s->blocks.count || ram_blocks_load(&s->blocks, msg, len))
			s->widening = false;
		break;
	}
}

/* The chunk that QEMU registers right after the result of a request. */
static bool learn(struct source *s, struct ram_block *block, uint64_t addr, uint64_t length)
{
	struct source_request *request = &s->request;
	uint64_t start, size;

	if (widen_learn_chunk(block->length, request->offset, request->asked.chunks, length,
			      s->chunk_size, &start, &size))
		return false;
	if (addr < start || (block->local_known && block->local_addr != addr - start))
		return false;
	if (!s->chunk_size)
		s->chunk_size = size;
	block->local_addr = addr - start;
	block->local_known = true;
	if (!request->recorded) {
		request->range = (struct range){start, start + length};
		record(s, block);
	}
	return true;
}

struct ram_block *source_register(struct source *s, uint64_t addr, uint64_t length,
				  struct range *want)
{
	struct ram_block *block;

	if (s->request.stage == SOURCE_REQUEST_ANSWERED) {
		block = block_at(s, s->request.asked.block);
		if (!block || !learn(s, block, addr, length)) {
			drop_request(s);
			return NULL;
		}
		s->request.stage = SOURCE_REQUEST_NONE;
	}
	return ram_blocks_find_local(&s->blocks, addr, length, want);
}
