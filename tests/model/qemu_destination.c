/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "qemu_destination.h"

#include <errno.h>
#include <string.h>

#include "core/verbs_values.h"
#include "message.h"
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

void qemu_destination_init(struct world *w)
{
	struct qemu_destination *d = &w->destination;

	d->control_key = nic_register(w, (uintptr_t)d->control, sizeof(d->control));
	post_recv(w);
}

static void send_control(struct world *w, size_t len, enum destination_state next)
{
	struct qemu_destination *d = &w->destination;
	struct nic_wr wr = {
		.wr_id = WRID_SEND,
		.message = true,
		.signaled = true,
		.addr = (uintptr_t)d->control,
		.length = len,
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
	send_control(w, wire_build_empty(d->control, WIRE_ERROR), DESTINATION_WAIT_ERROR_SENT);
}

static void handle_blocks(struct world *w)
{
	const struct guest *g = &w->guest;
	uint8_t body[GUEST_BLOCKS * WIRE_RAM_BLOCK_LEN] = {0};
	size_t len;

	for (unsigned int i = 0; i < g->blocks; i++) {
		message_put64(body + i * WIRE_RAM_BLOCK_LEN, g->block[i].remote);
		message_put64(body + i * WIRE_RAM_BLOCK_LEN + 8, g->block[i].offset);
		message_put64(body + i * WIRE_RAM_BLOCK_LEN + 16, g->block[i].length);
	}
	len = message_build(w->destination.control, WIRE_RAM_BLOCKS_RESULT, body,
			    g->blocks * WIRE_RAM_BLOCK_LEN);
	send_control(w, len, DESTINATION_WAIT_ANSWER_SENT);
}

/* False when it has to wait. */
static bool register_memory(struct world *w, uint64_t addr, uint64_t length, uint32_t *rkey)
{
	unsigned int first = (unsigned int)guest_page_there(&w->guest, addr);
	unsigned int count = (unsigned int)(length / w->guest.page_size);
	int ret;

	if (!has_shim(w)) {
		*rkey = nic_register(w, addr, length);
		return true;
	}
	/* It is the same QEMU, and discards nothing that it is about to write to. */
	for (unsigned int i = first; i < first + count; i++)
		if (w->discards.under_way_there[i])
			return false;
	for (unsigned int i = first; i < first + count; i++)
		w->destination.asked[i] = true;
	ret = driver_register(&w->destination_driver, addr, length, ACCESS, rkey);
	world_expect(w, !ret || ret == CONN_AGAIN, "the destination cannot register");
	return !ret;
}

static void handle_register(struct world *w)
{
	struct qemu_destination *d = &w->destination;
	const struct guest *g = &w->guest;
	const struct guest_block *b;
	struct wire_register request;
	struct wire_result result;
	uint64_t chunk, start, end;
	unsigned int first;

	if (wire_parse_register(d->message, d->message_len, WIRE_REGISTER_REQUEST, &request) ||
	    request.block >= g->blocks || request.addr < g->block[request.block].offset) {
		fail(w, "a malformed REGISTER_REQUEST");
		return;
	}
	b = &g->block[request.block];
	chunk = (request.addr - b->offset) / g->chunk_size;
	start = chunk * g->chunk_size;
	world_expect(w, start + request.chunks * g->chunk_size < b->length,
		     "a REGISTER_REQUEST leaves its block");
	first = b->first + (unsigned int)(start / g->page_size);
	if (world_fault(w, FAULT_REMOTE_REGISTRATION)) {
		fail(w, "no memory can be registered");
		return;
	}
	/* A slot that has an MR keeps it, however short. */
	if (!d->rkey[first]) {
		end = guest_chunk_end(g, b, chunk + request.chunks);
		if (!register_memory(w, b->remote + start, end - start, &d->rkey[first]))
			return;
		world_trace(w, "dest", "registers pages %u to %u", first,
			    b->first + (unsigned int)(end / g->page_size) - 1);
	}
	result = (struct wire_result){d->rkey[first], b->remote};
	send_control(w, wire_build_register_result(d->control, &result),
		     DESTINATION_WAIT_ANSWER_SENT);
}

/* Its CPU does this, whatever its NIC has written there since. */
static void handle_compress(struct world *w)
{
	struct qemu_destination *d = &w->destination;
	struct guest *g = &w->guest;
	const struct guest_block *b;
	struct wire_compress compress;
	unsigned int first, count;

	if (wire_parse_compress(d->message, d->message_len, &compress) ||
	    compress.block >= g->blocks) {
		fail(w, "a malformed COMPRESS");
		return;
	}
	b = &g->block[compress.block];
	world_expect(w,
		     compress.addr >= b->offset &&
			     compress.addr + compress.length <= b->offset + b->length,
		     "a COMPRESS leaves its block");
	first = b->first + (unsigned int)((compress.addr - b->offset) / g->page_size);
	count = (unsigned int)(compress.length / g->page_size);
	world_trace(w, "dest", "zeroes pages %u to %u", first, first + count - 1);
	d->zeroed_pages += count;
	for (unsigned int i = first; i < first + count; i++)
		memory_write(w, &g->there, i, 0);
	d->state = DESTINATION_SEND_READY;
}

static void handle_file(struct world *w)
{
	struct qemu_destination *d = &w->destination;

	d->state = DESTINATION_SEND_READY;
	if (d->message[WIRE_HEADER_LEN] == MESSAGE_FILE_HOOK)
		d->listening = true;
	else if (d->message[WIRE_HEADER_LEN] == MESSAGE_FILE_END)
		d->state = DESTINATION_DONE;
}

static void handle(struct world *w)
{
	struct qemu_destination *d = &w->destination;
	uint32_t type = message_get32(d->message + 4);
	struct wire_header header;

	if (wire_parse_header(d->message, d->message_len, &header)) {
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
		handle_blocks(w);
		break;
	case WIRE_REGISTER_REQUEST:
		handle_register(w);
		break;
	case WIRE_COMPRESS:
		handle_compress(w);
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
		send_control(w, wire_build_empty(d->control, WIRE_READY),
			     DESTINATION_WAIT_READY_SENT);
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
