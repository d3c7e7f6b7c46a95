/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine.h"

#include <errno.h>
#include <string.h>

#include "core/verbs_values.h"
#include "world.h"

#define WR_ID_MARK_SEND (UINT64_C(0x5d4c) << 48)
#define WR_ID_MARK_RECV (UINT64_C(0x5d4d) << 48)
#define WR_ID_NOTHING	(UINT64_C(0x5d4e) << 48)
#define WR_ID_MARK_MASK (UINT64_C(0xffff) << 48)

static struct nic_cq *real_cq(const struct world *w, enum conn_cq cq)
{
	return cq == CONN_SEND_CQ ? w->nic.source.send_cq : w->nic.source.recv_cq;
}

static enum conn_cq other(enum conn_cq cq)
{
	return cq == CONN_SEND_CQ ? CONN_RECV_CQ : CONN_SEND_CQ;
}

static void post_own_recv(struct world *w, unsigned int buffer)
{
	struct nic_recv recv = {
		.wr_id = WR_ID_MARK_RECV | buffer,
		.data = w->engine.buffers[buffer],
	};

	world_expect(w, w->nic.source.rq_count < RECV_QUEUE_BUFFERS, "a buffer is posted twice");
	nic_post_recv(w, &w->nic.source, &recv);
}

/* guest_memory.has_data */
static bool has_data(void *context, uint64_t addr, uint64_t length, uint64_t *budget)
{
	struct world *w = context;
	const struct guest *g = &w->guest;
	int page = guest_page_here(g, addr);

	(void)budget;
	world_expect(w, page >= 0, "data is looked for outside the guest");
	return !guest_is_zero(w, (unsigned int)page, (unsigned int)(length / g->page_size));
}

void engine_init(struct world *w)
{
	const struct settings *s = &w->settings;
	struct engine *e = &w->engine;
	struct conn_options options = {
		.shift = s->shift,
		.writes = s->writes,
		.zeros = s->zeros,
		.ahead = s->ahead,
		.memory = {has_data, w},
	};

	conn_init(&e->conn, s->one_cq, &options);
	e->memory_key = nic_register(w, (uintptr_t)e->memory, sizeof(e->memory));
	e->slots_key = nic_register(w, (uintptr_t)e->slots, sizeof(e->slots));
	for (unsigned int i = 0; i < RECV_QUEUE_BUFFERS; i++) {
		e->buffers[i] = e->memory[i];
		post_own_recv(w, i);
	}
}

void engine_start(struct world *w)
{
	conn_start(&w->engine.conn, CONN_SOURCE, w->settings.max_message);
}

void engine_clear(struct world *w)
{
	conn_clear(&w->engine.conn);
}

static void fail(struct world *w, const char *why)
{
	struct nic_wr nothing = {.wr_id = WR_ID_NOTHING, .signaled = true};

	if (w->engine.conn.state == CONN_FAILED)
		return;
	world_trace(w, "shim", "fails: %s", why);
	world_expect(w, w->fault_fired || w->settings.busy_percent, "the shim gives up: %s", why);
	w->fault_fired = true;
	conn_fail(&w->engine.conn);
	nic_fail(w, &w->nic.source, VERBS_WC_WR_FLUSH_ERR);
	nic_post_send(w, &w->nic.source, &nothing);
}

static void compose(struct world *w, const struct transmit_out *out, struct nic_wr *wr)
{
	struct engine *e = &w->engine;

	*wr = (struct nic_wr){
		.wr_id = WR_ID_MARK_SEND | out->serial,
		.message = out->kind != TRANSMIT_WRITE,
		.signaled = out->signaled,
		.unasked = out->kind == TRANSMIT_REQUEST,
	};
	if (out->slot != SEND_NO_SLOT) {
		wr->addr = (uintptr_t)e->slots[out->slot];
		wr->lkey = e->slots_key;
	}
	switch (out->kind) {
	case TRANSMIT_WRITE:
		wr->addr = out->write.local_addr;
		wr->length = out->write.length;
		wr->lkey = out->write.lkey;
		wr->remote_addr = out->write.remote_addr;
		wr->rkey = out->write.rkey;
		world_expect(w, wr->length <= w->settings.max_message, "a WRITE of %llu bytes",
			     (unsigned long long)wr->length);
		break;
	case TRANSMIT_ZERO:
		wr->length = wire_build_compress(e->slots[out->slot], &out->zero);
		break;
	case TRANSMIT_REQUEST:
		wr->length = wire_build_register_request(e->slots[out->slot], &out->request);
		break;
	case TRANSMIT_STRICT:
		wr->length = out->strict.length;
		if (out->strict.own)
			break;
		wr->addr = out->strict.addr;
		wr->lkey = out->strict.lkey;
		break;
	}
}

/* A message needs a READY that has come, unless it answers to nothing. */
static void check_credit(struct world *w, const struct nic_wr *wr)
{
	struct wire_header header;

	if (!wr->message ||
	    wire_parse_header((const void *)(uintptr_t)wr->addr, wr->length, &header) ||
	    header.type == WIRE_ERROR)
		return;
	world_trace(w, "shim", "sends %s", wire_type_name(header.type));
	w->engine.messages++;
	world_expect(w, w->nic.source.error || w->engine.messages <= w->nic.source.readies,
		     "%s is sent without a credit", wire_type_name(header.type));
}

/* From *first on, as ops->post_send(). False when the queue is full, or a fault has
 * failed the connection. */
static bool post(struct world *w, const struct transmit_out *out, unsigned int count,
		 unsigned int *first)
{
	struct nic_wr wr;

	for (; *first < count; ++*first) {
		if (world_fault(w, FAULT_POST))
			return false;
		if (w->settings.busy_percent && w->nic.source.posted != w->nic.source.freed &&
		    random_percent(&w->random, w->settings.busy_percent))
			return false;
		compose(w, &out[*first], &wr);
		world_expect(w, nic_post_send(w, &w->nic.source, &wr), "the send queue overruns");
		check_credit(w, &wr);
	}
	return true;
}

static bool post_failed(const struct world *w)
{
	return w->settings.fault == FAULT_POST && w->fault_fired;
}

/* As datapath.c, pump() */
static void pump(struct world *w)
{
	struct transmit_out out[TRANSMIT_BATCH];
	struct engine *e = &w->engine;
	unsigned int count, posted;
	bool ok;

	while (!e->poster.busy && (count = conn_batch(&e->conn, out)) > 0) {
		if (w->settings.poster && out[0].kind == TRANSMIT_WRITE) {
			e->poster.wanted = true;
			return;
		}
		posted = 0;
		ok = post(w, out, count, &posted);
		conn_posted(&e->conn, out, posted);
		if (ok)
			continue;
		if (post_failed(w))
			fail(w, "the NIC takes no more");
		else if (e->conn.transmit.in_flight <= e->conn.transmit.unsignaled)
			fail(w, "the send queue is full, and nothing of it will be heard of");
		return;
	}
}

/* Is the extent registered as its value says? Those that are on their way are not. */
static bool extent_is_real(struct world *w, const struct extent *extent, uint64_t base)
{
	if (!extent->value || extent->value == SOURCE_NO_RKEY_YET)
		return true;
	return nic_covers(w, (uint32_t)extent->value, base + extent->range.start,
			  extent->range.end - extent->range.start);
}

/* Changes whenever an extent comes, goes, or gets its key. */
static uint64_t extents_sum(const struct ram_blocks *blocks)
{
	uint64_t sum = 0;

	for (unsigned int b = 0; b < blocks->count; b++) {
		const struct ram_block *block = &blocks->block[b];

		for (size_t i = 0; i < block->remote.count; i++)
			sum += 1 + block->remote.extent[i].value;
		for (size_t i = 0; i < block->local.count; i++)
			sum += 1 + block->local.extent[i].value;
	}
	return sum;
}

static void check_extents(struct world *w)
{
	const struct ram_blocks *blocks = &w->engine.conn.source.blocks;
	uint64_t sum = extents_sum(blocks);

	if (sum == w->extents)
		return;
	w->extents = sum;
	for (unsigned int b = 0; b < blocks->count; b++) {
		const struct ram_block *block = &blocks->block[b];
		const struct extent_map *maps[] = {&block->remote, &block->local};

		for (unsigned int m = 0; m < 2; m++) {
			for (size_t i = 0; i < maps[m]->count; i++) {
				struct range r = maps[m]->extent[i].range;

				world_expect(w, !i || maps[m]->extent[i - 1].range.end <= r.start,
					     "extents overlap");
				world_expect(w, r.start < r.end && r.end <= block->length,
					     "an extent leaves its block");
				world_expect(
					w,
					extent_is_real(w, &maps[m]->extent[i],
						       m ? block->local_addr : block->host_addr),
					"an extent is more than its key allows");
			}
		}
	}
}

/* Does the write that is to go next reach into a run that has not been zeroed yet? */
static bool first_write_is_fenced(const struct transmit *t)
{
	const struct write *write = write_queue_at(&t->writes, 0);
	const struct zero_queue *zeros = &t->zeros;

	if (zeros->unacknowledged && write_overlaps(write, zeros->sent.remote))
		return true;
	for (unsigned int i = 0; i < zeros->count; i++)
		if (write_overlaps(write, zeros->ring[(zeros->head + i) % ZERO_QUEUE_ROOM].remote))
			return true;
	return false;
}

/* Queued or on the wire, where messages come on top. */
static unsigned int writes_ahead(const struct transmit *t)
{
	unsigned int n = t->writes.count;

	for (uint64_t i = t->sends.oldest; i < t->sends.next; i++)
		n += t->sends.ring[i % SEND_QUEUE_ROOM].kind == TRANSMIT_WRITE;
	return n;
}

/* Those of a WRITE are taken in together; a page is one thing. */
static unsigned int parts_max(const struct world *w)
{
	return w->discards.calls ? w->settings.chunk_pages : 1;
}

/* What must hold whenever the lock is let go. */
static void check(struct world *w)
{
	const struct conn *c = &w->engine.conn;
	const struct transmit *t = &c->transmit;

	world_expect(w, t->in_flight <= NIC_SEND_QUEUE, "the send queue is lost count of");
	world_expect(w, c->state != CONN_FAILED || w->fault_fired, "the connection has failed");
	world_expect(w, w->fault_fired || !t->broken, "the connection is broken");
	if (t->policy.early) {
		world_expect(w, t->ahead_bytes <= TRANSMIT_WINDOW_BYTES + w->guest.chunk_size,
			     "the window of bytes is passed");
		world_expect(w, writes_ahead(t) <= TRANSMIT_WINDOW_WRITES + 1 + parts_max(w),
			     "the window of writes is passed");
	}
	/* Coalescing must never leave the NIC without work. */
	world_expect(w,
		     !t->writes.count || t->in_flight || t->broken || w->engine.poster.wanted ||
			     first_write_is_fenced(t) || c->state != CONN_ACTIVE,
		     "a write is held back from an idle NIC");
	check_extents(w);
}

/* As datapath.c */
static void settle(struct world *w)
{
	struct engine *e = &w->engine;

	for (unsigned int i = 0; i < RECV_QUEUE_BUFFERS; i++) {
		if (!(e->conn.repost & 1u << i))
			continue;
		e->conn.repost &= ~(1u << i);
		post_own_recv(w, i);
	}
	pump(w);
	engine_mr_sweep(w);
	check(w);
}

static void drain(struct world *w, enum conn_cq cq);

static int hand_over(struct world *w, const struct conn_wr *wr)
{
	struct engine *e = &w->engine;
	struct source_reply own;
	int ret = -conn_post_send(&e->conn, wr, &own);

	if (!ret && own.len)
		memcpy(e->slots[SEND_SLOT_STRICT], own.message, own.len);
	return ret;
}

/* As in datapath.c */
static int write_parts(struct world *w, const struct conn_wr *wr)
{
	struct conn_wr part = *wr;
	uint64_t done = 0;
	int ret;

	do {
		part.local_addr = wr->local_addr + done;
		part.remote_addr = wr->remote_addr + done;
		part.length = wr->length - done;
		part.lkey = wr->lkey;
		if (engine_mr_renew(w, &part)) {
			fail(w, "a write from memory that is not registered");
			return EIO;
		}
		done += part.length;
		part.goes_on = done < wr->length;
		part.later = part.local_addr > wr->local_addr;
		ret = hand_over(w, &part);
	} while (!ret && done < wr->length);
	return ret;
}

int engine_post_send(struct world *w, const struct conn_wr *wr)
{
	struct engine *e = &w->engine;
	int ret;

	e->wanted = false;
	if (transmit_expects_ready(&e->conn.transmit))
		drain(w, CONN_RECV_CQ);
	ret = wr->message ? hand_over(w, wr) : write_parts(w, wr);
	if (ret == EIO && e->conn.state == CONN_FAILED)
		return EIO;
	settle(w);
	if (!ret && e->conn.state == CONN_FAILED)
		ret = EIO;
	return ret;
}

int engine_post_recv(struct world *w, const struct recv_request *request)
{
	int ret = -conn_post_recv(&w->engine.conn, request, w->engine.buffers);

	settle(w);
	return ret;
}

/* The connection has just failed: so have the `n' WRITEs whose completions were kept back, which
 * are the last that are due now. */
static void check_withheld(struct world *w, unsigned int n)
{
	const struct completion_queue *due = conn_due(&w->engine.conn, CONN_SEND_CQ);

	for (unsigned int i = 1; i <= n; i++)
		world_expect(w,
			     due->count >= n &&
				     due->ring[(due->head + due->count - i) % COMPLETION_QUEUE_ROOM]
						     .status != VERBS_WC_SUCCESS,
			     "a completion that was kept back hides the failure");
}

static void complete(struct world *w, const struct completion *wc)
{
	struct conn *c = &w->engine.conn;
	uint64_t number = wc->wr_id & ~WR_ID_MARK_MASK;
	unsigned int withheld;

	if (wc->status != VERBS_WC_SUCCESS && !w->engine.failed) {
		w->engine.failed = true;
		if ((wc->wr_id & WR_ID_MARK_MASK) == WR_ID_MARK_SEND)
			w->engine.failure = wc->status;
	}
	switch (wc->wr_id & WR_ID_MARK_MASK) {
	case WR_ID_MARK_SEND:
		withheld = c->transmit.withheld.count;
		world_expect(w, !conn_send_completed(c, number, wc),
			     "the completion of WR %llu is refused", (unsigned long long)number);
		if (wc->status != VERBS_WC_SUCCESS)
			check_withheld(w, withheld);
		break;
	case WR_ID_MARK_RECV:
		conn_recv_completed(c, (unsigned int)number, wc, w->engine.buffers);
		break;
	}
}

bool engine_poll(struct world *w, enum conn_cq cq, struct completion *wc)
{
	struct completion_queue *due = conn_due(&w->engine.conn, cq);
	struct completion found;
	bool any, taken;

	if (w->engine.wanted && cq == other(w->engine.armed))
		w->engine.wanted = false;
	do {
		any = false;
		if (!due->count) {
			any = nic_poll(real_cq(w, cq), &found);
			if (!any)
				return false;
			/* The lock is only taken now. */
			world_yield(w);
		}
		if (any)
			complete(w, &found);
		taken = completion_queue_pop(due, wc);
		settle(w);
		if (!taken && conn_needs_help(&w->engine.conn, cq)) {
			w->engine.wanted = true;
			w->engine.armed = cq;
		}
	} while (!taken);
	return true;
}

void engine_arm(struct world *w, enum conn_cq cq)
{
	if (w->settings.one_cq)
		cq = CONN_SEND_CQ;
	w->engine.wanted = false;
	conn_arm(&w->engine.conn, cq);
	settle(w);
	w->engine.wanted = conn_arm(&w->engine.conn, cq);
	w->engine.armed = cq;
	world_yield(w);
	nic_arm(real_cq(w, cq));
}

bool engine_can_progress(const struct world *w)
{
	const struct engine *e = &w->engine;

	return e->wanted &&
	       (real_cq(w, other(e->armed))->count || !conn_needs_help(&e->conn, e->armed));
}

/* As datapath_drain() */
static void drain(struct world *w, enum conn_cq cq)
{
	struct completion wc;

	for (unsigned int i = 0; i < 16 && nic_poll(real_cq(w, cq), &wc); i++)
		complete(w, &wc);
	settle(w);
}

/* As progress.c, run() */
void engine_progress(struct world *w)
{
	struct engine *e = &w->engine;

	world_trace(w, "progress", "looks after the other CQ");
	drain(w, other(e->armed));
	e->wanted = conn_needs_help(&e->conn, e->armed);
}

bool engine_can_post(const struct world *w)
{
	const struct engine_poster *p = &w->engine.poster;

	/* A batch that it has taken it posts without the lock. */
	if (w->engine.locked)
		return p->busy && p->posted < p->count && w->settings.fault != FAULT_POST;
	return p->wanted;
}

/* As datapath.c */
static bool drains(const struct engine *e)
{
	const struct engine_poster *p = &e->poster;
	unsigned int silent = 0;

	while (silent < p->posted && !p->out[p->posted - 1 - silent].signaled)
		silent++;
	return e->conn.transmit.in_flight - (p->count - p->posted) > silent;
}

/* As datapath_post_writes(): to take a batch is a step, and to post it another. */
void engine_post(struct world *w)
{
	struct engine_poster *p = &w->engine.poster;
	struct engine *e = &w->engine;

	if (!p->busy) {
		p->count = conn_batch(&e->conn, p->out);
		p->posted = 0;
		p->wanted = p->count && p->out[0].kind == TRANSMIT_WRITE;
		if (!p->wanted)
			return;
		world_trace(w, "poster", "takes %u WRITEs", p->count);
		conn_posted(&e->conn, p->out, p->count);
		p->busy = true;
		return;
	}
	if (!post(w, p->out, p->count, &p->posted)) {
		if (e->locked || (!post_failed(w) && drains(e)))
			return;
		fail(w, "the NIC takes no more");
	}
	if (e->locked)
		return;
	p->busy = false;
	settle(w);
}

bool engine_can_ahead(const struct world *w)
{
	const struct engine *e = &w->engine;
	struct source_look look;
	struct ram_block *block;
	struct range range;

	if (e->locked)
		return e->ahead == AHEAD_REGISTERING && engine_mr_ahead_pins(w);
	return e->ahead != AHEAD_IDLE || conn_look(&e->conn, &look) ||
	       conn_register_ahead(&e->conn, &block, &range);
}

/* As ahead.c, run(): a step with the lock, and one without. */
void engine_ahead(struct world *w)
{
	struct engine *e = &w->engine;

	switch (e->ahead) {
	case AHEAD_IDLE:
		if (conn_look(&e->conn, &e->look))
			e->ahead = AHEAD_LOOKING;
		else if (conn_register_ahead(&e->conn, &e->ahead_block, &e->ahead_range) &&
			 !registration_begin(e->ahead_block, e->ahead_range))
			e->ahead = AHEAD_REGISTERING;
		break;
	case AHEAD_LOOKING:
		world_trace(w, "ahead", "has looked for data");
		conn_looked(&e->conn, &e->look, source_find(&e->look));
		e->ahead = AHEAD_IDLE;
		settle(w);
		break;
	case AHEAD_REGISTERING:
		if (engine_mr_ahead(w))
			e->ahead = AHEAD_IDLE;
		break;
	}
}
