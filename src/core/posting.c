/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "core/posting.h"

#include <string.h>

/*
 * Our wr_ids carry a mark in their top 16 bits. QEMU's have the type in the low
 * 16 and, for writes, a chunk number above bit 30; none of QEMU's is on a queue
 * whose completions we read, except its own RECVs at a destination (4000 + n).
 */
#define MARK_SEND    (UINT64_C(0x5d4c) << 48)
#define MARK_RECV    (UINT64_C(0x5d4d) << 48)
#define MARK_NOTHING (UINT64_C(0x5d4e) << 48)
#define MARK_MASK    (UINT64_C(0xffff) << 48)

enum posting_of posting_of(uint64_t wr_id, uint64_t *number)
{
	*number = wr_id & ~MARK_MASK;
	switch (wr_id & MARK_MASK) {
	case MARK_SEND:
		return POSTING_OF_SEND;
	case MARK_RECV:
		return POSTING_OF_RECV;
	case MARK_NOTHING:
		return POSTING_OF_NOTHING;
	default:
		return POSTING_OF_QEMU;
	}
}

static uint8_t *buffer_at(const struct posting *p, unsigned int buffer)
{
	return p->memory + buffer * (size_t)WIRE_MESSAGE_MAX;
}

const void *posting_buffer(const struct posting *p, uint64_t buffer)
{
	return buffer_at(p, (unsigned int)buffer);
}

bool posting_next_recv(struct posting *p, struct conn_recv *recv)
{
	unsigned int buffer = 0;

	if (!p->buffers_due)
		return false;
	while (!(p->buffers_due & 1u << buffer))
		buffer++;
	p->buffers_due &= ~(1u << buffer);
	p->buffers_posted |= 1u << buffer;
	*recv = (struct conn_recv){
		.wr_id = MARK_RECV | buffer,
		.addr = (uintptr_t)buffer_at(p, buffer),
		.length = WIRE_MESSAGE_MAX,
		.lkey = p->lkey,
	};
	return true;
}

bool posting_recv_done(struct posting *p, uint64_t buffer)
{
	if (buffer >= RECV_QUEUE_BUFFERS || !(p->buffers_posted & 1u << buffer))
		return false;
	p->buffers_posted &= ~(1u << buffer);
	return true;
}

struct conn_send posting_nothing(void)
{
	return (struct conn_send){.wr_id = MARK_NOTHING, .signaled = true, .ours = true};
}

/* The bytes of a message of our own, into the slot that the NIC reads it from; how many. */
static size_t render(const struct order_out *out, uint8_t *slot)
{
	switch (out->kind) {
	case ORDER_ZERO:
		return wire_build_compress(slot, &out->zero);
	case ORDER_REQUEST:
		return wire_build_register_request(slot, &out->request);
	default:
		memcpy(slot, out->ordered->own.bytes, out->ordered->own.len);
		return out->ordered->own.len;
	}
}

static struct conn_send compose_write(const struct order_out *out)
{
	return (struct conn_send){
		.wr_id = MARK_SEND | out->serial,
		.signaled = out->signaled,
		.addr = out->write.local_addr,
		.length = out->write.length,
		.lkey = out->write.lkey,
		.remote_addr = out->write.remote_addr,
		.rkey = out->write.rkey,
	};
}

static struct conn_send compose_message(const struct posting *p, const struct order_out *out)
{
	struct conn_send wr = {
		.wr_id = MARK_SEND | out->serial,
		.message = true,
		.signaled = out->signaled,
		.ours = out->kind == ORDER_ZERO || out->kind == ORDER_REQUEST,
	};
	uint8_t *slot;

	if (out->slot == SEND_NO_SLOT) {
		wr.addr = out->ordered->addr;
		wr.length = out->ordered->length;
		wr.lkey = out->ordered->lkey;
		return wr;
	}
	slot = buffer_at(p, RECV_QUEUE_BUFFERS) + (size_t)out->slot * WIRE_OWN_MAX;
	wr.addr = (uintptr_t)slot;
	wr.length = render(out, slot);
	wr.lkey = p->lkey;
	return wr;
}

unsigned int posting_next(struct posting *p, struct order *t, bool message, bool writes,
			  struct conn_send *wr)
{
	unsigned int count;
	bool write;

	if (p->state != POSTING_NOTHING)
		return 0;
	count = order_batch(t, p->out);
	if (!count)
		return 0;
	write = p->out[0].kind == ORDER_WRITE;
	if (write ? !writes : !message)
		return 0;
	for (unsigned int i = 0; i < count; i++)
		wr[i] = write ? compose_write(&p->out[i]) : compose_message(p, &p->out[i]);
	p->count = count;
	p->completions = t->completions;
	p->state = write ? POSTING_WRITES : POSTING_MESSAGE;
	/* Nothing may be added to what the NIC is reading. */
	if (write)
		order_posted(t, p->out, count);
	return count;
}

bool posting_overlaps(const struct posting *p, struct range remote)
{
	for (unsigned int i = 0; p->state == POSTING_WRITES && i < p->count; i++)
		if (write_overlaps(&p->out[i].write, remote))
			return true;
	return false;
}

bool posting_done(struct posting *p, struct order *t, unsigned int posted, bool full)
{
	bool ok = true;

	if (p->state == POSTING_MESSAGE)
		order_posted(t, p->out, posted);
	else if (posted < p->count && order_take_back(t, p->out, posted, p->count))
		ok = false;
	/* Unless all of them have completed meanwhile. */
	if (p->state == POSTING_WRITES && t->writes_in_flight && !t->rate.busy)
		rate_begin(&t->rate, t->now);
	p->state = POSTING_NOTHING;
	if (posted < p->count)
		ok = ok && full && order_stall(t, p->completions);
	return ok;
}
