/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "core/conn.h"
#include "core/conn_private.h"

/*
 * When a connection's next registration ahead of QEMU is to be looked for, asked for and made:
 * core/prefetch.h says which.
 */

/* QEMU's last WRITEs of a round take so long, at least. */
#define PLAN_MARGIN_NS UINT64_C(5000000)

/* Threads that are free share what is to be registered at a source; in fewer bytes the cost of
 * another MR is too large a part. Less in one build of the simulation. */
#ifndef PLAN_PART
#define PLAN_PART (UINT64_C(4) << 20)
#endif

/* QEMU can write all of the tail in one iteration. */
_Static_assert(ORDER_WINDOW_TAIL >= PREFETCH_TAIL_BYTES, "the window is shorter than the tail");

void plan_enter_round(struct conn *c)
{
	if (c->order.registering)
		return;
	c->order.registering = true;
	c->round.begins = true;
	c->prefetched = false;
}

void plan_leave_round(struct conn *c)
{
	if (c->order.registering && !c->round.begins)
		c->round.ns = c->order.now - c->round.began;
	c->order.registering = false;
}

void conn_time(struct conn *c, uint64_t now)
{
	c->order.now = now;
	if (c->round.begins)
		c->round.began = now;
	c->round.begins = false;
}

/* Is there enough that is registered for the wire, until the next round has begun? */
static bool lasts(const struct conn *c, uint64_t ns)
{
	return prefetch_ahead(&c->source.prefetch, &c->source.blocks) >=
	       rate_bytes(&c->order.rate, ns + 2 * PLAN_MARGIN_NS);
}

/*
 * What may be asked for now, in bytes; 0: nothing. QEMU ends its round with a message that the
 * destination takes when it has answered ours. So what is asked for should be
 * registered by then; unless the wire would have to wait for it. A round that lasts longer
 * than the one before may last much longer. In the tail of its first pass (core/prefetch.h) QEMU
 * is to find all of it registered.
 */
static uint64_t may_ask(const struct conn *c)
{
	const struct prefetch *p = &c->source.prefetch;
	uint64_t began = c->round.begins ? c->order.now : c->round.began;
	uint64_t end = began + c->round.ns + PLAN_MARGIN_NS;
	uint64_t arrives = c->order.now + order_queue_ns(&c->order);
	uint64_t ns = prefetch_planned_ns(p);

	if (!c->round.ns || c->order.now >= end || arrives + ns <= end ||
	    source_in_tail(&c->source, &c->order.rate))
		return UINT64_MAX;
	if (arrives + ns / 2 <= end)
		return piece_within(&p->there, end - arrives);
	return lasts(c, ns) ? 0 : UINT64_MAX;
}

void plan_ask(struct conn *c)
{
	struct wire_register request;
	uint64_t most;

	if (c->role != CONN_SOURCE || !source_has_planned(&c->source) ||
	    !order_can_request(&c->order))
		return;
	most = may_ask(c);
	if (most && source_ask(&c->source, most, &request))
		own_request_queue(&c->order.request, &request);
}

/* Where to look for what to ask the destination for next. */
static bool scan(const struct conn *c, struct prefetch_scan *scan)
{
	return c->state == CONN_ACTIVE && c->role == CONN_SOURCE && !c->scanning &&
	       source_scan(&c->source, &c->order.rate, scan);
}

static bool next_scan(struct conn *c, struct conn_action *a)
{
	if (!scan(c, &a->scan))
		return false;
	c->scanning = true;
	a->kind = CONN_SCAN;
	return true;
}

/* What may be registered next in this process. */
static bool local_piece(const struct conn *c, struct ram_block **block, struct range *range)
{
	const struct registration_policy *policy = &c->mrs.policy;

	if (c->state != CONN_ACTIVE || c->mrs.comings >= c->options.threads || !policy->prefetch ||
	    policy->prefetch_failed || !policy->access_known)
		return false;
	return c->role == CONN_SOURCE
		       ? source_prefetch_local(&c->source, block, range)
		       : destination_prefetch(&c->destination, c->options.threads, block, range);
}

bool plan_opens_window(const struct conn *c)
{
	struct ram_block *block;
	struct range range;

	if (!source_in_tail(&c->source, &c->order.rate))
		return false;
	return c->order.tail || (prefetch_is_done(&c->source.prefetch, &c->source.blocks) &&
				 !c->mrs.comings && !local_piece(c, &block, &range));
}

/* The first of `parts` of a range at a source, in whole chunks. */
static struct range part_of(const struct conn *c, struct range range, unsigned int parts)
{
	uint64_t chunk = c->source.chunk_size, bytes = (range.end - range.start) / parts;
	uint64_t end = range.start + (bytes > PLAN_PART ? bytes : PLAN_PART);

	end += chunk - 1 - (end - 1) % chunk;
	return (struct range){range.start, end < range.end ? end : range.end};
}

static bool next_register(struct conn *c, struct conn_action *a)
{
	struct ram_block *block;
	struct range range;

	if (!local_piece(c, &block, &range))
		return false;
	if (c->role == CONN_SOURCE)
		range = part_of(c, range, c->options.threads - c->mrs.comings);
	a->memory.mr = mrs_begin(&c->mrs, block, range);
	if (!a->memory.mr)
		return false;
	if (c->role == CONN_SOURCE)
		prefetch_local_begun(&c->source.prefetch, range);
	else
		destination_begins(&c->destination, range);
	a->memory.addr = block->local_addr + range.start;
	a->memory.length = range.end - range.start;
	a->memory.access = c->mrs.policy.access;
	a->kind = CONN_REGISTER;
	return true;
}

struct range plan_bounds(const struct conn *c, const struct ram_block *block, struct range want,
			 struct range bounds)
{
	const struct registration_policy *policy = &c->mrs.policy;

	if (c->options.threads < 2 || !policy->prefetch || policy->prefetch_failed ||
	    block->passed || !c->source.chunk_size)
		return bounds;
	bounds.start = want.start;
	bounds = part_of(c, bounds, c->options.threads);
	if (bounds.end < want.end)
		bounds.end = want.end;
	return bounds;
}

bool plan_next(struct conn *c, unsigned int kinds, struct conn_action *a)
{
	bool scans = kinds & CONN_KIND(CONN_SCAN), registers = kinds & CONN_KIND(CONN_REGISTER);
	bool qemu_waits = c->source.request.stage == SOURCE_REQUEST_HELD;

	/* What it waits for first, for one worker does both; else the destination is to have
	 * its next request. */
	return (qemu_waits && registers && next_register(c, a)) || (scans && next_scan(c, a)) ||
	       (registers && next_register(c, a));
}

bool plan_has(struct conn *c, unsigned int kinds)
{
	struct prefetch_scan place;
	struct ram_block *block;
	struct range range;

	if (c->prefetched)
		return false;
	if (kinds & CONN_KIND(CONN_SCAN) && scan(c, &place))
		return true;
	if (kinds & CONN_KIND(CONN_REGISTER) && local_piece(c, &block, &range))
		return true;
	c->prefetched = kinds & CONN_KIND(CONN_SCAN) && kinds & CONN_KIND(CONN_REGISTER);
	return false;
}
