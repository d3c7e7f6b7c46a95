/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "core/conn.h"

#include <errno.h>
#include <string.h>

#include "core/verbs_values.h"

void conn_init(struct conn *c, bool one_cq, unsigned int shift)
{
	memset(c, 0, sizeof(*c));
	c->one_cq = one_cq;
	c->shift = shift;
	c->policy.shift = shift;
	send_queue_init(&c->sends);
	source_init(&c->source, shift);
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

void conn_start(struct conn *c, enum conn_role role)
{
	c->role = role;
	c->state = CONN_ACTIVE;
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
	if (completion_queue_push(q, wc))
		c->state = CONN_FAILED;
}

/*
 * QEMU before 7.0 has one CQ and, while it waits for a SEND, drops the RECV
 * completion of the answer when that comes first, then waits for it for ever
 * (migration/rdma.c, qemu_rdma_block_for_wrid). So there the SEND goes first.
 */
static void deliver_recv(struct conn *c, const struct completion *wc)
{
	bool keep = c->one_cq && wc->status == VERBS_WC_SUCCESS &&
		    (c->sends.messages > 0 || c->held.count > 0);

	push(c, keep ? &c->held : conn_due(c, CONN_RECV_CQ), wc);
}

static void release_held(struct conn *c)
{
	struct completion wc;

	if (c->sends.messages)
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
	c->state = CONN_FAILED;
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

/* An answer needs two RECVs: one for it, one for the READY that follows. */
static bool can_answer(const struct conn *c)
{
	return c->recvs.count >= 2 && !c->recvs.arrived_count &&
	       c->due[CONN_SEND_CQ].count + 3 <= COMPLETION_QUEUE_ROOM &&
	       c->due[CONN_RECV_CQ].count + 2 <= COMPLETION_QUEUE_ROOM;
}

static void answer(struct conn *c, const struct conn_wr *wr, const struct source_reply *reply)
{
	struct completion sent = {.wr_id = wr->wr_id, .opcode = VERBS_WC_SEND};
	struct recv_request request;
	uint8_t ready[WIRE_HEADER_LEN];

	if (wr->signaled)
		push(c, conn_due(c, CONN_SEND_CQ), &sent);
	recv_queue_take(&c->recvs, &request);
	fill(c, &request, reply->message, (uint32_t)reply->len);
	recv_queue_take(&c->recvs, &request);
	fill(c, &request, ready, (uint32_t)wire_build_empty(ready, WIRE_READY));
}

/* The message has been decided on; decides what goes out for it. */
static int send_message(struct conn *c, const struct conn_wr *wr, struct conn_post *post)
{
	bool request = is_type(wr, WIRE_REGISTER_REQUEST);

	if (request)
		c->counters.requests_seen++;
	switch (source_send(&c->source, wr->data, wr->length, can_answer(c), &post->own)) {
	case SOURCE_FAIL:
		conn_fail(c);
		return -EIO;
	case SOURCE_ANSWER:
		if (request)
			c->counters.requests_answered++;
		else
			c->counters.unregisters_answered++;
		answer(c, wr, &post->own);
		post->action = CONN_NOTHING;
		return 0;
	case SOURCE_REPLACE:
		c->counters.requests_widened++;
		post->action = CONN_POST_OWN;
		break;
	case SOURCE_FORWARD:
		break;
	}
	if (request)
		c->counters.requests_sent++;
	count_message(c->counters.sent, wr->data, wr->length);
	return 0;
}

/* The destination tells the source of its RAM blocks, once. */
static void note_ram_blocks(struct conn *c, const struct conn_wr *wr)
{
	count_message(c->counters.sent, wr->data, wr->length);
	if (c->dest_blocks.count || !is_type(wr, WIRE_RAM_BLOCKS_RESULT) ||
	    ram_blocks_load(&c->dest_blocks, wr->data, wr->length))
		return;
	for (unsigned int i = 0; i < c->dest_blocks.count; i++) {
		c->dest_blocks.block[i].local_addr = c->dest_blocks.block[i].host_addr;
		c->dest_blocks.block[i].local_known = true;
	}
}

int conn_post_send(struct conn *c, const struct conn_wr *wr, struct conn_post *post)
{
	struct send_record record = {
		.wr_id = wr->wr_id,
		.message = wr->message,
		.slot = SEND_NO_SLOT,
	};
	int ret = 0;

	if (c->state != CONN_ACTIVE)
		return -EIO;
	post->action = CONN_POST;
	post->slot = send_queue_free_slot(&c->sends);
	/* Both are larger than anything QEMU has outstanding. */
	if (c->sends.next - c->sends.oldest == SEND_QUEUE_ROOM || post->slot == SEND_NO_SLOT)
		return -ENOMEM;
	if (wr->message && c->role == CONN_SOURCE) {
		ret = send_message(c, wr, post);
	} else if (wr->message) {
		note_ram_blocks(c, wr);
	} else {
		c->counters.writes++;
		c->counters.write_bytes += wr->length;
	}
	if (ret || post->action == CONN_NOTHING)
		return ret;
	if (post->action == CONN_POST_OWN)
		record.slot = post->slot;
	return send_queue_add(&c->sends, &record, &post->serial);
}

void conn_post_refused(struct conn *c, const struct conn_wr *wr)
{
	send_queue_undo(&c->sends);
	if (!wr->message) {
		c->counters.writes--;
		c->counters.write_bytes -= wr->length;
	}
}

int conn_send_completed(struct conn *c, uint64_t serial, const struct completion *wc)
{
	struct send_record record;
	struct completion due = *wc;
	int ret;

	ret = send_queue_complete(&c->sends, serial, &record);
	if (ret)
		return ret;
	due.wr_id = record.wr_id;
	push(c, conn_due(c, CONN_SEND_CQ), &due);
	release_held(c);
	return 0;
}

void conn_recv_completed(struct conn *c, unsigned int buffer, const struct completion *wc,
			 void *const *buffers)
{
	struct recv_request request;
	struct completion due = *wc;

	if (wc->status != VERBS_WC_SUCCESS) {
		c->recvs_flushed = true;
	} else {
		count_message(c->counters.received, buffers[buffer], wc->byte_len);
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
	if (c->state != CONN_ACTIVE)
		return NULL;
	if (c->role == CONN_SOURCE)
		return source_register(&c->source, addr, length, want);
	return ram_blocks_find_local(&c->dest_blocks, addr, length, want);
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
