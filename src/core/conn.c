/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "core/conn.h"

#include <errno.h>
#include <string.h>

#include "core/conn_private.h"
#include "core/verbs_values.h"
#include "util/probes.h"

enum conn_state conn_state(const struct conn *c)
{
	return c->state;
}

enum conn_role conn_role(const struct conn *c)
{
	return c->role;
}

int conn_error(const struct conn *c)
{
	if (c->state != CONN_FAILED)
		return 0;
	/* For ENOMEM QEMU would wait until a WRITE completes, and none will. */
	return c->failure.error == ENOMEM ? -EIO : -c->failure.error;
}

struct ram_blocks *conn_blocks(struct conn *c)
{
	return c->role == CONN_SOURCE ? &c->source.blocks : &c->destination.blocks;
}

/* A SEND of QEMU's has not completed. */
static bool is_sending(const struct conn *c)
{
	return c->order.ordered.pending || c->order.sends.messages;
}

static void fail(struct conn *c, int error, int cause, const char *reason)
{
	struct completion wc = {
		.wr_id = c->order.ordered.wr_id,
		.status = VERBS_WC_WR_FLUSH_ERR,
		.opcode = VERBS_WC_SEND,
	};

	if (c->state == CONN_FAILED)
		return;
	c->state = CONN_FAILED;
	c->failure = (struct failure){.error = error, .cause = cause, .reason = reason};
	/* What does not fit any more QEMU need not know. */
	order_fail(&c->order, conn_due(c, CONN_SEND_CQ));
	if (c->order.ordered.pending)
		completion_queue_push(conn_due(c, CONN_SEND_CQ), &wc);
	order_abandon_message(&c->order);
	/* What waited for that SEND; one that is on the wire still completes. */
	if (!is_sending(c))
		delivery_release(&c->delivery);
	delivery_flush(&c->delivery);
}

void conn_fail(struct conn *c, int error, const char *reason)
{
	fail(c, error, 0, reason);
}

/* A lost completion would be a hang. */
static void deliver(struct conn *c, int ret)
{
	if (ret)
		fail(c, EPROTO, 0, "more has completed than was posted");
}

static bool answer_recv(struct conn *c, const void *msg, size_t len)
{
	int ret = 0;
	bool taken = delivery_message(&c->delivery, msg, len, is_sending(c), &ret);

	deliver(c, ret);
	return taken;
}

static void answer_ready(struct conn *c)
{
	uint8_t ready[WIRE_HEADER_LEN];

	answer_recv(c, ready, wire_build_empty(ready, WIRE_READY));
}

int conn_post_recv(struct conn *c, const struct recv_request *request)
{
	struct recv_queue *recvs = &c->delivery.recvs;
	struct recv_arrival arrival;
	int ret;

	ret = recv_queue_post(recvs, request);
	if (ret)
		return ret;
	if (c->state == CONN_FAILED || c->order.qp == ORDER_QP_FLUSHED) {
		deliver(c, delivery_flush(&c->delivery));
	} else if (c->state == CONN_ACTIVE && recv_queue_next_arrival(recvs, &arrival)) {
		answer_recv(c, posting_buffer(&c->posting, arrival.buffer), arrival.length);
		c->posting.buffers_due |= 1u << arrival.buffer;
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

	return !wire_parse_header(wr->data, wr->length, &header) && header.type == (uint32_t)type;
}

/* Keep a COMPRESS back, to merge it with its neighbours. False when it has to
 * go out as any other message. */
static bool keep_zero(struct conn *c, const struct conn_wr *wr)
{
	struct zero_run run;

	/* It must not pass a write that may come back from the NIC. */
	if (!source_zero(&c->source, wr->data, wr->length, &run) || !c->options.zeros ||
	    !delivery_can_answer(&c->delivery, 1) || posting_overlaps(&c->posting, run.remote) ||
	    order_zero(&c->order, &run))
		return false;
	deliver(c, delivery_answered(&c->delivery, wr->wr_id));
	answer_ready(c);
	return true;
}

static int post_ordered(struct conn *c, const struct conn_wr *wr, const struct wire_message *own)
{
	struct order_message ordered = {
		.urgent = c->role == CONN_DESTINATION || is_type(wr, WIRE_READY) ||
			  is_type(wr, WIRE_ERROR),
		.wr_id = wr->wr_id,
		.addr = wr->local_addr,
		.length = (uint32_t)wr->length,
		.lkey = wr->lkey,
	};

	if (own)
		ordered.own = *own;
	/*
	 * QEMU waits for each SEND. Only when it has given up on one, and says so
	 * with an ERROR, is there another: the first then lies in a buffer that
	 * QEMU has written over.
	 */
	if (ordered.urgent)
		order_abandon_message(&c->order);
	count_message(c->counters.sent, wr->data, wr->length);
	return order_message(&c->order, &ordered) ? -EIO : 0;
}

void conn_disconnected(struct conn *c)
{
	/* When a WR has failed before, the link is at fault. */
	if (c->state == CONN_ACTIVE && c->role == CONN_SOURCE && !c->given_up &&
	    c->order.qp == ORDER_QP_WORKS && c->refusal == REFUSAL_NONE &&
	    source_may_be_too_much(&c->source))
		c->refusal = REFUSAL_SEEN;
	conn_stop_prefetch(c);
}

/* A REGISTER_REQUEST, or another message that is no COMPRESS. */
static int exchange(struct conn *c, const struct conn_wr *wr, bool request)
{
	struct source_can can = {delivery_can_answer(&c->delivery, 2),
				 order_can_queue_request(&c->order)};
	struct wire_register ahead;
	struct wire_message own;

	/* QEMU's would go first, and the destination would answer ours with the MR
	 * that it made for the one chunk. */
	if (request && own_request_is_queued(&c->order.request) && !can.answer) {
		own_request_withdraw(&c->order.request);
		source_withdraw(&c->source);
	}
	switch (source_send(&c->source, wr->data, wr->length, can, &own)) {
	case SOURCE_FAIL:
		fail(c, EPROTO, 0,
		     "UNREGISTER_REQUEST for part of a region, sent without a RECV for its answer");
		return -EIO;
	case SOURCE_ANSWER:
		if (request)
			c->counters.requests_answered++;
		else
			c->counters.unregisters_answered++;
		deliver(c, delivery_answered(&c->delivery, wr->wr_id));
		answer_recv(c, own.bytes, own.len);
		answer_ready(c);
		return 0;
	case SOURCE_ASK:
		ahead = source_asked(&c->source);
		own_request_queue(&c->order.request, &ahead);
		/* fall through */
	case SOURCE_HOLD:
		c->counters.requests_answered++;
		c->counters.requests_held++;
		PROBE3(hold, c->source.request.asked.block, c->source.request.asked.addr,
		       c->source.request.asked.chunks);
		deliver(c, delivery_answered(&c->delivery, wr->wr_id));
		return 0;
	case SOURCE_REPLACE:
		c->counters.requests_widened++;
		c->counters.requests_sent++;
		return post_ordered(c, wr, &own);
	case SOURCE_FORWARD:
		c->counters.requests_sent += request;
		break;
	}
	return post_ordered(c, wr, NULL);
}

static int send_message(struct conn *c, const struct conn_wr *wr)
{
	bool request = is_type(wr, WIRE_REGISTER_REQUEST);
	bool zero = is_type(wr, WIRE_COMPRESS);

	c->prefetched = false;
	if (c->role == CONN_DESTINATION) {
		destination_send(&c->destination, wr->data, wr->length);
		return post_ordered(c, wr, NULL);
	}
	/* At any other time the destination would take a request of ours for an
	 * error (migration/rdma.c, qemu_rdma_registration_handle). */
	if (request || zero)
		plan_enter_round(c);
	else
		plan_leave_round(c);
	if (is_type(wr, WIRE_ERROR)) {
		c->given_up = true;
		conn_stop_prefetch(c);
	}
	c->counters.requests_seen += request;
	c->counters.zeros_seen += zero;
	if (zero && keep_zero(c, wr))
		return 0;
	return exchange(c, wr, request);
}

enum conn_wait conn_waits(const struct conn *c)
{
	enum conn_wait waits = mrs_waits(&c->mrs);

	if (waits == CONN_WAITS_FOR_WRITES && (c->state != CONN_ACTIVE || !conn_is_writing(c)))
		return CONN_WAITS_FOR_NOTHING;
	return waits;
}

/* `ret` is what is returned. Who waits for writes wants them to go. */
static int wait_for(struct conn *c, int ret)
{
	if (ret == CONN_AGAIN && mrs_waits(&c->mrs) == CONN_WAITS_FOR_WRITES)
		order_flush(&c->order);
	return ret;
}

int conn_register(struct conn *c, const struct conn_registration *want, struct mr **mr)
{
	struct ram_block *block;
	struct range where, bounds;
	int ret;

	*mr = NULL;
	c->prefetched = false;
	if (c->state != CONN_ACTIVE)
		return 0;
	if (c->role == CONN_SOURCE)
		block = source_register(&c->source, want->addr, want->length, &where);
	else
		block = destination_register(&c->destination, want->addr, want->length, &where);
	if (!block)
		return 0;
	/* An MR that QEMU does not know of must not outlive what it holds. */
	if (mrs_watch(&c->mrs, conn_blocks(c), block))
		return 0;
	/* What comes ahead of QEMU is registered by itself, so that it can be given up. */
	bounds = where;
	if (c->role == CONN_SOURCE)
		bounds = plan_bounds(c, block, where, source_bounds(&c->source, block, where));
	else if (!c->mrs.policy.prefetch)
		bounds = destination_bounds(&c->destination, where);
	ret = mrs_get(&c->mrs, conn_blocks(c), block,
		      &(struct mrs_want){where, bounds, want->access, want->last}, mr);
	return wait_for(c, ret);
}

/*
 * The first part of a WRITE, [addr, addr + *length), that one MR can serve: shortens *length
 * to that, and sets *lkey when the MR is another than the one it was given. Returns as
 * mrs_renew().
 */
static int renew(struct conn *c, uint64_t addr, uint64_t *length, bool last, uint32_t *lkey)
{
	struct ram_blocks *blocks = &c->source.blocks;
	struct ram_block *block;
	struct range where;
	struct mr *mr;
	int ret;

	if (c->role != CONN_SOURCE || !atomic_load(&blocks->discarded))
		return 0;
	block = ram_blocks_find_local(blocks, addr, *length, &where);
	/* Where the NIC follows the memory no MR is ever stale. */
	if (!block || block->on_demand || !block->watched)
		return 0;
	/* Only what completes early can be taken apart unseen. */
	if (c->order.policy.early)
		where.end = registration_part(block, where);
	ret = mrs_renew(&c->mrs, blocks, block, where, last, &mr);
	if (ret)
		return wait_for(c, ret);
	*length = where.end - where.start;
	if (mr)
		*lkey = mr->real.lkey;
	return 0;
}

/* In parts where what it is read from is in several MRs. There is room for all of them once
 * there is for the first. */
static int post_write(struct conn *c, struct conn_wr *wr)
{
	struct write part = {.wr_id = wr->wr_id, .rkey = wr->rkey};
	int ret = 0;

	if (c->role == CONN_SOURCE && !wr->taken) {
		plan_enter_round(c);
		source_wrote(&c->source, wr->local_addr, wr->length);
		order_set_tail(&c->order, plan_opens_window(c));
	}
	do {
		part.local_addr = wr->local_addr + wr->taken;
		part.remote_addr = wr->remote_addr + wr->taken;
		part.length = wr->length - wr->taken;
		part.lkey = wr->lkey;
		ret = renew(c, part.local_addr, &part.length, wr->last, &part.lkey);
		if (ret == CONN_AGAIN)
			return ret;
		if (ret) {
			/* ENOMEM would have QEMU wait and try again. */
			fail(c, EIO, -ret, "a write from memory that is not registered");
			return conn_error(c);
		}
		part.later = wr->taken > 0;
		part.goes_on = wr->taken + part.length < wr->length;
		ret = order_write(&c->order, &part, conn_due(c, CONN_SEND_CQ));
		wr->taken += part.length;
	} while (!ret && part.goes_on);
	return ret;
}

int conn_post_send(struct conn *c, struct conn_wr *wr)
{
	c->asleep = CONN_AWAKE;
	if (c->state != CONN_ACTIVE)
		return c->state == CONN_FAILED ? conn_error(c) : -EINVAL;
	return wr->message ? send_message(c, wr) : post_write(c, wr);
}

bool conn_expects_message(const struct conn *c)
{
	return order_expects_ready(&c->order);
}

void conn_arm(struct conn *c, enum conn_cq cq)
{
	const struct completion failed = {
		.status = VERBS_WC_WR_FLUSH_ERR,
		.opcode = cq == CONN_SEND_CQ ? VERBS_WC_SEND : VERBS_WC_RECV,
	};

	c->asleep = CONN_AWAKE;
	if (conn_due(c, cq)->count)
		return;
	/*
	 * QEMU has been told, but up to 7.2 forgets what it polls between two pages
	 * (migration/rdma.c, qemu_rdma_save_page: a `ret' of the loop hides the one
	 * that is returned), and would sleep for ever on a message to come.
	 */
	if (c->state == CONN_FAILED)
		completion_queue_push(conn_due(c, cq), &failed);
	if (c->state != CONN_ACTIVE)
		return;
	order_flush(&c->order);
	c->asleep = cq;
}

void conn_polls(struct conn *c, enum conn_cq cq)
{
	/* It may be asleep on this one: in this very call. */
	if (c->asleep != cq)
		c->asleep = CONN_AWAKE;
}

unsigned int conn_take_due(struct conn *c, enum conn_cq cq, struct completion *wc, unsigned int max)
{
	unsigned int n = 0;

	while (n < max && completion_queue_pop(conn_due(c, cq), &wc[n]))
		n++;
	/* It may have been armed before this. */
	if (!n)
		c->asleep = cq;
	return n;
}

unsigned int conn_count_due(const struct conn *c, enum conn_cq cq)
{
	return c->delivery.due[c->options.one_cq ? CONN_SEND_CQ : cq].count;
}

/* The destination has registered what we asked for ahead of QEMU. */
static void prefetch_result(struct conn *c, const void *msg, size_t len)
{
	struct wire_message reply;
	bool held;

	if (c->order.request.state != OWN_REQUEST_SENT) {
		fail(c, EPROTO, 0, "REGISTER_RESULT that answers no REGISTER_REQUEST");
		return;
	}
	if (source_prefetched(&c->source, msg, len, c->order.now, &held, &reply)) {
		fail(c, EPROTO, 0, "REGISTER_RESULT that does not hold exactly one result");
		return;
	}
	own_request_answered(&c->order.request);
	/* Else QEMU has learnt of a failure in the answer's place. */
	if (held && c->state == CONN_ACTIVE && c->delivery.recvs.count >= 2) {
		answer_recv(c, reply.bytes, reply.len);
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
	if (header.type == WIRE_REGISTER_RESULT && own_request_is_out(&c->order.request)) {
		prefetch_result(c, msg, len);
		return true;
	}
	return header.type == WIRE_READY && order_ready(&c->order);
}

static void message_came(struct conn *c, unsigned int buffer, uint32_t len)
{
	const void *msg = posting_buffer(&c->posting, buffer);
	struct recv_arrival arrival = {buffer, len};

	count_message(c->counters.received, msg, len);
	if (!swallow(c, msg, len)) {
		source_receive(&c->source, msg, len, c->order.now);
		if (!answer_recv(c, msg, len)) {
			deliver(c, recv_queue_arrive(&c->delivery.recvs, &arrival));
			return;
		}
	}
	c->posting.buffers_due |= 1u << buffer;
}

static void recv_failed(struct conn *c, const struct completion *wc)
{
	struct completion failed = *wc;
	struct recv_request request;

	order_break(&c->order, conn_due(c, CONN_SEND_CQ));
	c->order.qp = ORDER_QP_FLUSHED;
	if (!recv_queue_take(&c->delivery.recvs, &request))
		return;
	failed.wr_id = request.wr_id;
	deliver(c, delivery_recv(&c->delivery, &failed, is_sending(c)));
}

static void recv_completed(struct conn *c, uint64_t buffer, const struct completion *wc)
{
	bool failed = wc->status != VERBS_WC_SUCCESS;

	if (!posting_recv_done(&c->posting, buffer) || (!failed && wc->byte_len > WIRE_MESSAGE_MAX))
		fail(c, EIO, 0, "a completion for no request of ours");
	else if (failed)
		recv_failed(c, wc);
	else
		message_came(c, (unsigned int)buffer, wc->byte_len);
}

static void send_completed(struct conn *c, uint64_t serial, const struct completion *wc)
{
	int ret = order_completed(&c->order, serial, wc, conn_due(c, CONN_SEND_CQ));

	if (ret == -ENOENT)
		fail(c, EIO, 0, "a completion for no request of ours");
	else
		deliver(c, ret);
	if (!is_sending(c))
		deliver(c, delivery_release(&c->delivery));
}

void conn_completed(struct conn *c, const struct completion *wc)
{
	uint64_t number;

	c->prefetched = false;
	switch (posting_of(wc->wr_id, &number)) {
	case POSTING_OF_SEND:
		send_completed(c, number, wc);
		break;
	case POSTING_OF_RECV:
		recv_completed(c, number, wc);
		break;
	case POSTING_OF_NOTHING:
		break;
	case POSTING_OF_QEMU:
		/* A RECV that QEMU posted itself, at a destination. */
		deliver(c, delivery_recv(&c->delivery, wc, is_sending(c)));
		break;
	}
}
