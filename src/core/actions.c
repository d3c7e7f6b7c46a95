/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <string.h>

#include "core/conn.h"
#include "core/conn_private.h"

/* What is to be done, and what becomes of it: see core/conn.h. */

/* Does what QEMU, asleep on this CQ, waits for depend on a completion on the other? */
static bool needs_help(const struct conn *c, enum conn_cq asleep)
{
	if (c->state != CONN_ACTIVE || c->options.one_cq || asleep == CONN_AWAKE)
		return false;
	/* Besides what waits for that READY itself, there is the next request of our own. */
	if (asleep == CONN_SEND_CQ)
		return c->order.qp == ORDER_QP_WORKS && order_expects_ready(&c->order);
	/* The NIC's send queue was full when our request should have gone. */
	return c->source.request.stage == SOURCE_REQUEST_HELD && order_waits_for_room(&c->order);
}

static bool next_abort(struct conn *c, struct conn_action *a)
{
	struct failure *f = &c->failure;

	if (!f->error || f->told)
		return false;
	f->told = true;
	a->abort.error = f->error;
	a->abort.cause = f->cause;
	a->abort.reason = f->reason;
	a->abort.wr = posting_nothing();
	return true;
}

static bool next_shun(struct conn *c)
{
	if (c->refusal != REFUSAL_SEEN)
		return false;
	c->refusal = REFUSAL_TOLD;
	return true;
}

static bool next_recv(struct conn *c, struct conn_action *a)
{
	struct recv_request request;

	if (c->recvs_due && recv_queue_take(&c->delivery.recvs, &request)) {
		a->recv = (struct conn_recv){
			.wr_id = request.wr_id,
			.addr = (uintptr_t)request.addr,
			.length = request.length,
			.lkey = request.lkey,
		};
		return true;
	}
	return posting_next_recv(&c->posting, &a->recv);
}

#define POSTS (CONN_KIND(CONN_POST_MESSAGE) | CONN_KIND(CONN_POST_WRITES))

/* Whichever comes first, if it is wanted. */
static bool next_post(struct conn *c, unsigned int kinds, struct conn_action *a)
{
	if (c->state != CONN_ACTIVE)
		return false;
	plan_ask(c);
	a->post.count = posting_next(&c->posting, &c->order, kinds & CONN_KIND(CONN_POST_MESSAGE),
				     kinds & CONN_KIND(CONN_POST_WRITES), a->post.wr);
	return a->post.count > 0;
}

static bool next_deregister(struct conn *c, struct conn_action *a)
{
	a->mr = conn_is_writing(c) ? NULL : mrs_take_stale(&c->mrs);
	return a->mr;
}

/*
 * A QEMU that needs nobody may well be awake, and poll the other CQ itself, which we are not
 * told. So whether it needs anybody is settled when it arms or polls, for good.
 */
static bool next_listen(struct conn *c, struct conn_action *a)
{
	if (!needs_help(c, c->asleep)) {
		c->asleep = CONN_AWAKE;
		return false;
	}
	a->cq = c->asleep == CONN_SEND_CQ ? CONN_RECV_CQ : CONN_SEND_CQ;
	return true;
}

bool conn_next(struct conn *c, unsigned int kinds, struct conn_action *a)
{
	if (kinds & CONN_KIND(CONN_ABORT) && next_abort(c, a))
		a->kind = CONN_ABORT;
	else if (kinds & CONN_KIND(CONN_SHUN) && next_shun(c))
		a->kind = CONN_SHUN;
	else if (kinds & CONN_KIND(CONN_POST_RECV) && next_recv(c, a))
		a->kind = CONN_POST_RECV;
	else if (kinds & POSTS && next_post(c, kinds, a))
		a->kind = c->posting.state == POSTING_WRITES ? CONN_POST_WRITES : CONN_POST_MESSAGE;
	else if (kinds & CONN_KIND(CONN_DEREGISTER) && next_deregister(c, a))
		a->kind = CONN_DEREGISTER;
	else if (kinds & CONN_KIND(CONN_LISTEN) && next_listen(c, a))
		a->kind = CONN_LISTEN;
	else
		return plan_next(c, kinds, a);
	return true;
}

static bool has_writes(const struct conn *c)
{
	return c->state == CONN_ACTIVE && c->posting.state == POSTING_NOTHING &&
	       order_writes_are_next(&c->order);
}

bool conn_has(struct conn *c, unsigned int kinds)
{
	if (kinds & CONN_KIND(CONN_POST_WRITES) && has_writes(c))
		return true;
	if (kinds & CONN_KIND(CONN_LISTEN) && needs_help(c, c->asleep))
		return true;
	return plan_has(c, kinds);
}

/* Of those that were given to the NIC in this batch. */
static void note_posted(struct conn *c, unsigned int posted)
{
	for (unsigned int i = 0; i < posted; i++) {
		switch (c->posting.out[i].kind) {
		case ORDER_WRITE:
			break;
		case ORDER_ZERO:
			c->counters.sent[WIRE_COMPRESS]++;
			break;
		case ORDER_REQUEST:
			c->counters.sent[WIRE_REGISTER_REQUEST]++;
			c->counters.requests_prefetched++;
			prefetch_asked(&c->source.prefetch, c->order.now,
				       order_queue_ns(&c->order));
			break;
		case ORDER_MESSAGE:
			source_posted(&c->source, c->order.now, order_queue_ns(&c->order));
			break;
		}
	}
}

static void posted(struct conn *c, const struct conn_result *result)
{
	unsigned int count = result->error ? result->posted : c->posting.count;

	note_posted(c, count);
	if (!posting_done(&c->posting, &c->order, count, result->error == ENOMEM))
		conn_fail(c, result->error ? result->error : EPROTO, "posting to the send queue");
	/* It has failed meanwhile: what came back from the NIC is lost as well. */
	if (c->state == CONN_FAILED)
		order_fail(&c->order, conn_due(c, CONN_SEND_CQ));
}

void conn_done(struct conn *c, const struct conn_action *action, const struct conn_result *result)
{
	if (action->kind != CONN_POST_WRITES)
		c->prefetched = false;
	switch (action->kind) {
	case CONN_POST_RECV:
		/* Until then the caller can do without. */
		if (result->error && c->state == CONN_ACTIVE)
			conn_fail(c, result->error, "a receive buffer could not be posted");
		break;
	case CONN_POST_MESSAGE:
	case CONN_POST_WRITES:
		posted(c, result);
		break;
	case CONN_SCAN:
		c->scanning = false;
		source_scanned(&c->source, &action->scan, result->found);
		break;
	case CONN_REGISTER:
		if (!result->error && c->role == CONN_SOURCE)
			prefetch_here(&c->source.prefetch, action->memory.length, result->ns);
		mrs_end(&c->mrs, result->error ? NULL : &result->mr);
		break;
	default:
		break;
	}
}

void *conn_end(struct conn *c)
{
	return mrs_take_last(&c->mrs);
}

void conn_figures(const struct conn *c, struct conn_figures *figures)
{
	*figures = (struct conn_figures){
		.messages = c->counters,
		.order = c->order.counters,
		.mrs = c->mrs.counters,
		.fallbacks = c->mrs.policy.fallbacks,
		.shift = c->options.shift,
		.shift_works = c->mrs.policy.shift,
		.chunk = c->source.chunk_size,
		.window_bytes = c->order.window_bytes,
		.window_writes = c->order.writes.count + c->order.writes_in_flight,
	};
	/* Else the NIC is being given something. */
	if (c->posting.state == POSTING_NOTHING)
		figures->gathering = order_gathering(&c->order);
}

const char *conn_check(const struct conn *c)
{
	return c->state == CONN_ACTIVE ? order_check(&c->order) : NULL;
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
