/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RDMACHUNK_TESTS_UNIT_BENCH_H
#define RDMACHUNK_TESTS_UNIT_BENCH_H

#include "core/conn.h"
#include "support.h"

/*
 * A connection under test between QEMU's buffers and a NIC that completes what
 * it is given only when it is told to. RECVs are QEMU's: wr_id 4000 + n receives
 * into memory[n] (RDMA_WRID_READY, _DATA and _CONTROL in migration/rdma.c).
 */

#define WRID_WRITE 1
#define WRID_SEND  2000
#define WRID_RECV  4000

#define BENCH_RECVS  3
#define BENCH_MEMORY 256 /* bytes of a RECV */
#define BENCH_QUEUE  64

struct bench_send {
	uint64_t serial;
	bool signaled;
};

struct bench {
	struct conn conn;
	uint8_t memory[BENCH_RECVS][BENCH_MEMORY];
	void *buffers[RECV_QUEUE_BUFFERS];
	uint8_t buffer_memory[RECV_QUEUE_BUFFERS][2048];
	/* What the NIC has: own receive buffers, SENDs and writes, messages from
	 * the other end; all first in, first out. */
	unsigned int posted[RECV_QUEUE_BUFFERS], posted_count;
	struct bench_send sends[BENCH_QUEUE];
	unsigned int send_count;
	struct message incoming[BENCH_QUEUE];
	unsigned int incoming_count;
	/* The last message that went out, as it is on the wire. */
	struct message wire;
};

/* A connection in state candidate. */
void bench_init(struct bench *b, bool one_cq, unsigned int shift);

/* Active; for a source with the RECV for the first READY posted, as QEMU does. */
void bench_start(struct bench *b, enum conn_role role, bool one_cq, unsigned int shift);

/* QEMU posts RECV `n`. */
void bench_post_recv(struct bench *b, unsigned int n);

/* QEMU sends a message or writes; when something goes out, the NIC has it. */
enum conn_action bench_send(struct bench *b, const struct message *m);
void bench_write(struct bench *b, uint64_t wr_id, uint64_t length);

/* The other end sends. */
void bench_incoming(struct bench *b, const struct message *m);
void bench_incoming_ready(struct bench *b);

/* The NIC completes its oldest SEND or write; its oldest message, into its
 * oldest buffer. False when it has none. */
bool bench_complete_send(struct bench *b);
bool bench_complete_recv(struct bench *b);

/* QEMU polls; false when nothing is due. */
bool bench_poll(struct bench *b, enum conn_cq cq, struct completion *c);

/* It polls, and this must be next. */
void bench_expect(struct bench *b, enum conn_cq cq, uint64_t wr_id, uint32_t status);
void bench_expect_nothing(struct bench *b, enum conn_cq cq);

/*
 * As far as after the first chunk: `length` bytes in one block, its base at
 * `local` here; chunk 0 of `chunk_size` bytes registered, one credit left, all
 * that was due polled. The next RECVs are posted, so that a request can be answered.
 */
void bench_learn(struct bench *b, uint64_t length, uint64_t chunk_size, uint64_t local);

/* QEMU's RECVs for an answer, as qemu_rdma_exchange_send() posts them. */
void bench_post_answer_recvs(struct bench *b);

#endif
