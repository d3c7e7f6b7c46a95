/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "qemu_destination.h"

#include <errno.h>
#include <string.h>

#include "core/verbs_values.h"
#include "world.h"

#define WRID_SEND 2000
#define WRID_RECV 4000
/* Access flags; the source's are 0. */
#define ACCESS 7

static bool has_shim(const struct world *w)
{
	return w->destination_driver.conn;
}

static void post_recv(struct world *w)
{
	struct nic_recv recv = {.wr_id = WRID_RECV, .data = w->destination.recv};
	struct recv_request request = {
		.wr_id = WRID_RECV,
		.addr = w->destination.recv,
		.length = sizeof(w->destination.recv),
	};

	if (has_shim(w))
		world_expect(w, !driver_post_recv(&w->destination_driver, &request),
			     "a RECV of the destination's is refused");
	else
		nic_post_recv(w, &w->nic.destination, &recv);
}

static bool post_send(struct world *w, const struct nic_wr *wr)
{
	struct conn_wr seen = {
		.wr_id = wr->wr_id,
		.message = true,
		.data = (const void *)(uintptr_t)wr->addr,
		.length = wr->length,
		.local_addr = wr->addr,
		.lkey = wr->lkey,
	};

	if (has_shim(w))
		return !driver_post_send(&w->destination_driver, &seen);
	return nic_post_send(w, &w->nic.destination, wr);
}

static bool poll_cq(struct world *w, struct nic_cq *cq, struct completion *wc)
{
	bool send = cq == w->nic.destination.send_cq;
	struct nic_cqe cqe;

	if (has_shim(w))
		return driver_poll(&w->destination_driver, send ? CONN_SEND_CQ : CONN_RECV_CQ, wc);
	if (!nic_poll(cq, &cqe))
		return false;
	*wc = cqe.wc;
	return true;
}

static void send_control(struct world *w, enum destination_state next)
{
	struct qemu_destination *d = &w->destination;
	struct nic_wr wr = {
		.wr_id = WRID_SEND,
		.message = true,
		.signaled = true,
		.addr = (uintptr_t)d->control.data,
		.length = d->control.len,
		.lkey = d->control_key,
	};

	world_expect(w, post_send(w, &wr) || w->nic.destination.error,
		     "the destination's send queue overruns");
	d->state = next;
}

static void fail(struct world *w, const char *why)
{
	struct qemu_destination *d = &w->destination;

	world_trace(w, "dest", "fails: %s", why);
	world_expect(w, w->fault_fired, "the destination fails: %s", why);
	if (w->nic.destination.error) {
		d->state = DESTINATION_FAILED;
		w->hang_up = true;
		return;
	}
	message_begin(&d->control, WIRE_ERROR, 1);
	send_control(w, DESTINATION_WAIT_ERROR_SENT);
}

/* With a shim. False when it has to wait. */
static bool register_with(struct world *w, unsigned int first, unsigned int count, uint64_t addr,
			  uint32_t *rkey)
{
	int ret;

	/* It is the same QEMU, and discards nothing that it is about to write to. */
	for (unsigned int i = first; i < first + count; i++)
		if (w->discards.under_way_there[i])
			return false;
	for (unsigned int i = first; i < first + count; i++)
		w->destination.asked[i] = true;
	ret = driver_register(&w->destination_driver, addr, count * w->guest.page_size, ACCESS,
			      rkey);
	world_expect(w, !ret || ret == CONN_AGAIN, "the destination cannot register");
	return !ret;
}

static enum slots_verdict register_memory(void *context, unsigned int block, struct range range,
					  uint32_t *rkey)
{
	struct world *w = context;
	const struct guest_block *b = &w->guest.block[block];
	unsigned int first = b->first + (unsigned int)(range.start / w->guest.page_size);
	unsigned int count = (unsigned int)((range.end - range.start) / w->guest.page_size);

	world_expect(w,
		     w->settings.hostile || range.start >> w->settings.shift ==
						    (range.end - 1) >> w->settings.shift,
		     "a request reaches over the end of a region");
	if (world_fault(w, FAULT_REMOTE_REGISTRATION))
		return SLOTS_FAILED;
	if (!has_shim(w))
		*rkey = nic_register(w, b->remote + range.start, range.end - range.start);
	else if (!register_with(w, first, count, b->remote + range.start, rkey))
		return SLOTS_AGAIN;
	world_trace(w, "dest", "registers pages %u to %u", first, first + count - 1);
	return SLOTS_DONE;
}

/* Its CPU does this, whatever its NIC has written there since. */
static void zero_memory(void *context, unsigned int block, struct range range)
{
	struct world *w = context;
	unsigned int first = w->guest.block[block].first;
	unsigned int end = first + (unsigned int)(range.end / w->guest.page_size);

	first += (unsigned int)(range.start / w->guest.page_size);
	world_trace(w, "dest", "zeroes pages %u to %u", first, end - 1);
	w->destination.zeroed_pages += end - first;
	for (; first < end; first++)
		memory_write(w, &w->guest.there, first, 0);
}

void qemu_destination_init(struct world *w)
{
	static const struct slots_ops ops = {register_memory, zero_memory};
	struct qemu_destination *d = &w->destination;

	d->control_key = nic_register(w, (uintptr_t)d->control.data, sizeof(d->control.data));
	d->slots.ops = &ops;
	d->slots.context = w;
	d->slots.chunk_size = w->guest.chunk_size;
	for (unsigned int i = 0; i < w->guest.blocks; i++)
		slots_add_block(&d->slots, w->guest.block[i].offset, w->guest.block[i].length,
				w->guest.block[i].remote);
	post_recv(w);
}

static void handle_file(struct world *w)
{
	struct qemu_destination *d = &w->destination;

	d->state = DESTINATION_SEND_READY;
	if (d->message[16] == MESSAGE_FILE_HOOK)
		d->listening = true;
	else if (d->message[16] == MESSAGE_FILE_END)
		d->state = DESTINATION_DONE;
}

static void handle_command(struct world *w)
{
	struct qemu_destination *d = &w->destination;

	switch (slots_handle(&d->slots, d->message, d->message_len, &d->control)) {
	case SLOTS_DONE:
		if (d->control.len)
			send_control(w, DESTINATION_WAIT_ANSWER_SENT);
		else
			d->state = DESTINATION_SEND_READY;
		break;
	case SLOTS_AGAIN:
		break;
	case SLOTS_FAILED:
		fail(w, "no memory can be registered");
		break;
	case SLOTS_REFUSED:
		world_fail(w, "%s", d->slots.why);
	}
}

static void handle(struct world *w)
{
	struct qemu_destination *d = &w->destination;
	uint32_t type = message_type(d->message);

	if (!message_is_whole(d->message, d->message_len)) {
		fail(w, "a malformed message");
		return;
	}
	world_trace(w, "dest", "handles %s", wire_type_name(type));
	if (type == WIRE_QEMU_FILE && !d->listening) {
		handle_file(w);
		return;
	}
	if (!d->listening) {
		fail(w, wire_type_name(type));
		return;
	}
	switch (type) {
	case WIRE_RAM_BLOCKS_REQUEST:
	case WIRE_REGISTER_REQUEST:
	case WIRE_COMPRESS:
		handle_command(w);
		break;
	case WIRE_REGISTER_FINISHED:
		d->listening = false;
		d->state = DESTINATION_SEND_READY;
		break;
	default:
		fail(w, wire_type_name(type));
	}
}

static struct nic_cq *waits_on(const struct world *w)
{
	switch (w->destination.state) {
	case DESTINATION_WAIT_READY_SENT:
	case DESTINATION_WAIT_ANSWER_SENT:
	case DESTINATION_WAIT_ERROR_SENT:
		return w->nic.destination.send_cq;
	case DESTINATION_WAIT_MESSAGE:
		return w->nic.destination.recv_cq;
	default:
		return NULL;
	}
}

static bool is_due(const struct world *w, const struct nic_cq *cq)
{
	bool send = cq == w->nic.destination.send_cq;

	return conn_count_due(w->destination_driver.conn, send ? CONN_SEND_CQ : CONN_RECV_CQ);
}

bool qemu_destination_can_act(const struct world *w)
{
	const struct nic_cq *cq = waits_on(w);

	if (w->nic.destination.dead || w->destination.state == DESTINATION_DONE ||
	    w->destination.state == DESTINATION_FAILED)
		return false;
	return !cq || cq->count || (has_shim(w) && is_due(w, cq));
}

void qemu_destination_act(struct world *w)
{
	struct qemu_destination *d = &w->destination;
	struct nic_cq *cq = waits_on(w);
	struct completion wc = {.wr_id = 0};

	if (cq && !poll_cq(w, cq, &wc))
		return;
	if (cq && wc.status != VERBS_WC_SUCCESS) {
		fail(w, "a failed completion");
		return;
	}
	switch (d->state) {
	case DESTINATION_SEND_READY:
		message_begin(&d->control, WIRE_READY, 1);
		send_control(w, DESTINATION_WAIT_READY_SENT);
		break;
	case DESTINATION_WAIT_READY_SENT:
		d->state = DESTINATION_WAIT_MESSAGE;
		break;
	case DESTINATION_WAIT_MESSAGE:
		memcpy(d->message, d->recv, sizeof(d->message));
		d->message_len = wc.byte_len;
		post_recv(w);
		d->state = DESTINATION_HANDLE;
		break;
	case DESTINATION_HANDLE:
		handle(w);
		break;
	case DESTINATION_WAIT_ANSWER_SENT:
		d->state = DESTINATION_SEND_READY;
		break;
	case DESTINATION_WAIT_ERROR_SENT:
		d->state = DESTINATION_FAILED;
		w->hang_up = true;
		break;
	case DESTINATION_DONE:
	case DESTINATION_FAILED:
		break;
	}
}
