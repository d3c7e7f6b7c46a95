/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "migration.h"

#include <endian.h>
#include <limits.h>
#include <sched.h>
#include <string.h>
#include <sys/mman.h>

#include "body.h"

#undef ibv_reg_mr

/* Control messages, QEMU migration/rdma.c. */
enum {
	READY = 2,
	RAM_BLOCKS_REQUEST = 4,
	RAM_BLOCKS_RESULT = 5,
	REGISTER_REQUEST = 7,
	REGISTER_RESULT = 8,
	REGISTER_FINISHED = 9,
};

/* The same caps that QEMU sends: version 1, no flags. */
static const uint8_t caps[8] = {0, 0, 0, 1, 0, 0, 0, 0};

#define BLOCK_LENGTH  ((uint64_t)MIGRATION_CHUNKS * MIGRATION_CHUNK)
#define REMOTE_BASE   UINT64_C(0x7f0000000000)
#define REMOTE_OFFSET UINT64_C(0x40000000)
#define REMOTE_RKEY   0x5151u

/* With data in each chunk. */
static char *map_block(void)
{
	char *block = mmap(NULL, BLOCK_LENGTH, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			   -1, 0);

	must(block != MAP_FAILED);
	for (unsigned int i = 0; i < MIGRATION_CHUNKS; i++)
		block[(i + 1) * MIGRATION_CHUNK - 1] = 1;
	return block;
}

static void deliver(struct peer *p, uint32_t type, const void *body, uint32_t len)
{
	char msg[256];

	must(!peer_deliver(p->id->qp, msg, (uint32_t)peer_message(msg, type, body, len)));
}

/* The next message, which has to be of this type and in buffer `i`. */
static const char *receive(struct peer *p, unsigned int i, uint32_t type)
{
	struct ibv_wc wc;

	must(peer_poll(p->recv_cq, &wc));
	must(wc.status == IBV_WC_SUCCESS && wc.opcode == IBV_WC_RECV);
	must(wc.wr_id == PEER_RECV + i && wc.byte_len >= 16);
	must(peer_message_type(p->buffer[i]) == type);
	return p->buffer[i] + 16;
}

/* RECV 0 is for data, RECV 1 for READY, as in qemu_rdma_exchange_send(). */
static void send_message(struct migration *m, uint32_t type, const void *body, uint32_t len,
			 bool response)
{
	struct peer *p = &m->peer;
	struct ibv_wc wc;

	if (!m->ready)
		receive(p, 1, READY);
	m->ready = false;
	if (response)
		must(!peer_post_recv(p, 0));
	must(!peer_post_recv(p, 1));
	must(!peer_post_send(p, peer_message(p->buffer[PEER_BUFFERS - 1], type, body, len)));
	/* The writes before it may be another thread's to post. */
	while (!peer_poll(p->send_cq, &wc))
		sched_yield();
	must(wc.status == IBV_WC_SUCCESS && wc.wr_id == PEER_SEND && wc.opcode == IBV_WC_SEND);
}

void migration_answer(struct migration *m)
{
	struct result_body result = {htobe32(REMOTE_RKEY + m->requests), 0, htobe64(REMOTE_BASE)};
	struct peer *p = &m->peer;
	struct register_body asked;
	char msg[256];

	if (m->requests == m->answers || peer_take_sent(p->id->qp, msg, sizeof(msg)) < 0)
		return;
	must(peer_message_type(msg) == REGISTER_REQUEST);
	memcpy(&asked, msg + 16, sizeof(asked));
	must(be64toh(asked.addr) >= REMOTE_OFFSET);
	must(be64toh(asked.addr) - REMOTE_OFFSET + be64toh(asked.chunks) * MIGRATION_CHUNK <
	     m->length);
	m->requests++;
	deliver(p, REGISTER_RESULT, &result, sizeof(result));
	deliver(p, READY, NULL, 0);
}

bool migration_answer_badly(struct migration *m)
{
	char msg[256];

	if (peer_take_sent(m->peer.id->qp, msg, sizeof(msg)) < 0)
		return false;
	must(peer_message_type(msg) == REGISTER_REQUEST);
	deliver(&m->peer, REGISTER_RESULT, NULL, 0);
	return true;
}

uint64_t migration_remote(unsigned int chunk)
{
	return REMOTE_BASE + (uint64_t)chunk * MIGRATION_CHUNK;
}

void migration_take_ready(struct migration *m)
{
	receive(&m->peer, 1, READY);
	m->ready = true;
}

struct ibv_mr *migration_send_chunk(struct migration *m, unsigned int chunk, uint32_t *rkey)
{
	struct register_body body = {.addr = htobe64(REMOTE_OFFSET + chunk * MIGRATION_CHUNK)};
	char *addr = m->block + chunk * MIGRATION_CHUNK;
	struct peer *p = &m->peer;
	struct result_body result;
	struct ibv_mr *mr;
	struct ibv_wc wc;

	send_message(m, REGISTER_REQUEST, &body, sizeof(body), true);
	migration_answer(m);
	memcpy(&result, receive(p, 0, REGISTER_RESULT), sizeof(result));
	*rkey = be32toh(result.rkey);
	must(*rkey >= REMOTE_RKEY && *rkey < REMOTE_RKEY + m->requests);
	must(be64toh(result.host_addr) == REMOTE_BASE);
	mr = ibv_reg_mr(p->pd, addr, MIGRATION_CHUNK, 0);
	must(mr && mr->lkey && mr->addr == addr && mr->length == MIGRATION_CHUNK);
	must(!peer_post_write(p, mr, MIGRATION_CHUNK, migration_remote(chunk), *rkey));
	must(peer_poll(p->send_cq, &wc));
	must(wc.status == IBV_WC_SUCCESS && wc.wr_id == 1);
	return mr;
}

void migration_open_block(struct migration *m, const char *address, char *block, uint64_t length)
{
	struct ram_block_body blocks = {
		.host_addr = htobe64(REMOTE_BASE),
		.offset = htobe64(REMOTE_OFFSET),
		.length = htobe64(length),
	};
	struct peer *p = &m->peer;
	char msg[64];

	m->block = block;
	m->length = length;
	m->requests = 0;
	m->answers = UINT_MAX;
	m->ready = false;
	peer_open(p, &peer_shapes[0], address);
	must(!peer_post_recv(p, 1));
	must(!peer_connect(p, true, caps, sizeof(caps)));
	deliver(p, READY, NULL, 0);
	send_message(m, RAM_BLOCKS_REQUEST, NULL, 0, true);
	must(peer_take_sent(p->id->qp, msg, sizeof(msg)) == 16);
	deliver(p, RAM_BLOCKS_RESULT, &blocks, sizeof(blocks));
	deliver(p, READY, NULL, 0);
	receive(p, 0, RAM_BLOCKS_RESULT);
}

void migration_open(struct migration *m, const char *address)
{
	migration_open_block(m, address, map_block(), BLOCK_LENGTH);
}

void migration_ready(struct migration *m)
{
	deliver(&m->peer, READY, NULL, 0);
}

void migration_finish(struct migration *m)
{
	char msg[64];

	send_message(m, REGISTER_FINISHED, NULL, 0, false);
	must(peer_take_sent(m->peer.id->qp, msg, sizeof(msg)) == 16);
	must(peer_message_type(msg) == REGISTER_FINISHED);
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
	struct ram_block_body blocks = {
		.host_addr = htobe64((uintptr_t)block),
		.offset = htobe64(REMOTE_OFFSET),
		.length = htobe64(length),
	};
	struct ibv_wc wc;

	peer_open(p, &peer_shapes[0], address);
	must(!peer_connect(p, false, caps, sizeof(caps)));
	must(!peer_post_recv(p, 1));
	deliver(p, RAM_BLOCKS_REQUEST, NULL, 0);
	receive(p, 1, RAM_BLOCKS_REQUEST);
	must(!peer_post_recv(p, 1));
	must(!peer_post_send(p, peer_message(p->buffer[PEER_BUFFERS - 1], RAM_BLOCKS_RESULT,
					     &blocks, sizeof(blocks))));
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
