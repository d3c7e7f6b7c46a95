/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "qemu.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#undef ibv_reg_mr

#define WRITE	  1u /* RDMA_WRID_RDMA_WRITE; a chunk's number is above bit 30 */
#define TYPE_MASK 0xffffu
#define OFFSET	  UINT64_C(0x40000000)

/* RECVs, and what they are for: RDMA_WRID_DATA, RDMA_WRID_READY. */
#define DATA  0u
#define READY 1u

#define WAIT_MS 100

static bool fail(struct qemu *q)
{
	q->failed = true;
	return false;
}

static void step(struct qemu *q, const char *doing)
{
	__atomic_store_n(&q->doing, doing, __ATOMIC_RELAXED);
	__atomic_fetch_add(&q->steps, 1, __ATOMIC_RELAXED);
}

/*
 * QEMU's view: its writes complete in the order in which it posted them, once each, and so do its
 * sends. Between the two there is none: a message may be answered while a write is on its way.
 */
static void take_posted(struct qemu *q, uint64_t wr_id)
{
	if (wr_id == PEER_SEND) {
		must(q->sending);
		q->sending = false;
		return;
	}
	must(q->writes);
	must(q->posted[q->oldest] == wr_id);
	q->oldest = (q->oldest + 1) % QEMU_WRITES;
	q->writes--;
}

static void note_write(struct qemu *q, uint64_t wr_id)
{
	must(q->writes < QEMU_WRITES);
	q->posted[(q->oldest + q->writes++) % QEMU_WRITES] = wr_id;
}

/* qemu_rdma_poll(): 1 with what it found, 0 when there is nothing, -1 when that has failed. */
static int poll_one(struct qemu *q, struct ibv_cq *cq, struct ibv_wc *wc)
{
	int n = ibv_poll_cq(cq, 1, wc);

	if (n <= 0)
		return n;
	step(q, q->doing);
	/* That the connection is broken QEMU hears with any of them, and it is done then. */
	if (wc->status != IBV_WC_SUCCESS)
		return -1;
	if (cq == q->peer.send_cq)
		take_posted(q, wc->wr_id);
	else
		must(wc->wr_id >= PEER_RECV && wc->wr_id < PEER_RECV + PEER_BUFFERS - 1);
	return 1;
}

static bool is_cancelled(struct qemu *q)
{
	return __atomic_load_n(&q->cancelled, __ATOMIC_RELAXED);
}

/* qemu_rdma_wait_comp_channel() */
static bool wait_for_event(struct qemu *q, struct ibv_comp_channel *channel)
{
	struct pollfd fds[2] = {
		{.fd = channel->fd, .events = POLLIN},
		{.fd = q->peer.events->fd, .events = POLLIN},
	};
	struct rdma_cm_event *event;
	uint64_t n;

	while (!is_cancelled(q)) {
		must(poll(fds, 2, WAIT_MS) >= 0 || errno == EINTR);
		if (fds[0].revents) {
			must(read(fds[0].fd, &n, sizeof(n)) == sizeof(n));
			return true;
		}
		if (fds[1].revents) {
			must(!rdma_get_cm_event(q->peer.events, &event));
			return false;
		}
	}
	return false;
}

/* qemu_rdma_block_for_wrid(): `type` is that of a wr_id. */
static bool wait_for(struct qemu *q, uint64_t type, struct ibv_wc *wc)
{
	bool receives = type >= PEER_RECV;
	struct ibv_cq *cq = receives ? q->peer.recv_cq : q->peer.send_cq;
	int found;

	do {
		must(!ibv_req_notify_cq(cq, 0));
		while ((found = poll_one(q, cq, wc)) > 0)
			if ((wc->wr_id & TYPE_MASK) == type)
				return true;
	} while (!found && wait_for_event(q, cq->channel));
	return fail(q);
}

/* qemu_rdma_exchange_get_response(): in buffer `i`; false when it is another type. */
static bool get_response(struct qemu *q, unsigned int i, uint32_t type)
{
	struct ibv_wc wc;

	step(q, type == WIRE_READY ? "waits for READY" : "waits for a message");
	if (!wait_for(q, PEER_RECV + i, &wc))
		return false;
	must(wc.byte_len >= 16);
	if (type && message_type(q->peer.buffer[i]) != type) {
		fprintf(stderr, "message %u in place of %u\n", message_type(q->peer.buffer[i]),
			type);
		exit(3);
	}
	return true;
}

static bool post_recv(struct qemu *q, unsigned int i)
{
	return !peer_post_recv(&q->peer, i) || fail(q);
}

/* qemu_rdma_post_send_control() */
static bool post_control(struct qemu *q, const struct message *m)
{
	struct ibv_wc wc;

	step(q, "sends a message");
	must(!q->sending);
	if (peer_send(&q->peer, m))
		return fail(q);
	q->sending = true;
	return wait_for(q, PEER_SEND, &wc);
}

/* qemu_rdma_exchange_send(): with `response`, that is in buffer DATA afterwards. */
static bool exchange(struct qemu *q, const struct message *m, uint32_t response)
{
	if (q->ready_expected && !get_response(q, READY, WIRE_READY))
		return false;
	if ((response && !post_recv(q, DATA)) || !post_recv(q, READY))
		return false;
	if (!post_control(q, m))
		return false;
	if (response && !get_response(q, DATA, response))
		return false;
	q->ready_expected = true;
	return true;
}

bool qemu_learn_blocks(struct qemu *q)
{
	const char *list = q->peer.buffer[DATA];
	struct message m;

	q->ready_expected = true;
	message_begin(&m, WIRE_RAM_BLOCKS_REQUEST, 1);
	if (!exchange(q, &m, WIRE_RAM_BLOCKS_RESULT))
		return false;
	q->remote = message_get64(list, 16);
	q->remote_offset = message_get64(list, 24);
	must(message_get64(list, 32) == q->length);
	return true;
}

static bool register_chunk(struct qemu *q, unsigned int chunk)
{
	const char *result = q->peer.buffer[DATA];
	struct message m;

	message_register(&m, WIRE_REGISTER_REQUEST,
			 q->remote_offset + (uint64_t)chunk * GUEST_CHUNK, 0, 0);
	if (!exchange(q, &m, WIRE_REGISTER_RESULT))
		return false;
	must(message_get64(result, 24) == q->remote);
	q->rkey[chunk] = message_get32(result, 16);
	step(q, "registers a chunk");
	q->mr[chunk] = ibv_reg_mr(q->peer.pd, q->ram + (size_t)chunk * GUEST_CHUNK, GUEST_CHUNK, 0);
	return q->mr[chunk] || fail(q);
}

/* The rest of qemu_rdma_write_one(): ENOMEM is to wait for a completion and try again. */
static bool post_write(struct qemu *q, unsigned int chunk, size_t start, size_t length)
{
	struct ibv_sge sge = {(uintptr_t)q->ram + start, (uint32_t)length, q->mr[chunk]->lkey};
	struct ibv_send_wr *bad;
	struct ibv_send_wr wr = {
		.wr_id = WRITE | (uint64_t)chunk << 30,
		.opcode = IBV_WR_RDMA_WRITE,
		.send_flags = IBV_SEND_SIGNALED,
		.sg_list = &sge,
		.num_sge = 1,
		.wr.rdma.remote_addr = q->remote + start,
		.wr.rdma.rkey = q->rkey[chunk],
	};
	struct ibv_wc wc;
	int error;

	for (;;) {
		step(q, "posts a write");
		error = ibv_post_send(q->peer.id->qp, &wr, &bad);
		if (error != ENOMEM)
			break;
		step(q, "waits for room for a write");
		/* With none of its own under way QEMU would wait for ever. */
		must(q->writes);
		if (!wait_for(q, WRITE, &wc))
			return false;
	}
	if (error)
		return fail(q);
	note_write(q, wr.wr_id);
	return true;
}

bool qemu_send_range(struct qemu *q, size_t start, size_t length)
{
	unsigned int chunk = (unsigned int)(start / GUEST_CHUNK);
	struct message zeros;
	struct ibv_wc wc;

	/* What is to be written is complete before it is written again. */
	for (unsigned int i = 0; i < q->writes; i++) {
		if (q->posted[(q->oldest + i) % QEMU_WRITES] != (WRITE | (uint64_t)chunk << 30))
			continue;
		step(q, "waits for a write of the same chunk");
		if (!wait_for(q, WRITE, &wc))
			return false;
		i = -1u;
	}
	if (!q->mr[chunk]) {
		if (guest_is_zero(q->ram + start, length)) {
			message_compress(&zeros, 0, q->remote_offset + start, length);
			return exchange(q, &zeros, 0);
		}
		if (!register_chunk(q, chunk))
			return false;
	}
	return post_write(q, chunk, start, length);
}

bool qemu_drain(struct qemu *q)
{
	struct ibv_wc wc;

	while (q->writes) {
		step(q, "drains its writes");
		if (!wait_for(q, WRITE, &wc))
			return false;
	}
	return true;
}

bool qemu_send(struct qemu *q, enum wire_type type)
{
	struct message m;

	message_begin(&m, type, 1);
	return exchange(q, &m, 0);
}

/* What is asked for is one chunk, or that and those behind it. */
static bool serve_register(struct qemu *q, const char *message)
{
	uint64_t start = message_get64(message, 16) - OFFSET;
	uint64_t length = (message_get64(message, 32) + 1) * GUEST_CHUNK;
	unsigned int chunk = (unsigned int)(start / GUEST_CHUNK);
	struct message result;

	must(start + length <= q->length && start % GUEST_CHUNK == 0);
	step(q, "registers a chunk");
	if (!q->mr[chunk])
		q->mr[chunk] = ibv_reg_mr(q->peer.pd, q->ram + start, length,
					  IBV_ACCESS_LOCAL_WRITE | IBV_ACCESS_REMOTE_WRITE);
	if (!q->mr[chunk])
		return fail(q);
	message_result(&result, q->mr[chunk]->rkey, (uintptr_t)q->ram);
	return post_control(q, &result);
}

static bool serve_blocks(struct qemu *q)
{
	struct message list;

	message_begin(&list, WIRE_RAM_BLOCKS_RESULT, 1);
	message_put_block(&list, (uintptr_t)q->ram, OFFSET, q->length);
	return post_control(q, &list);
}

static void serve_zeros(struct qemu *q, const char *message)
{
	uint64_t start = message_get64(message, 24) - OFFSET;
	uint64_t length = message_get64(message, 32);

	must(start <= q->length && length <= q->length - start);
	memset(q->ram + start, 0, length);
}

/* qemu_rdma_exchange_recv(), and what qemu_rdma_registration_handle() makes of it. */
bool qemu_serve(struct qemu *q, enum wire_type end)
{
	struct message ready;
	char message[64];
	uint32_t type;

	message_begin(&ready, WIRE_READY, 1);
	for (;;) {
		if (!post_control(q, &ready) || !get_response(q, READY, 0))
			return false;
		memcpy(message, q->peer.buffer[READY], sizeof(message));
		type = message_type(message);
		if (!post_recv(q, READY))
			return false;
		if (type == end)
			return true;
		if (type == WIRE_RAM_BLOCKS_REQUEST && !serve_blocks(q))
			return false;
		if (type == WIRE_REGISTER_REQUEST && !serve_register(q, message))
			return false;
		if (type == WIRE_COMPRESS)
			serve_zeros(q, message);
	}
}

void qemu_deregister(struct qemu *q)
{
	for (unsigned int i = 0; i < QEMU_CHUNKS; i++) {
		if (q->mr[i])
			must(!ibv_dereg_mr(q->mr[i]));
		q->mr[i] = NULL;
	}
}
