/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "core/transmit.h"

#include <errno.h>
#include <string.h>

#include "core/discard_map.h"
#include "core/verbs_values.h"

/* Below this many WRs on the wire it has little to do: hold nothing back. */
#define IN_FLIGHT_LOW 2
/* Kept free for messages when writes fill the send queue. */
#define SEND_QUEUE_RESERVE 8

/* A WRITE of a chunk of 1 GiB, the largest of QEMU's, of which each granule was registered
 * by itself. Once its first part is in, the others may not be refused. */
#define PARTS_MAX ((UINT64_C(1) << 30) / DISCARD_GRANULE + 1)
_Static_assert(WRITE_QUEUE_ROOM >= TRANSMIT_WINDOW_WRITES + 1 + PARTS_MAX + TRANSMIT_BATCH,
	       "parts of a WRITE find no room");

void transmit_init(struct transmit *t)
{
	memset(t, 0, sizeof(*t));
	send_queue_init(&t->sends);
}

static bool is_broken(const struct transmit *t)
{
	return t->qp != TRANSMIT_QP_WORKS;
}

/* It is on the wire, and the READY after its result has not come. */
static bool request_is_out(const struct transmit *t)
{
	return t->request.state >= TRANSMIT_REQUEST_SENT;
}

static unsigned int room(const struct transmit *t, unsigned int reserve)
{
	return t->in_flight + reserve < TRANSMIT_SEND_QUEUE
		       ? TRANSMIT_SEND_QUEUE - reserve - t->in_flight
		       : 0;
}

static unsigned int ahead_writes(const struct transmit *t)
{
	return t->in_flight + t->writes.count;
}

static bool window_full(const struct transmit *t)
{
	return t->ahead_bytes > TRANSMIT_WINDOW_BYTES || ahead_writes(t) > TRANSMIT_WINDOW_WRITES;
}

/* Far enough below the limit that QEMU can do some work before it waits again. */
static bool window_open(const struct transmit *t)
{
	return t->ahead_bytes <= TRANSMIT_WINDOW_BYTES / 2 &&
	       ahead_writes(t) <= TRANSMIT_WINDOW_WRITES / 2;
}

static void release_withheld(struct transmit *t, uint32_t status, struct completion_queue *due)
{
	struct completion wc;

	while (completion_queue_pop(&t->withheld, &wc)) {
		wc.status = status;
		completion_queue_push(due, &wc);
	}
}

/* Must QEMU wait before it posts a WRITE? Only where a completion will come. */
static bool must_wait(const struct transmit *t, const struct completion_queue *due)
{
	/* What completes must fit, and what has completed is there to be polled. */
	if (due->count + t->withheld.count >= COMPLETION_QUEUE_ROOM / 2)
		return true;
	/* One withheld completion is enough to wake QEMU up again. */
	if (t->policy.early && window_full(t) && t->withheld.count)
		return true;
	/* Of our own messages on the wire QEMU will never hear: it waits for a WRITE. */
	return !t->policy.early && ahead_writes(t) >= TRANSMIT_SEND_QUEUE - SEND_QUEUE_RESERVE &&
	       t->writes.count + t->writes_in_flight;
}

int transmit_write(struct transmit *t, const struct write *write, struct completion_queue *due)
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
	ret = write_queue_push(&t->writes, write, t->policy.early ? t->policy.merge_max : 0);
	if (ret)
		return ret;
	t->counters.writes += !write->goes_on;
	t->counters.write_bytes += write->length;
	t->ahead_bytes += write->length;
	t->zeros.closed = true;
	if (!t->policy.early || write->goes_on)
		return 0;
	if (!window_full(t) && !t->withheld.count)
		return completion_queue_push(due, &wc);
	t->counters.withheld++;
	return completion_queue_push(&t->withheld, &wc);
}

int transmit_zero(struct transmit *t, const struct zero_run *run)
{
	int ret;

	/* The destination must zero before the writes that QEMU made later, and
	 * after those that it made before. */
	if (t->strict.pending || write_queue_overlaps(&t->writes, run->remote))
		return -EBUSY;
	ret = zero_queue_push(&t->zeros, run);
	if (!ret)
		t->counters.zeros_kept++;
	return ret;
}

int transmit_strict(struct transmit *t, const struct transmit_strict *strict)
{
	if (t->strict.pending)
		return -EBUSY;
	t->strict = *strict;
	t->strict.pending = true;
	return 0;
}

bool transmit_can_request(const struct transmit *t)
{
	return t->registering && t->credits && !is_broken(t) && !t->strict.pending &&
	       t->request.state == TRANSMIT_REQUEST_NONE && !t->zeros.unacknowledged;
}

void transmit_request(struct transmit *t, const struct wire_register *message)
{
	t->request.message = *message;
	t->request.state = TRANSMIT_REQUEST_QUEUED;
}

void transmit_withdraw_request(struct transmit *t)
{
	t->request.state = TRANSMIT_REQUEST_NONE;
}

void transmit_request_answered(struct transmit *t)
{
	t->request.state = TRANSMIT_REQUEST_ANSWERED;
}

void transmit_abandon_strict(struct transmit *t)
{
	t->strict.pending = false;
}

void transmit_flush(struct transmit *t)
{
	t->flush = true;
}

static bool batch_zero(struct transmit *t, struct transmit_out *out)
{
	bool wanted = t->strict.pending && !t->strict.urgent;
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
	if (is_broken(t) || slot == SEND_NO_SLOT || !room(t, 0) || request_is_out(t) ||
	    (!t->credits && !wanted))
		return false;
	*out = (struct transmit_out){
		.kind = TRANSMIT_ZERO,
		.serial = t->sends.next,
		.signaled = true,
		.zero = run->message,
		.slot = slot,
	};
	return true;
}

/* What QEMU waits for goes first: the destination takes one message at a time. */
static bool request_is_due(const struct transmit *t)
{
	return t->request.state == TRANSMIT_REQUEST_QUEUED && t->registering && !is_broken(t) &&
	       !t->strict.pending && !t->zeros.unacknowledged && t->credits;
}

static bool batch_request(struct transmit *t, struct transmit_out *out)
{
	if (!request_is_due(t) || !room(t, 0))
		return false;
	*out = (struct transmit_out){
		.kind = TRANSMIT_REQUEST,
		.serial = t->sends.next,
		.signaled = true,
		.request = t->request.message,
		.slot = SEND_SLOT_REQUEST,
	};
	return true;
}

/* Is it time to post the writes that have gathered? */
static bool writes_are_due(const struct transmit *t)
{
	return t->flush || is_broken(t) || t->strict.pending || !t->policy.early ||
	       t->in_flight < IN_FLIGHT_LOW || t->writes.count >= TRANSMIT_BATCH;
}

static unsigned int batch_writes(struct transmit *t, struct transmit_out *out)
{
	unsigned int max = room(t, SEND_QUEUE_RESERVE);
	unsigned int unsignaled = t->unsignaled;
	unsigned int n = 0;

	if (!t->writes.count || !writes_are_due(t))
		return 0;
	if (max > TRANSMIT_BATCH)
		max = TRANSMIT_BATCH;
	for (; n < max && n < t->writes.count; n++) {
		const struct write *write = write_queue_at(&t->writes, n);

		if (!is_broken(t) && zero_queue_fences(&t->zeros, write)) {
			if (!t->fence_counted)
				t->counters.fenced++;
			t->fence_counted = true;
			break;
		}
		out[n] = (struct transmit_out){
			.kind = TRANSMIT_WRITE,
			.serial = t->sends.next + n,
			.write = *write,
			.slot = SEND_NO_SLOT,
			.signaled = !t->policy.early || ++unsignaled >= TRANSMIT_UNSIGNALED,
		};
		if (out[n].signaled)
			unsignaled = 0;
	}
	/* The last of a batch wakes whoever waits for it. */
	if (n)
		out[n - 1].signaled = true;
	return n;
}

/*
 * A strict SEND goes when everything before it has gone and the READY for the
 * last message of our own has come. It does not wait for a credit as such: QEMU
 * had one when it made the message, and only such a message can have used that.
 */
static bool batch_strict(struct transmit *t, struct transmit_out *out)
{
	bool waits = t->writes.count || t->zeros.count || transmit_expects_ready(t);

	if (!t->strict.pending || !room(t, 0))
		return false;
	if (waits && !t->strict.urgent && !is_broken(t))
		return false;
	*out = (struct transmit_out){
		.kind = TRANSMIT_STRICT,
		.serial = t->sends.next,
		.signaled = true,
		.slot = t->strict.own.len ? SEND_SLOT_STRICT : SEND_NO_SLOT,
		.strict = t->strict,
	};
	return true;
}

unsigned int transmit_batch(struct transmit *t, struct transmit_out *out)
{
	unsigned int n;

	if (t->stalled)
		return 0;
	/* This is asked after each WRITE of QEMU's: most of them wait for others. */
	if (!t->zeros.count && !t->strict.pending && t->request.state != TRANSMIT_REQUEST_QUEUED &&
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
	return batch_strict(t, out) ? 1 : 0;
}

static void record_posted(struct transmit *t, const struct transmit_out *out)
{
	struct send_record record = {
		.message = out->kind == TRANSMIT_STRICT,
		.kind = (int)out->kind,
		.slot = out->slot,
		.signaled = out->signaled,
	};
	uint64_t serial;

	switch (out->kind) {
	case TRANSMIT_WRITE:
		record.wr_id = out->write.wr_id;
		record.length = out->write.length;
		t->counters.write_wrs++;
		break;
	case TRANSMIT_ZERO:
		zero_queue_sent(&t->zeros);
		if (t->credits)
			t->credits--;
		t->counters.zeros_sent++;
		break;
	case TRANSMIT_REQUEST:
		t->request.state = TRANSMIT_REQUEST_SENT;
		t->credits--;
		break;
	case TRANSMIT_STRICT:
		record.wr_id = t->strict.wr_id;
		t->strict.pending = false;
		if (!t->strict.urgent && t->credits)
			t->credits--;
		break;
	}
	/* There is room: transmit_batch() offers no more than fits. */
	send_queue_add(&t->sends, &record, &serial);
	t->in_flight++;
	t->writes_in_flight += out->kind == TRANSMIT_WRITE;
	t->unsignaled = out->signaled ? 0 : t->unsignaled + 1;
	t->counters.wrs++;
	t->counters.signaled += out->signaled;
}

void transmit_posted(struct transmit *t, const struct transmit_out *out, unsigned int count)
{
	unsigned int writes = 0;

	for (unsigned int i = 0; i < count; i++) {
		record_posted(t, &out[i]);
		writes += out[i].kind == TRANSMIT_WRITE;
	}
	write_queue_drop(&t->writes, writes);
	if (writes)
		t->fence_counted = false;
	if (count)
		t->counters.doorbells++;
}

int transmit_take_back(struct transmit *t, const struct transmit_out *out, unsigned int posted,
		       unsigned int count)
{
	int ret = 0;

	if (!posted)
		t->counters.doorbells--;
	for (unsigned int i = count; i-- > posted;) {
		send_queue_take_back(&t->sends);
		t->in_flight--;
		t->writes_in_flight--;
		t->counters.write_wrs--;
		t->counters.wrs--;
		t->counters.signaled -= out[i].signaled;
		ret |= write_queue_put_back(&t->writes, &out[i].write);
	}
	t->unsignaled = send_queue_silent(&t->sends);
	return ret;
}

bool transmit_stall(struct transmit *t, uint64_t completions)
{
	/* What completed meanwhile has made room. */
	if (t->completions != completions)
		return true;
	t->stalled = true;
	return t->in_flight > t->unsignaled;
}

/* What QEMU is due for one WR that has completed. 0, or -ENOSPC: it is lost. */
static int settle(struct transmit *t, const struct send_record *record, const struct completion *wc,
		  struct completion_queue *due)
{
	struct completion own = *wc;

	own.wr_id = record->wr_id;
	t->in_flight--;
	t->writes_in_flight -= record->kind == TRANSMIT_WRITE;
	if (record->kind == TRANSMIT_WRITE) {
		t->ahead_bytes -= record->length;
		/* QEMU has had this one, unless it failed and nobody said so yet. */
		if (t->policy.early && (wc->status == VERBS_WC_SUCCESS || is_broken(t)))
			return 0;
	} else if (record->kind == TRANSMIT_ZERO || record->kind == TRANSMIT_REQUEST) {
		/* QEMU believes it sent, or knows nothing of it: a failure has no
		 * request of its own there. */
		if (wc->status == VERBS_WC_SUCCESS || is_broken(t))
			return 0;
	}
	return completion_queue_push(due, &own);
}

int transmit_completed(struct transmit *t, uint64_t serial, const struct completion *wc,
		       struct completion_queue *due)
{
	struct completion before = *wc;
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
	if (wc->status != VERBS_WC_SUCCESS)
		transmit_break(t, due);
	else if (t->withheld.count && window_open(t))
		release_withheld(t, VERBS_WC_SUCCESS, due);
	return ret;
}

bool transmit_ready(struct transmit *t)
{
	t->credits++;
	if (t->zeros.unacknowledged)
		zero_queue_acknowledge(&t->zeros);
	else if (request_is_out(t))
		t->request.state = TRANSMIT_REQUEST_NONE;
	else
		return false;
	return true;
}

void transmit_break(struct transmit *t, struct completion_queue *due)
{
	if (is_broken(t))
		return;
	t->qp = TRANSMIT_QP_BROKEN;
	/* It flushes what it is given, however much that is. */
	t->stalled = false;
	release_withheld(t, VERBS_WC_WR_FLUSH_ERR, due);
}

void transmit_fail(struct transmit *t, struct completion_queue *due)
{
	struct completion wc = {
		.status = VERBS_WC_WR_FLUSH_ERR,
		.opcode = VERBS_WC_RDMA_WRITE,
	};

	transmit_break(t, due);
	for (; t->writes.count; write_queue_drop(&t->writes, 1)) {
		wc.wr_id = write_queue_at(&t->writes, 0)->wr_id;
		t->ahead_bytes -= write_queue_at(&t->writes, 0)->length;
		/* Of an early one QEMU has the completion. */
		if (!t->policy.early)
			completion_queue_push(due, &wc);
	}
}

bool transmit_waits_for_room(const struct transmit *t)
{
	return request_is_due(t);
}

bool transmit_expects_ready(const struct transmit *t)
{
	return t->zeros.unacknowledged || request_is_out(t);
}

bool transmit_waits_for_ready(const struct transmit *t)
{
	return !is_broken(t) && transmit_expects_ready(t) && (t->strict.pending || t->writes.count);
}

const char *transmit_check(const struct transmit *t)
{
	unsigned int writes = 0;

	if (t->in_flight > TRANSMIT_SEND_QUEUE)
		return "the send queue is overrun";
	if (t->in_flight != t->sends.next - t->sends.oldest)
		return "the send queue is lost count of";
	for (uint64_t i = t->sends.oldest; i < t->sends.next; i++)
		writes += t->sends.ring[i % SEND_QUEUE_ROOM].kind == TRANSMIT_WRITE;
	if (writes != t->writes_in_flight)
		return "the writes on the wire are lost count of";
	/* Merging must never leave the NIC without work. */
	if (t->writes.count && !t->in_flight && !is_broken(t) &&
	    !zero_queue_overlaps(&t->zeros, write_queue_at(&t->writes, 0)))
		return "a write is held back from an idle NIC";
	return NULL;
}
