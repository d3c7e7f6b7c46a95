/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "core/source.h"

#include <errno.h>
#include <string.h>

#include "core/widen.h"

void source_init(struct source *s, const struct source_options *options)
{
	s->options = *options;
	s->widening = true;
	prefetch_init(&s->prefetch, options->shift, options->threads);
	s->prefetch.on = options->prefetch;
	s->prefetch.bridge = options->bridge;
	s->prefetch.memory = options->memory;
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
	else
		prefetch_recorded(&s->prefetch, s->request.range);
	s->request.recorded = true;
}

static void answer_register(struct source *s, const struct ram_block *block, uint64_t rkey,
			    struct wire_message *reply)
{
	struct wire_result result = {
		.rkey = (uint32_t)rkey,
		.host_addr = block->host_addr,
	};

	s->request.stage = SOURCE_REQUEST_ANSWERED;
	s->request.recorded = true;
	reply->len = wire_build_register_result(reply->bytes, &result);
}

/* The destination has, or will have, registered the chunk that QEMU asks for. */
static enum source_verdict find_answer(struct source *s, const struct ram_block *block,
				       const struct extent *extent, bool can_answer,
				       struct wire_message *reply)
{
	/* The destination makes an MR for this chunk alone, or returns the one it
	 * has: either serves this chunk. */
	s->request.recorded = true;
	if (!can_answer)
		return SOURCE_FORWARD;
	if (extent->value == PREFETCH_NO_RKEY_YET) {
		s->request.stage = SOURCE_REQUEST_HELD;
		prefetch_waited(&s->prefetch);
		return SOURCE_HOLD;
	}
	answer_register(s, block, extent->value, reply);
	return SOURCE_ANSWER;
}

void source_passed(struct source *s, uint32_t block, uint64_t end)
{
	prefetch_passed(&s->prefetch, &s->blocks, block, end);
}

/* QEMU asks for `want` of the block, or sends zeros there. */
static void comes(struct source *s, uint32_t block, struct range want, bool asks)
{
	prefetch_comes(&s->prefetch, &s->blocks, block, want, asks);
	source_passed(s, block, want.end);
}

/* A WRITE lies behind QEMU when it ends where the chunk begins that QEMU is in, or before. */
void source_wrote(struct source *s, uint64_t addr, uint64_t length)
{
	const struct prefetch *p = &s->prefetch;
	const struct ram_block *block;
	struct range where;

	if (!p->known || !s->chunk_size)
		return;
	block = ram_blocks_find_local(&s->blocks, addr, length, &where);
	if (block && (block != &s->blocks.block[p->block] ||
		      where.end <= ((p->position - 1) & ~(s->chunk_size - 1))))
		prefetch_left(&s->prefetch, &s->blocks);
}

bool source_zero(struct source *s, const void *msg, size_t len, struct zero_run *run)
{
	const struct ram_block *block;
	uint64_t start;

	if (wire_parse_compress(msg, len, &run->message))
		return false;
	block = block_at(s, run->message.block);
	if (!block)
		return false;
	start = run->message.addr - block->offset;
	if (run->message.addr < block->offset || start >= block->length || !run->message.length ||
	    run->message.length > block->length - start)
		return false;
	run->remote.start = block->host_addr + start;
	run->remote.end = run->remote.start + run->message.length;
	comes(s, run->message.block, (struct range){start, start + run->message.length}, false);
	return true;
}

static struct data_run_place place_in(const struct source *s, const struct ram_block *block)
{
	return (struct data_run_place){
		.memory = &s->options.memory,
		.addr = block->local_addr,
		.chunk = s->chunk_size,
	};
}

/* The longest that a run which begins at `want` may be in a block that QEMU has been
 * through; `want` at least. */
static uint64_t passed_end(const struct source *s, struct range want)
{
	uint64_t end, bytes = prefetch_bytes_passed(&s->prefetch);

	if (!s->chunk_size)
		return want.end;
	end = want.start + bytes - bytes % s->chunk_size;
	return end > want.end ? end : want.end;
}

/* Is that what was planned to be asked for next? Then it has been looked through. */
static bool is_planned(const struct source *s, const struct ram_block *block, struct range want)
{
	const struct prefetch *p = &s->prefetch;

	return block == &s->blocks.block[p->block] && want.start >= p->planned.start &&
	       want.end <= p->planned.end;
}

/* What to ask for where QEMU asks for `want`; false when it overlaps an extent. */
static bool widen(const struct source *s, const struct ram_block *block, struct range want,
		  struct range *wide)
{
	struct data_run_place place = place_in(s, block);
	uint64_t bytes =
		s->prefetch.on ? prefetch_window(&s->prefetch) : UINT64_C(1) << s->options.shift;
	struct range gap, run;

	if (!extent_map_gap(&block->remote, (struct range){want.start, block->length}, want, &gap))
		return false;
	*wide = want;
	/* Where its memory is here shows with the first chunk of a block. */
	if (s->single || !block->local_known || !prefetch_pays(&s->prefetch))
		return true;
	if (is_planned(s, block, want) && s->prefetch.planned.end <= gap.end &&
	    s->prefetch.planned.end > want.end) {
		wide->end = s->prefetch.planned.end;
		return true;
	}
	run = prefetch_piece(&block->remote, block->length, want.start, bytes, s->chunk_size);
	if (block->passed && run.end > passed_end(s, want))
		run.end = passed_end(s, want);
	if (run.end <= want.end)
		return true;
	/* QEMU writes all that it asks for: only the last chunk of it matters. */
	run.start = (want.end - 1) & ~(s->chunk_size - 1);
	wide->end = data_run_end_in_window(&place, run, s->prefetch.on ? gap.end : run.end,
					   prefetch_bridges(&s->prefetch, block));
	return true;
}

struct range source_bounds(const struct source *s, const struct ram_block *block, struct range want)
{
	const struct extent *extent = extent_map_find(&block->remote, want);
	struct range bounds = extent ? extent->range : want;

	if (!block->passed)
		return bounds;
	bounds.start = want.start;
	if (bounds.end > passed_end(s, want))
		bounds.end = passed_end(s, want);
	return bounds;
}

bool source_may_be_too_much(const struct source *s)
{
	return s->widened && s->prefetch.open;
}

/* The request for `range`, which begins with a chunk. */
static struct wire_register request_for(const struct source *s, uint32_t block, struct range range)
{
	return (struct wire_register){
		.addr = s->blocks.block[block].offset + range.start,
		.block = block,
		/* The last chunk that the range reaches into, counted from its first. */
		.chunks = (range.end - 1 - range.start) / s->chunk_size,
	};
}

/*
 * QEMU needs the first chunk of it at once, and both ends have to register it. As a request of
 * our own they do so at the same time; as one of QEMU's one after the other.
 */
static bool ask_ahead(struct source *s, struct source_can can, struct range wide)
{
	if (!can.answer || !can.ask || !s->prefetch.on ||
	    !prefetch_ask_for(&s->prefetch, &s->blocks, wide))
		return false;
	s->request.recorded = true;
	s->request.stage = SOURCE_REQUEST_HELD;
	prefetch_waited(&s->prefetch);
	return true;
}

static enum source_verdict send_register(struct source *s, const void *msg, size_t len,
					 struct source_can can, struct wire_message *reply)
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
	if (!s->chunk_size) {
		source_passed(s, request->asked.block, request->offset + 1);
		s->prefetch.known = false;
		return SOURCE_FORWARD;
	}
	if (!widen_chunk_range(block->length, request->offset, request->asked.chunks, s->chunk_size,
			       &want))
		return SOURCE_FORWARD;

	comes(s, request->asked.block, want, true);
	extent = extent_map_find(&block->remote, want);
	if (extent)
		return find_answer(s, block, extent, can.answer, reply);
	if (!s->widening)
		return SOURCE_FORWARD;
	if (!widen(s, block, want, &wide)) {
		s->widening = false;
		return SOURCE_FORWARD;
	}
	request->range = wide;
	prefetch_taken(&s->prefetch, wide);
	if (wide.end == want.end)
		return SOURCE_FORWARD;
	s->widened = true;
	if (ask_ahead(s, can, wide))
		return SOURCE_ASK;
	changed = request_for(s, request->asked.block, wide);
	reply->len = wire_build_register_request(reply->bytes, &changed);
	return SOURCE_REPLACE;
}

static enum source_verdict send_unregister(struct source *s, const void *msg, size_t len,
					   bool can_answer, struct wire_message *reply)
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
	reply->len = wire_build_empty(reply->bytes, WIRE_UNREGISTER_FINISHED);
	return SOURCE_ANSWER;
}

enum source_verdict source_send(struct source *s, const void *msg, size_t len,
				struct source_can can, struct wire_message *reply)
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
		verdict = send_register(s, msg, len, can, reply);
	else if (header.type == WIRE_UNREGISTER_REQUEST)
		verdict = send_unregister(s, msg, len, can.answer, reply);
	return verdict;
}

void source_posted(struct source *s, uint64_t now, uint64_t queue_ns)
{
	if (s->request.stage == SOURCE_REQUEST_SENT)
		prefetch_asked(&s->prefetch, now, queue_ns);
}

/* What an answer to QEMU's request tells of how fast the destination is: as much as one to a
 * request of ours, if it was asked for more than a chunk. */
static uint64_t measured_bytes(const struct source *s)
{
	uint64_t bytes = s->request.range.end - s->request.range.start;

	return bytes > s->chunk_size ? bytes : 0;
}

static void receive_result(struct source *s, const void *msg, size_t len, uint64_t now)
{
	struct wire_result result;
	struct ram_block *block;

	if (s->request.stage != SOURCE_REQUEST_SENT)
		return;
	prefetch_measured(&s->prefetch, measured_bytes(s), now);
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

void source_receive(struct source *s, const void *msg, size_t len, uint64_t now)
{
	struct wire_header header;

	if (wire_parse_header(msg, len, &header))
		return;
	switch (header.type) {
	case WIRE_REGISTER_RESULT:
		receive_result(s, msg, len, now);
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
	/* Once it is known, those who discard memory read it without a lock. */
	if (!block->local_known)
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

bool source_scan(const struct source *s, const struct rate *wire, struct prefetch_scan *scan)
{
	return s->widening && !s->single && s->chunk_size &&
	       prefetch_next(&s->prefetch, &s->blocks, wire, s->chunk_size, scan);
}

void source_scanned(struct source *s, const struct prefetch_scan *scan, struct range found)
{
	prefetch_scanned(&s->prefetch, &s->blocks, scan, found);
}

bool source_in_tail(const struct source *s, const struct rate *wire)
{
	return prefetch_in_tail(&s->prefetch, &s->blocks, wire);
}

bool source_has_planned(const struct source *s)
{
	return s->prefetch.planned.start < s->prefetch.planned.end;
}

struct wire_register source_asked(const struct source *s)
{
	return request_for(s, s->prefetch.asked_block, s->prefetch.asked);
}

bool source_ask(struct source *s, uint64_t most, struct wire_register *request)
{
	const struct range *asked = &s->prefetch.asked;

	if (most < s->chunk_size)
		most = s->chunk_size;
	if (!s->widening || !prefetch_ask(&s->prefetch, &s->blocks, most - most % s->chunk_size))
		return false;
	s->widened |= asked->end - asked->start > s->chunk_size;
	*request = source_asked(s);
	return true;
}

void source_withdraw(struct source *s)
{
	prefetch_answered(&s->prefetch, &s->blocks, PREFETCH_NO_RKEY_YET);
}

int source_prefetched(struct source *s, const void *msg, size_t len, uint64_t now, bool *held,
		      struct wire_message *reply)
{
	const struct range *asked = &s->prefetch.asked;
	struct ram_block *block = &s->blocks.block[s->prefetch.asked_block];
	struct wire_result result;

	if (wire_parse_result(msg, len, &result))
		return -EBADMSG;
	block->host_addr = result.host_addr;
	prefetch_answered(&s->prefetch, &s->blocks, result.rkey);
	prefetch_measured(&s->prefetch, asked->end - asked->start, now);
	*held = s->request.stage == SOURCE_REQUEST_HELD;
	if (*held)
		answer_register(s, block, result.rkey, reply);
	return 0;
}

bool source_prefetch_local(const struct source *s, struct ram_block **block, struct range *range)
{
	const struct prefetch *p = &s->prefetch;
	uint64_t from = p->position;

	/* What it waits for is at hand then when the answer comes. */
	if (s->request.stage == SOURCE_REQUEST_HELD)
		from = s->request.offset;
	/* What QEMU registers next is its own to register, in one. */
	return s->request.stage != SOURCE_REQUEST_ANSWERED &&
	       prefetch_local(p, &s->blocks, s->chunk_size, from, block, range);
}
