/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "core/order.h"

#include <errno.h>
#include <string.h>

#include "core/discard_map.h"
#include "core/verbs_values.h"

/* Below this many WRITEs on the wire that will complete it has little to do: hold nothing back. */
#define IN_FLIGHT_LOW 2
/* Kept free for messages when writes fill the send queue. */
#define SEND_QUEUE_RESERVE 8

/* A WRITE of a chunk of 1 GiB, the largest of QEMU's, of which each granule was registered
 * by itself. Once its first part is in, the others may not be refused. */
#define PARTS_MAX ((UINT64_C(1) << 30) / DISCARD_GRANULE + 1)
_Static_assert(WRITE_QUEUE_ROOM >= ORDER_WINDOW_WRITES + 1 + PARTS_MAX + ORDER_BATCH,
	       "parts of a WRITE find no room");

void order_init(struct order *t)
{
	memset(t, 0, sizeof(*t));
	t->window = ORDER_WINDOW_FIRST;
	t->usual_window = ORDER_WINDOW_FIRST;
	send_queue_init(&t->sends);
}

static bool is_broken(const struct order *t)
{
	return t->qp != ORDER_QP_WORKS;
}

/* Is the destination in its loop for registrations, with nothing of QEMU's before a request? */
static bool takes_requests(const struct order *t)
{
	return t->registering && !is_broken(t) && !t->ordered.pending;
}

/* Has it sent a READY for it, and none is due for a run of zeros? */
static bool is_free(const struct order *t)
{
	return t->credits && !t->zeros.unacknowledged;
}

static unsigned int room(const struct order *t, unsigned int reserve)
{
	return t->in_flight + reserve < ORDER_SEND_QUEUE ? ORDER_SEND_QUEUE - reserve - t->in_flight
							 : 0;
}

static unsigned int window_writes(const struct order *t)
{
	return t->in_flight + t->writes.count;
}

static bool window_full(const struct order *t)
{
	return t->window_bytes > t->window || window_writes(t) > ORDER_WINDOW_WRITES;
}

/* Far enough below the limit that QEMU can do some work before it waits again. */
static bool window_open(const struct order *t)
{
	return t->window_bytes <= t->window / 2 && window_writes(t) <= ORDER_WINDOW_WRITES / 2;
}

/* By the wire's rate, and the WRITEs that QEMU makes. */
static void set_window(struct order *t)
{
	uint64_t window =
		t->rate.per_second ? rate_bytes(&t->rate, ORDER_WINDOW_NS) : ORDER_WINDOW_FIRST;

	if (window < ORDER_WINDOW_LEAST)
		window = ORDER_WINDOW_LEAST;
	if (window < 2 * t->longest)
		window = 2 * t->longest;
	if (window > ORDER_WINDOW_BYTES)
		window = ORDER_WINDOW_BYTES;
	t->usual_window = window;
	t->window = t->tail ? ORDER_WINDOW_TAIL : window;
}

void order_set_tail(struct order *t, bool tail)
{
	if (tail == t->tail)
		return;
	t->tail = tail;
	t->counters.tails += tail;
	set_window(t);
}

/* Bytes of a WRITE that is made of several, at most; 0: none is. */
static uint64_t merge_max(const struct order *t)
{
	if (!t->policy.early)
		return 0;
	return t->policy.merge_max < t->usual_window ? t->policy.merge_max : t->usual_window;
}

static void release_withheld(struct order *t, uint32_t status, struct completion_queue *due)
{
	struct completion wc;

	while (completion_queue_pop(&t->withheld, &wc)) {
		wc.status = status;
		completion_queue_push(due, &wc);
	}
}

/* Must QEMU wait before it posts a WRITE? Only where a completion will come. */
static bool must_wait(const struct order *t, const struct completion_queue *due)
{
	/* What completes must fit, and what has completed is there to be polled. */
	if (due->count + t->withheld.count >= COMPLETION_QUEUE_ROOM / 2)
		return true;
	/* One withheld completion is enough to wake QEMU up again. */
	if (t->policy.early && window_full(t) && t->withheld.count)
		return true;
	/* Of our own messages on the wire QEMU will never hear: it waits for a WRITE. */
	return !t->policy.early && window_writes(t) >= ORDER_SEND_QUEUE - SEND_QUEUE_RESERVE &&
	       t->writes.count + t->writes_in_flight;
}

int order_write(struct order *t, const struct write *write, struct completion_queue *due)
{
	struct completion wc = {.wr_id = write->wr_id, .opcode = VERBS_WC_RDMA_WRITE};
	int ret;

	/* Nobody would complete it any more: failed WRITEs are told of once. */
	if (t->policy.early && is_broken(t)) {
		if (write->goes_on)
			return 0;
		wc.status = VERBS_WC_WR_FLUSH_ERR;
		return completion_queue_push(due, &wc);
	}
	if (!write->later && must_wait(t, due))
		return -ENOMEM;
	ret = write_queue_push(&t->writes, write, merge_max(t));
	if (ret)
		return ret;
	t->counters.writes += !write->goes_on;
	t->counters.write_bytes += write->length;
	t->window_bytes += write->length;
	if (write->length > t->longest) {
		t->longest = write->length;
		set_window(t);
	}
	t->zeros.closed = true;
	if (!t->policy.early || write->goes_on)
		return 0;
	if (!window_full(t) && !t->withheld.count)
		return completion_queue_push(due, &wc);
	t->counters.withheld++;
	return completion_queue_push(&t->withheld, &wc);
}

int order_zero(struct order *t, const struct zero_run *run)
{
	int ret;

	/* The destination must zero before the writes that QEMU made later, and
	 * after those that it made before. */
	if (t->ordered.pending || write_queue_overlaps(&t->writes, run->remote))
		return -EBUSY;
	ret = zero_queue_push(&t->zeros, run);
	if (!ret)
		t->counters.zeros_kept++;
	return ret;
}

int order_message(struct order *t, const struct order_message *ordered)
{
	if (t->ordered.pending)
		return -EBUSY;
	t->ordered = *ordered;
	t->ordered.pending = true;
	return 0;
}

bool order_can_request(const struct order *t)
{
	return takes_requests(t) && is_free(t) && t->request.state == OWN_REQUEST_NONE;
}

bool order_can_queue_request(const struct order *t)
{
	return order_can_request(t) ||
	       (takes_requests(t) && t->request.state == OWN_REQUEST_ANSWERED);
}

void order_abandon_message(struct order *t)
{
	t->ordered.pending = false;
}

void order_flush(struct order *t)
{
	t->flush = true;
}

static bool batch_zero(struct order *t, struct order_out *out)
{
	bool wanted = t->ordered.pending && !t->ordered.urgent;
	const struct zero_run *run;
	int slot;

	/* Mostly there is none, and this is asked for each WRITE. */
	run = t->zeros.count ? zero_queue_next(&t->zeros, wanted) : NULL;
	if (!run)
		return false;
	slot = send_queue_free_slot(&t->sends);
	/*
	 * A run is sent on a credit held. There is always one unless another run
	 * has it; without, when a SEND is due, do as QEMU would without us.
	 */
	if (is_broken(t) || slot == SEND_NO_SLOT || !room(t, 0) ||
	    own_request_is_out(&t->request) || (!t->credits && !wanted))
		return false;
	*out = (struct order_out){
		.kind = ORDER_ZERO,
		.serial = t->sends.next,
		.signaled = true,
		.zero = run->message,
		.slot = slot,
	};
	return true;
}

/* What QEMU waits for goes first: the destination takes one message at a time. */
static bool request_is_due(const struct order *t)
{
	return t->request.state == OWN_REQUEST_QUEUED && takes_requests(t) && is_free(t);
}

static bool batch_request(struct order *t, struct order_out *out)
{
	if (!request_is_due(t) || !room(t, 0))
		return false;
	*out = (struct order_out){
		.kind = ORDER_REQUEST,
		.serial = t->sends.next,
		.signaled = true,
		.request = t->request.message,
		.slot = SEND_SLOT_REQUEST,
	};
	return true;
}

/* Is it time to post the writes that have gathered? What else is on the wire is no work for it. */
static bool writes_are_due(const struct order *t)
{
	return t->flush || is_broken(t) || t->ordered.pending || !t->policy.early ||
	       t->writes_in_flight < t->unsignaled + IN_FLIGHT_LOW ||
	       t->writes.count >= ORDER_BATCH;
}

static unsigned int batch_writes(struct order *t, struct order_out *out)
{
	unsigned int max = room(t, SEND_QUEUE_RESERVE);
	unsigned int unsignaled = t->unsignaled;
	unsigned int n = 0;

	if (!t->writes.count || !writes_are_due(t))
		return 0;
	if (max > ORDER_BATCH)
		max = ORDER_BATCH;
	for (; n < max && n < t->writes.count; n++) {
		const struct write *write = write_queue_at(&t->writes, n);

		if (!is_broken(t) && zero_queue_fences(&t->zeros, write)) {
			if (!t->fence_counted)
				t->counters.fenced++;
			t->fence_counted = true;
			break;
		}
		out[n].kind = ORDER_WRITE;
		out[n].serial = t->sends.next + n;
		out[n].write = *write;
		out[n].slot = SEND_NO_SLOT;
		out[n].signaled = !t->policy.early || ++unsignaled >= ORDER_UNSIGNALED;
		if (out[n].signaled)
			unsignaled = 0;
	}
	/* The last of a batch wakes whoever waits for it. */
	if (n)
		out[n - 1].signaled = true;
	return n;
}

/*
 * An ordered SEND goes when everything before it has gone and the READY for the
 * last message of our own has come. It does not wait for a credit as such: QEMU
 * had one when it made the message, and only such a message can have used that.
 */
static bool batch_message(struct order *t, struct order_out *out)
{
	bool waits = t->writes.count || t->zeros.count || order_expects_ready(t);

	if (!t->ordered.pending || !room(t, 0))
		return false;
	if (waits && !t->ordered.urgent && !is_broken(t))
		return false;
	*out = (struct order_out){
		.kind = ORDER_MESSAGE,
		.serial = t->sends.next,
		.signaled = true,
		.slot = t->ordered.own.len ? SEND_SLOT_ORDERED : SEND_NO_SLOT,
		.ordered = &t->ordered,
	};
	return true;
}

unsigned int order_batch(struct order *t, struct order_out *out)
{
	unsigned int n;

	if (t->stalled)
		return 0;
	/* This is asked after each WRITE of QEMU's: most of them wait for others. */
	if (!t->zeros.count && !t->ordered.pending && t->request.state != OWN_REQUEST_QUEUED &&
	    (!t->writes.count || !writes_are_due(t))) {
		t->flush = false;
		return 0;
	}
	if (batch_zero(t, out) || batch_request(t, out))
		return 1;
	n = batch_writes(t, out);
	if (n)
		return n;
	/* A write may just have closed the run that it waits for. */
	if (batch_zero(t, out))
		return 1;
	if (!t->writes.count)
		t->flush = false;
	return batch_message(t, out) ? 1 : 0;
}

static void record_posted(struct order *t, const struct order_out *out)
{
	struct send_record record = {
		.message = out->kind == ORDER_MESSAGE,
		.kind = (int)out->kind,
		.slot = out->slot,
		.signaled = out->signaled,
	};
	uint64_t serial;

	switch (out->kind) {
	case ORDER_WRITE:
		record.wr_id = out->write.wr_id;
		record.length = out->write.length;
		t->wire_bytes += out->write.length;
		t->counters.write_wrs++;
		break;
	case ORDER_ZERO:
		zero_queue_sent(&t->zeros);
		if (t->credits)
			t->credits--;
		t->counters.zeros_sent++;
		break;
	case ORDER_REQUEST:
		own_request_sent(&t->request);
		t->credits--;
		break;
	case ORDER_MESSAGE:
		record.wr_id = t->ordered.wr_id;
		t->ordered.pending = false;
		if (!t->ordered.urgent && t->credits)
			t->credits--;
		break;
	}
	/* There is room: order_batch() offers no more than fits. */
	send_queue_add(&t->sends, &record, &serial);
	t->in_flight++;
	t->writes_in_flight += out->kind == ORDER_WRITE;
	t->unsignaled = out->signaled ? 0 : t->unsignaled + 1;
	t->counters.wrs++;
	t->counters.signaled += out->signaled;
}

void order_posted(struct order *t, const struct order_out *out, unsigned int count)
{
	unsigned int writes = 0;

	for (unsigned int i = 0; i < count; i++) {
		record_posted(t, &out[i]);
		writes += out[i].kind == ORDER_WRITE;
	}
	write_queue_drop(&t->writes, writes);
	if (writes)
		t->fence_counted = false;
	if (count)
		t->counters.doorbells++;
}

int order_take_back(struct order *t, const struct order_out *out, unsigned int posted,
		    unsigned int count)
{
	int ret = 0;

	if (!posted)
		t->counters.doorbells--;
	for (unsigned int i = count; i-- > posted;) {
		send_queue_take_back(&t->sends);
		t->in_flight--;
		t->writes_in_flight--;
		t->wire_bytes -= out[i].write.length;
		t->counters.write_wrs--;
		t->counters.wrs--;
		t->counters.signaled -= out[i].signaled;
		ret |= write_queue_put_back(&t->writes, &out[i].write);
	}
	t->unsignaled = send_queue_silent(&t->sends);
	return ret;
}

bool order_stall(struct order *t, uint64_t completions)
{
	/* What completed meanwhile has made room. */
	if (t->completions != completions)
		return true;
	t->stalled = true;
	/* The newest may be silent: the NIC took a part of a batch. */
	return t->in_flight > t->unsignaled;
}

/* What QEMU is due for one WR that has completed. 0, or -ENOSPC: it is lost. */
static int settle(struct order *t, const struct send_record *record, const struct completion *wc,
		  struct completion_queue *due)
{
	struct completion own = *wc;

	own.wr_id = record->wr_id;
	t->in_flight--;
	t->writes_in_flight -= record->kind == ORDER_WRITE;
	if (record->kind == ORDER_WRITE) {
		t->window_bytes -= record->length;
		t->wire_bytes -= record->length;
		/* QEMU has had this one, unless it failed and nobody said so yet. */
		if (t->policy.early && (wc->status == VERBS_WC_SUCCESS || is_broken(t)))
			return 0;
	} else if (record->kind == ORDER_ZERO || record->kind == ORDER_REQUEST) {
		/* QEMU believes it sent, or knows nothing of it: a failure has no
		 * request of its own there. */
		if (wc->status == VERBS_WC_SUCCESS || is_broken(t))
			return 0;
	}
	return completion_queue_push(due, &own);
}

int order_completed(struct order *t, uint64_t serial, const struct completion *wc,
		    struct completion_queue *due)
{
	struct completion before = *wc;
	uint64_t bytes = t->window_bytes;
	struct send_record record;
	int ret = 0;

	/* An unsignalled WR says nothing when it succeeds: a later one's
	 * completion says it. A failed one always speaks for itself. */
	before.status = VERBS_WC_SUCCESS;
	if (serial < t->sends.oldest || serial >= t->sends.next)
		return -ENOENT;
	t->completions++;
	t->stalled = false;
	while (t->sends.oldest < serial) {
		send_queue_complete(&t->sends, t->sends.oldest, &record);
		ret |= settle(t, &record, &before, due);
	}
	send_queue_complete(&t->sends, serial, &record);
	ret |= settle(t, &record, wc, due);
	rate_completed(&t->rate, bytes - t->window_bytes, !t->writes_in_flight, t->now);
	set_window(t);
	if (wc->status != VERBS_WC_SUCCESS)
		order_break(t, due);
	else if (t->withheld.count && window_open(t))
		release_withheld(t, VERBS_WC_SUCCESS, due);
	return ret;
}

bool order_ready(struct order *t)
{
	t->credits++;
	if (t->zeros.unacknowledged)
		zero_queue_acknowledge(&t->zeros);
	else if (own_request_is_out(&t->request))
		own_request_ready(&t->request);
	else
		return false;
	return true;
}

void order_break(struct order *t, struct completion_queue *due)
{
	if (is_broken(t))
		return;
	t->qp = ORDER_QP_BROKEN;
	/* It flushes what it is given, however much that is. */
	t->stalled = false;
	release_withheld(t, VERBS_WC_WR_FLUSH_ERR, due);
}

void order_fail(struct order *t, struct completion_queue *due)
{
	struct completion wc = {
		.status = VERBS_WC_WR_FLUSH_ERR,
		.opcode = VERBS_WC_RDMA_WRITE,
	};

	order_break(t, due);
	for (; t->writes.count; write_queue_drop(&t->writes, 1)) {
		wc.wr_id = write_queue_at(&t->writes, 0)->wr_id;
		t->window_bytes -= write_queue_at(&t->writes, 0)->length;
		/* Of an early one QEMU has the completion. */
		if (!t->policy.early)
			completion_queue_push(due, &wc);
	}
}

uint64_t order_queue_ns(const struct order *t)
{
	return rate_ns(&t->rate, t->wire_bytes);
}

bool order_waits_for_room(const struct order *t)
{
	return request_is_due(t);
}

bool order_expects_ready(const struct order *t)
{
	return t->zeros.unacknowledged || own_request_is_out(&t->request);
}

bool order_waits_for_ready(const struct order *t)
{
	return !is_broken(t) && order_expects_ready(t) && (t->ordered.pending || t->writes.count);
}

/* There are writes, and the first of them waits for the READY of a run. */
static bool is_fenced(const struct order *t)
{
	return !is_broken(t) && zero_queue_overlaps(&t->zeros, write_queue_at(&t->writes, 0));
}

unsigned int order_gathering(const struct order *t)
{
	if (!t->writes.count || t->stalled || !room(t, SEND_QUEUE_RESERVE) || is_fenced(t))
		return 0;
	return t->writes.count;
}

bool order_writes_are_next(const struct order *t)
{
	return order_gathering(t) && writes_are_due(t);
}

const char *order_check(const struct order *t)
{
	unsigned int writes = 0;

	if (t->in_flight > ORDER_SEND_QUEUE)
		return "the send queue is overrun";
	if (t->in_flight != t->sends.next - t->sends.oldest)
		return "the send queue is lost count of";
	for (uint64_t i = t->sends.oldest; i < t->sends.next; i++)
		writes += t->sends.ring[i % SEND_QUEUE_ROOM].kind == ORDER_WRITE;
	if (writes != t->writes_in_flight)
		return "the writes on the wire are lost count of";
	/* Merging must never leave the NIC without work. */
	if (t->writes.count && !t->in_flight && !is_broken(t) && !is_fenced(t))
		return "a write is held back from an idle NIC";
	return NULL;
}
