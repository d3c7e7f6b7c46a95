/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "core/conn.h"

#include <errno.h>
#include <string.h>

#include "core/verbs_values.h"

void conn_init(struct conn *c, bool one_cq, const struct conn_options *options)
{
	memset(c, 0, sizeof(*c));
	c->one_cq = one_cq;
	c->options = *options;
	c->policy.shift = options->shift;
	c->policy.ahead = options->ahead;
	transmit_init(&c->transmit);
	source_init(&c->source, &(struct source_options){
					.shift = options->shift,
					.ahead = options->ahead,
					.bridge = !options->limited,
					.memory = options->memory,
				});
	c->destination.exact = options->limited;
}

void conn_clear(struct conn *c)
{
	source_clear(&c->source);
	ram_blocks_clear(&c->dest_blocks);
}

void conn_pass_through(struct conn *c)
{
	c->state = CONN_PASSTHROUGH;
}

bool conn_wants_help(const struct conn *c)
{
	return c->role == CONN_SOURCE && !c->one_cq && (c->options.zeros || c->options.ahead);
}

void conn_forgo_help(struct conn *c)
{
	/* Without messages of our own nothing waits for a READY that QEMU does not. */
	c->options.zeros = false;
	c->options.ahead = false;
	c->policy.ahead = false;
	c->source.ahead.on = false;
}

void conn_ask_singly(struct conn *c)
{
	c->source.single = true;
}

void conn_start(struct conn *c, enum conn_role role, uint64_t max_message)
{
	uint64_t region = UINT64_C(1) << c->options.shift;

	c->role = role;
	c->state = CONN_ACTIVE;
	c->transmit.policy.early = c->options.writes && role == CONN_SOURCE;
	c->transmit.policy.merge_max = region < max_message ? region : max_message;
}

struct completion_queue *conn_due(struct conn *c, enum conn_cq cq)
{
	return &c->due[c->one_cq ? CONN_SEND_CQ : cq];
}

/*
 * The queues hold more than QEMU can have posted; should one overflow all the
 * same, a lost completion would be a hang, so the connection fails instead.
 */
static void push(struct conn *c, struct completion_queue *q, const struct completion *wc)
{
	/* What does not fit while it fails QEMU need not know. */
	if (completion_queue_push(q, wc) && c->state != CONN_FAILED)
		conn_fail(c);
}

/*
 * QEMU before 7.0 has one CQ and, while it waits for a SEND, drops the RECV
 * completion of the answer when that comes first, then waits for it for ever
 * (migration/rdma.c, qemu_rdma_block_for_wrid). So there the SEND goes first.
 */
static void deliver_recv(struct conn *c, const struct completion *wc)
{
	bool sending = c->transmit.strict.pending || c->transmit.sends.messages;
	bool keep = c->one_cq && wc->status == VERBS_WC_SUCCESS && (sending || c->held.count);

	push(c, keep ? &c->held : conn_due(c, CONN_RECV_CQ), wc);
}

static void release_held(struct conn *c)
{
	struct completion wc;

	if (c->transmit.strict.pending || c->transmit.sends.messages)
		return;
	while (completion_queue_pop(&c->held, &wc))
		push(c, conn_due(c, CONN_RECV_CQ), &wc);
}

static void flush_recvs(struct conn *c)
{
	struct recv_request request;
	struct completion wc = {
		.status = VERBS_WC_WR_FLUSH_ERR,
		.opcode = VERBS_WC_RECV,
	};

	while (recv_queue_take(&c->recvs, &request)) {
		wc.wr_id = request.wr_id;
		push(c, conn_due(c, CONN_RECV_CQ), &wc);
	}
}

void conn_fail(struct conn *c)
{
	struct completion wc = {
		.wr_id = c->transmit.strict.wr_id,
		.status = VERBS_WC_WR_FLUSH_ERR,
		.opcode = VERBS_WC_SEND,
	};

	c->state = CONN_FAILED;
	transmit_fail(&c->transmit, conn_due(c, CONN_SEND_CQ));
	if (c->transmit.strict.pending)
		push(c, conn_due(c, CONN_SEND_CQ), &wc);
	transmit_abandon_strict(&c->transmit);
	flush_recvs(c);
}

static void fill(struct conn *c, const struct recv_request *request, const void *msg, uint32_t len)
{
	struct completion wc;

	recv_request_fill(request, msg, len, &wc);
	deliver_recv(c, &wc);
}

int conn_post_recv(struct conn *c, const struct recv_request *request, void *const *buffers)
{
	struct recv_arrival arrival;
	struct recv_request oldest;
	int ret;

	ret = recv_queue_post(&c->recvs, request);
	if (ret)
		return ret;
	if (c->state == CONN_FAILED || c->recvs_flushed) {
		flush_recvs(c);
		return 0;
	}
	if (c->state == CONN_ACTIVE && recv_queue_next_arrival(&c->recvs, &arrival)) {
		recv_queue_take(&c->recvs, &oldest);
		fill(c, &oldest, buffers[arrival.buffer], arrival.length);
		c->repost |= 1u << arrival.buffer;
	}
	return 0;
}

static void count_message(uint64_t counts[WIRE_TYPES], const void *msg, size_t len)
{
	struct wire_header header;

	if (!wire_parse_header(msg, len, &header) && header.type < WIRE_TYPES)
		counts[header.type]++;
}

static bool is_type(const struct conn_wr *wr, enum wire_type type)
{
	struct wire_header header;

	return wr->message && !wire_parse_header(wr->data, wr->length, &header) &&
	       header.type == (uint32_t)type;
}

/* Room for what an answer of ours completes: QEMU's SEND and `recvs` RECVs. */
static bool can_answer(const struct conn *c, unsigned int recvs)
{
	return c->recvs.count >= recvs && !c->recvs.arrived_count &&
	       c->due[CONN_SEND_CQ].count + recvs + 1 <= COMPLETION_QUEUE_ROOM &&
	       c->due[CONN_RECV_CQ].count + recvs <= COMPLETION_QUEUE_ROOM;
}

static void answer_sent(struct conn *c, const struct conn_wr *wr)
{
	struct completion sent = {.wr_id = wr->wr_id, .opcode = VERBS_WC_SEND};

	push(c, conn_due(c, CONN_SEND_CQ), &sent);
}

static void answer_recv(struct conn *c, const void *msg, size_t len)
{
	struct recv_request request;

	recv_queue_take(&c->recvs, &request);
	fill(c, &request, msg, (uint32_t)len);
}

static void answer_ready(struct conn *c)
{
	uint8_t ready[WIRE_HEADER_LEN];

	answer_recv(c, ready, wire_build_empty(ready, WIRE_READY));
}

/* Keep a COMPRESS back, to merge it with its neighbours. False when it has to
 * go out as any other message. */
static bool keep_zero(struct conn *c, const struct conn_wr *wr)
{
	struct zero_run run;
	struct ram_block *block;
	uint64_t start;

	if (wire_parse_compress(wr->data, wr->length, &run.message) ||
	    run.message.block >= c->source.blocks.count)
		return false;
	block = &c->source.blocks.block[run.message.block];
	start = run.message.addr - block->offset;
	if (run.message.addr < block->offset || start >= block->length || !run.message.length ||
	    run.message.length > block->length - start)
		return false;
	run.remote.start = block->host_addr + start;
	run.remote.end = run.remote.start + run.message.length;
	source_passed(&c->source, run.message.block, start + run.message.length);
	if (!c->options.zeros || !can_answer(c, 1) || transmit_zero(&c->transmit, &run))
		return false;
	answer_sent(c, wr);
	answer_ready(c);
	return true;
}

static int post_strict(struct conn *c, const struct conn_wr *wr, bool own)
{
	struct transmit_strict strict = {
		.own = own,
		.urgent = c->role == CONN_DESTINATION || is_type(wr, WIRE_READY) ||
			  is_type(wr, WIRE_ERROR),
		.wr_id = wr->wr_id,
		.addr = wr->local_addr,
		.length = (uint32_t)wr->length,
		.lkey = wr->lkey,
	};

	/*
	 * QEMU waits for each SEND. Only when it has given up on one, and says so
	 * with an ERROR, is there another: the first then lies in a buffer that
	 * QEMU has written over.
	 */
	if (strict.urgent)
		transmit_abandon_strict(&c->transmit);
	return transmit_strict(&c->transmit, &strict) ? -EIO : 0;
}

void conn_disconnected(struct conn *c)
{
	if (c->state == CONN_ACTIVE && c->role == CONN_SOURCE && !c->given_up)
		c->refused |= source_may_be_too_much(&c->source);
}

static int send_message(struct conn *c, const struct conn_wr *wr, struct source_reply *own)
{
	bool request = is_type(wr, WIRE_REGISTER_REQUEST);
	bool zero = is_type(wr, WIRE_COMPRESS);
	bool replace = false;

	/* At any other time the destination would take a request of ours for an
	 * error (migration/rdma.c, qemu_rdma_registration_handle). */
	c->transmit.registering = request || zero;
	c->given_up |= is_type(wr, WIRE_ERROR);
	if (zero) {
		c->counters.zeros_seen++;
		if (keep_zero(c, wr))
			return 0;
	}
	if (request)
		c->counters.requests_seen++;
	/* QEMU's would go first, and the destination would answer ours with the MR
	 * that it made for the one chunk. */
	if (request && c->transmit.request.pending && !can_answer(c, 2)) {
		transmit_withdraw_request(&c->transmit);
		source_withdraw(&c->source);
	}
	switch (source_send(&c->source, wr->data, wr->length, can_answer(c, 2), own)) {
	case SOURCE_FAIL:
		conn_fail(c);
		return -EIO;
	case SOURCE_ANSWER:
		if (request)
			c->counters.requests_answered++;
		else
			c->counters.unregisters_answered++;
		answer_sent(c, wr);
		answer_recv(c, own->message, own->len);
		answer_ready(c);
		own->len = 0;
		return 0;
	case SOURCE_HOLD:
		c->counters.requests_answered++;
		c->counters.requests_held++;
		answer_sent(c, wr);
		own->len = 0;
		return 0;
	case SOURCE_REPLACE:
		c->counters.requests_widened++;
		replace = true;
		break;
	case SOURCE_FORWARD:
		own->len = 0;
		break;
	}
	if (request)
		c->counters.requests_sent++;
	count_message(c->counters.sent, wr->data, wr->length);
	return post_strict(c, wr, replace);
}

/* The destination tells the source of its RAM blocks, once. */
static void note_ram_blocks(struct conn *c, const struct conn_wr *wr)
{
	if (c->dest_blocks.count || !is_type(wr, WIRE_RAM_BLOCKS_RESULT) ||
	    ram_blocks_load(&c->dest_blocks, wr->data, wr->length))
		return;
	for (unsigned int i = 0; i < c->dest_blocks.count; i++) {
		c->dest_blocks.block[i].local_addr = c->dest_blocks.block[i].host_addr;
		c->dest_blocks.block[i].local_known = true;
	}
}

int conn_post_send(struct conn *c, const struct conn_wr *wr, struct source_reply *own)
{
	struct write write = {
		.wr_id = wr->wr_id,
		.local_addr = wr->local_addr,
		.remote_addr = wr->remote_addr,
		.length = wr->length,
		.lkey = wr->lkey,
		.rkey = wr->rkey,
		.goes_on = wr->goes_on,
		.later = wr->later,
	};

	own->len = 0;
	if (c->state != CONN_ACTIVE)
		return -EIO;
	if (!wr->message)
		return transmit_write(&c->transmit, &write, conn_due(c, CONN_SEND_CQ));
	if (c->role == CONN_SOURCE)
		return send_message(c, wr, own);
	note_ram_blocks(c, wr);
	count_message(c->counters.sent, wr->data, wr->length);
	return post_strict(c, wr, false);
}

unsigned int conn_batch(struct conn *c, struct transmit_out *out)
{
	return c->state == CONN_ACTIVE ? transmit_batch(&c->transmit, out) : 0;
}

void conn_posted(struct conn *c, const struct transmit_out *out, unsigned int count)
{
	for (unsigned int i = 0; i < count; i++) {
		if (out[i].kind == TRANSMIT_ZERO) {
			c->counters.sent[WIRE_COMPRESS]++;
		} else if (out[i].kind == TRANSMIT_REQUEST) {
			c->counters.sent[WIRE_REGISTER_REQUEST]++;
			c->counters.requests_ahead++;
		}
	}
	transmit_posted(&c->transmit, out, count);
}

bool conn_arm(struct conn *c, enum conn_cq cq)
{
	const struct completion failed = {
		.status = VERBS_WC_WR_FLUSH_ERR,
		.opcode = cq == CONN_SEND_CQ ? VERBS_WC_SEND : VERBS_WC_RECV,
	};

	if (conn_due(c, cq)->count)
		return false;
	/*
	 * QEMU has been told, but up to 7.2 forgets what it polls between two pages
	 * (migration/rdma.c, qemu_rdma_save_page: a `ret' of the loop hides the one
	 * that is returned), and would sleep for ever on a message to come.
	 */
	if (c->state == CONN_FAILED)
		push(c, conn_due(c, cq), &failed);
	if (c->state != CONN_ACTIVE)
		return false;
	transmit_flush(&c->transmit);
	return conn_needs_help(c, cq);
}

bool conn_needs_help(const struct conn *c, enum conn_cq armed)
{
	if (c->state != CONN_ACTIVE || c->one_cq)
		return false;
	if (armed == CONN_SEND_CQ)
		return transmit_waits_for_ready(&c->transmit);
	/* The NIC's send queue was full when our request should have gone. */
	return c->source.ahead.held && transmit_waits_for_room(&c->transmit);
}

int conn_send_completed(struct conn *c, uint64_t serial, const struct completion *wc)
{
	int ret = transmit_completed(&c->transmit, serial, wc, conn_due(c, CONN_SEND_CQ));

	/* A lost completion is a hang: fail instead. */
	if (ret == -ENOSPC)
		conn_fail(c);
	release_held(c);
	return ret == -ENOSPC ? 0 : ret;
}

/* The destination has registered what we asked for ahead of QEMU. */
static void ahead_result(struct conn *c, const void *msg, size_t len)
{
	struct source_reply reply;
	bool held;

	if (source_ahead_result(&c->source, msg, len, &held, &reply)) {
		conn_fail(c);
	} else if (held && c->state == CONN_ACTIVE && c->recvs.count >= 2) {
		/* Else QEMU has learnt of a failure in the answer's place. */
		answer_recv(c, reply.message, reply.len);
		answer_ready(c);
	}
}

/* A message that is not for QEMU: the result of a request of our own, and the
 * READY for that and for a zero run that QEMU believes answered. */
static bool swallow(struct conn *c, const void *msg, size_t len)
{
	struct wire_header header;

	if (wire_parse_header(msg, len, &header))
		return false;
	if (header.type == WIRE_ERROR)
		conn_disconnected(c);
	if (header.type == WIRE_REGISTER_RESULT && c->transmit.request.unacknowledged) {
		ahead_result(c, msg, len);
		return true;
	}
	return header.type == WIRE_READY && transmit_ready(&c->transmit);
}

void conn_recv_completed(struct conn *c, unsigned int buffer, const struct completion *wc,
			 void *const *buffers)
{
	struct recv_request request;
	struct completion due = *wc;

	if (wc->status != VERBS_WC_SUCCESS) {
		c->recvs_flushed = true;
		transmit_break(&c->transmit, conn_due(c, CONN_SEND_CQ));
	} else {
		count_message(c->counters.received, buffers[buffer], wc->byte_len);
		if (swallow(c, buffers[buffer], wc->byte_len)) {
			c->repost |= 1u << buffer;
			return;
		}
		source_receive(&c->source, buffers[buffer], wc->byte_len);
	}
	if (!recv_queue_take(&c->recvs, &request)) {
		struct recv_arrival arrival = {buffer, wc->byte_len};

		if (wc->status == VERBS_WC_SUCCESS && recv_queue_arrive(&c->recvs, &arrival))
			conn_fail(c);
		return;
	}
	if (wc->status == VERBS_WC_SUCCESS) {
		fill(c, &request, buffers[buffer], wc->byte_len);
		c->repost |= 1u << buffer;
		return;
	}
	due.wr_id = request.wr_id;
	deliver_recv(c, &due);
}

void conn_foreign_recv_completed(struct conn *c, const struct completion *wc)
{
	deliver_recv(c, wc);
}

struct ram_block *conn_register(struct conn *c, uint64_t addr, uint64_t length, struct range *want)
{
	struct ram_block *block;

	if (c->state != CONN_ACTIVE)
		return NULL;
	if (c->role == CONN_SOURCE)
		return source_register(&c->source, addr, length, want);
	block = ram_blocks_find_local(&c->dest_blocks, addr, length, want);
	if (block)
		destination_asked(&c->destination, block, *want);
	return block;
}

struct ram_block *conn_renew(struct conn *c, uint64_t addr, uint64_t length, struct range *where)
{
	struct ram_block *block;

	if (c->state != CONN_ACTIVE || c->role != CONN_SOURCE ||
	    !atomic_load(&c->source.blocks.discarded))
		return NULL;
	block = ram_blocks_find_local(&c->source.blocks, addr, length, where);
	/* Where the NIC follows the memory no MR is ever stale. */
	if (!block || block->on_demand)
		return NULL;
	/* Only what completes early can be taken apart unseen. */
	if (c->transmit.policy.early)
		where->end = registration_part(block, *where);
	return block;
}

bool conn_writing(const struct conn *c)
{
	return c->transmit.writes.count || c->transmit.writes_in_flight;
}

struct ram_blocks *conn_blocks(struct conn *c)
{
	return c->role == CONN_SOURCE ? &c->source.blocks : &c->dest_blocks;
}

struct range conn_bounds(const struct conn *c, const struct ram_block *block, struct range want)
{
	if (c->role == CONN_SOURCE)
		return source_bounds(&c->source, block, want);
	/* What comes ahead of QEMU is registered by itself, so that it can be given up. */
	return c->policy.ahead ? want : destination_bounds(&c->destination, want);
}

bool conn_look(const struct conn *c, struct source_look *look)
{
	return c->state == CONN_ACTIVE && c->role == CONN_SOURCE &&
	       transmit_can_request(&c->transmit) && source_look(&c->source, look);
}

void conn_looked(struct conn *c, const struct source_look *look, struct range found)
{
	bool can_ask = c->state == CONN_ACTIVE && transmit_can_request(&c->transmit);
	struct wire_register request;

	if (source_looked(&c->source, look, found, can_ask, &request))
		transmit_request(&c->transmit, &request);
}

bool conn_register_ahead(const struct conn *c, struct ram_block **block, struct range *range)
{
	if (c->state != CONN_ACTIVE || !c->policy.ahead || c->policy.ahead_failed ||
	    !c->policy.access_known)
		return false;
	if (c->role == CONN_SOURCE)
		return source_register_ahead(&c->source, block, range);
	*block = c->destination.block;
	return *block && (*block)->watched && destination_ahead(&c->destination, range);
}

const char *conn_state_name(enum conn_state state)
{
	static const char *const names[] = {
		[CONN_CANDIDATE] = "candidate",
		[CONN_PASSTHROUGH] = "passthrough",
		[CONN_ACTIVE] = "active",
		[CONN_FAILED] = "failed",
	};

	return names[state];
}

const char *conn_role_name(enum conn_role role)
{
	static const char *const names[] = {
		[CONN_NO_ROLE] = "none",
		[CONN_SOURCE] = "source",
		[CONN_DESTINATION] = "destination",
	};

	return names[role];
}
