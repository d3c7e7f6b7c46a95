/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "migration.h"

#include <limits.h>
#include <string.h>
#include <sys/mman.h>

#include "wait.h"

#undef ibv_reg_mr

/* The same caps that QEMU sends: version 1, no flags. */
static const uint8_t caps[8] = {0, 0, 0, 1, 0, 0, 0, 0};

#define BLOCK_LENGTH  ((uint64_t)MIGRATION_CHUNKS * MIGRATION_CHUNK)
#define REMOTE_BASE   UINT64_C(0x7f0000000000)
#define REMOTE_OFFSET UINT64_C(0x40000000)
#define REMOTE_RKEY   0x5151u

/* With data in each chunk: in its first page, which is looked at. */
static char *map_block(void)
{
	char *block = mmap(NULL, BLOCK_LENGTH, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			   -1, 0);

	must(block != MAP_FAILED);
	for (unsigned int i = 0; i < MIGRATION_CHUNKS; i++)
		memset(block + (size_t)i * MIGRATION_CHUNK, 1, 4096);
	return block;
}

static void deliver(struct peer *p, const struct message *m)
{
	must(!peer_deliver(p->id->qp, m->data, (uint32_t)m->len));
}

static void deliver_empty(struct peer *p, uint32_t type)
{
	struct message m;

	message_begin(&m, type, 1);
	deliver(p, &m);
}

/* This has to be of this type and in buffer `i`. */
static const char *received(struct peer *p, const struct ibv_wc *wc, unsigned int i, uint32_t type)
{
	must(wc->status == IBV_WC_SUCCESS && wc->opcode == IBV_WC_RECV);
	must(wc->wr_id == PEER_RECV + i && message_is_whole(p->buffer[i], wc->byte_len));
	must(message_type(p->buffer[i]) == type);
	return p->buffer[i];
}

/* The next message, which has to be there. */
static const char *receive(struct peer *p, unsigned int i, uint32_t type)
{
	struct ibv_wc wc;

	must(peer_poll(p->recv_cq, &wc));
	return received(p, &wc, i, type);
}

/*
 * Polls as QEMU does for as long as it takes. What is to be posted first may be another thread's to
 * post; or a request that QEMU knows nothing of goes first, and has to be answered.
 */
static void wait_for_completion(struct migration *m, struct ibv_cq *cq, struct ibv_wc *wc)
{
	time_t until = time(NULL) + WAIT_SECONDS;

	while (!peer_poll(cq, wc)) {
		must(time(NULL) < until);
		migration_answer(m);
		sched_yield();
	}
}

/* RECV 0 is for data, RECV 1 for READY, as in qemu_rdma_exchange_send(). */
static void send_message(struct migration *m, const struct message *msg, bool response)
{
	struct peer *p = &m->peer;
	struct ibv_wc wc;

	if (!m->ready)
		receive(p, 1, WIRE_READY);
	m->ready = false;
	if (response)
		must(!peer_post_recv(p, 0));
	must(!peer_post_recv(p, 1));
	must(!peer_send(p, msg));
	wait_for_completion(m, p->send_cq, &wc);
	must(wc.status == IBV_WC_SUCCESS && wc.wr_id == PEER_SEND && wc.opcode == IBV_WC_SEND);
}

/* Another message is for whoever waits for it: a thread of the shim's may post QEMU's own
 * meanwhile. */
static bool take_request(struct migration *m, char *msg, size_t size)
{
	struct ibv_qp *qp = m->peer.id->qp;

	return peer_peek_sent(qp, msg, size) > 0 && message_type(msg) == WIRE_REGISTER_REQUEST &&
	       peer_take_sent(qp, msg, size) > 0;
}

void migration_answer(struct migration *m)
{
	struct peer *p = &m->peer;
	struct message result;
	uint64_t offset;
	char msg[256];

	if (m->requests == m->answers || !take_request(m, msg, sizeof(msg)))
		return;
	offset = message_get64(msg, 16) - REMOTE_OFFSET;
	must(message_get64(msg, 16) >= REMOTE_OFFSET);
	must(offset + message_get64(msg, 32) * MIGRATION_CHUNK < m->length);
	message_result(&result, REMOTE_RKEY + m->requests++, REMOTE_BASE);
	deliver(p, &result);
	deliver_empty(p, WIRE_READY);
}

bool migration_answer_badly(struct migration *m)
{
	char msg[256];

	if (!take_request(m, msg, sizeof(msg)))
		return false;
	deliver_empty(&m->peer, WIRE_REGISTER_RESULT);
	return true;
}

uint64_t migration_remote(unsigned int chunk)
{
	return REMOTE_BASE + (uint64_t)chunk * MIGRATION_CHUNK;
}

void migration_take_ready(struct migration *m)
{
	receive(&m->peer, 1, WIRE_READY);
	m->ready = true;
}

void migration_request(struct migration *m, unsigned int chunk)
{
	struct message request;

	message_register(&request, WIRE_REGISTER_REQUEST, REMOTE_OFFSET + chunk * MIGRATION_CHUNK,
			 0, 0);
	send_message(m, &request, true);
}

struct ibv_mr *migration_send_requested(struct migration *m, unsigned int chunk, uint32_t *rkey)
{
	char *addr = m->block + chunk * MIGRATION_CHUNK;
	struct peer *p = &m->peer;
	const char *result;
	struct ibv_mr *mr;
	struct ibv_wc wc;

	wait_for_completion(m, p->recv_cq, &wc);
	result = received(p, &wc, 0, WIRE_REGISTER_RESULT);
	*rkey = message_get32(result, 16);
	must(*rkey >= REMOTE_RKEY && *rkey < REMOTE_RKEY + m->requests);
	must(message_get64(result, 24) == REMOTE_BASE);
	mr = ibv_reg_mr(p->pd, addr, MIGRATION_CHUNK, 0);
	must(mr && mr->lkey && mr->addr == addr && mr->length == MIGRATION_CHUNK);
	must(!peer_post_write(p, mr, MIGRATION_CHUNK, migration_remote(chunk), *rkey));
	/* It is told of at once, or, where much is on the wire, when there is less. */
	wait_for_completion(m, p->send_cq, &wc);
	must(wc.status == IBV_WC_SUCCESS && wc.wr_id == 1);
	return mr;
}

struct ibv_mr *migration_send_chunk(struct migration *m, unsigned int chunk, uint32_t *rkey)
{
	migration_request(m, chunk);
	migration_answer(m);
	return migration_send_requested(m, chunk, rkey);
}

static void list_block(struct message *m, uint64_t host_addr, uint64_t length)
{
	message_begin(m, WIRE_RAM_BLOCKS_RESULT, 1);
	message_put_block(m, host_addr, REMOTE_OFFSET, length);
}

void migration_open_block(struct migration *m, const char *address, char *block, uint64_t length)
{
	struct peer *p = &m->peer;
	struct message request, blocks;
	char msg[64];

	m->block = block;
	m->length = length;
	m->requests = 0;
	m->answers = UINT_MAX;
	m->ready = false;
	peer_open(p, &peer_shapes[0], address);
	must(!peer_post_recv(p, 1));
	must(!peer_connect(p, true, caps, sizeof(caps)));
	deliver_empty(p, WIRE_READY);
	message_begin(&request, WIRE_RAM_BLOCKS_REQUEST, 1);
	send_message(m, &request, true);
	must(peer_take_sent(p->id->qp, msg, sizeof(msg)) == 16);
	list_block(&blocks, REMOTE_BASE, length);
	deliver(p, &blocks);
	deliver_empty(p, WIRE_READY);
	receive(p, 0, WIRE_RAM_BLOCKS_RESULT);
}

void migration_open(struct migration *m, const char *address)
{
	migration_open_block(m, address, map_block(), BLOCK_LENGTH);
}

void migration_ready(struct migration *m)
{
	deliver_empty(&m->peer, WIRE_READY);
}

void migration_finish(struct migration *m)
{
	struct message finished;
	char msg[64];

	message_begin(&finished, WIRE_REGISTER_FINISHED, 1);
	send_message(m, &finished, false);
	must(peer_take_sent(m->peer.id->qp, msg, sizeof(msg)) == 16);
	must(message_type(msg) == WIRE_REGISTER_FINISHED);
}

void migration_source(const char *address, bool destroy_first, struct migration_counts *counts)
{
	struct ibv_mr *mr[MIGRATION_CHUNKS];
	struct migration m;
	uint32_t rkey;

	migration_open(&m, address);
	for (unsigned int i = 0; i < MIGRATION_CHUNKS; i++) {
		mr[i] = migration_send_chunk(&m, i, &rkey);
		counts->registered++;
	}
	counts->requests += m.requests;
	migration_finish(&m);
	if (destroy_first)
		rdma_destroy_qp(m.peer.id);
	for (unsigned int i = 0; i < MIGRATION_CHUNKS; i++)
		must(!ibv_dereg_mr(mr[i]));
	peer_close(&m.peer);
	munmap(m.block, BLOCK_LENGTH);
}

void migration_open_destination(struct peer *p, const char *address, char *block, uint64_t length)
{
	struct message blocks;
	struct ibv_wc wc;

	peer_open(p, &peer_shapes[0], address);
	must(!peer_connect(p, false, caps, sizeof(caps)));
	must(!peer_post_recv(p, 1));
	deliver_empty(p, WIRE_RAM_BLOCKS_REQUEST);
	receive(p, 1, WIRE_RAM_BLOCKS_REQUEST);
	must(!peer_post_recv(p, 1));
	list_block(&blocks, (uintptr_t)block, length);
	must(!peer_send(p, &blocks));
	must(peer_poll(p->send_cq, &wc) && wc.wr_id == PEER_SEND);
}

void migration_open_return_path(struct peer *p, const char *address)
{
	peer_open(p, &peer_shapes[0], address);
	must(!peer_connect(p, false, caps, sizeof(caps)));
}

void migration_destination(const char *address, struct migration_counts *counts)
{
	int access = IBV_ACCESS_LOCAL_WRITE | IBV_ACCESS_REMOTE_WRITE;
	struct ibv_mr *mr[MIGRATION_CHUNKS];
	char *block = map_block();
	struct peer p;

	migration_open_destination(&p, address, block, BLOCK_LENGTH);
	for (unsigned int i = 0; i < MIGRATION_CHUNKS; i++) {
		mr[i] = ibv_reg_mr(p.pd, block + i * MIGRATION_CHUNK, MIGRATION_CHUNK, access);
		must(mr[i] && mr[i]->rkey && mr[i]->length == MIGRATION_CHUNK);
		counts->registered++;
	}
	for (unsigned int i = 0; i < MIGRATION_CHUNKS; i++)
		must(!ibv_dereg_mr(mr[i]));
	peer_close(&p);
	munmap(block, BLOCK_LENGTH);
}
