/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RDMACHUNK_TESTS_UNIT_BENCH_H
#define RDMACHUNK_TESTS_UNIT_BENCH_H

#include "core/conn.h"
#include "support.h"

/*
 * A connection under test between QEMU's buffers and a NIC that completes what
 * it is given only when it is told to; driven as src/engine/datapath.c does.
 * RECVs are QEMU's: wr_id 4000 + n receives into memory[n] (RDMA_WRID_READY,
 * _DATA and _CONTROL in migration/rdma.c).
 */

#define WRID_WRITE 1
#define WRID_SEND  2000
#define WRID_RECV  4000

#define BENCH_RECVS	  3
#define BENCH_MEMORY	  256 /* bytes of a RECV */
#define BENCH_QUEUE	  64  /* messages on the wire, each way */
#define BENCH_MAX_MESSAGE (UINT64_C(1) << 30)

/* What differs from one connection to another, as the number of a test's round. */
#define BENCH_ONE_CQ 1u
#define BENCH_WRITES 2u /* RDMACHUNK_WRITES=on */
#define BENCH_ZEROS  4u /* RDMACHUNK_ZEROS=on */
#define BENCH_MODES  8
/* RDMACHUNK_AHEAD=on; not one of the rounds, for it changes what is on the wire. */
#define BENCH_AHEAD 8u

struct bench {
	struct conn conn;
	struct fake_memory guest;
	uint8_t memory[BENCH_RECVS][BENCH_MEMORY];
	void *buffers[RECV_QUEUE_BUFFERS];
	uint8_t buffer_memory[RECV_QUEUE_BUFFERS][2048];
	/* The messages that take the place of QEMU's. */
	struct source_reply slots[SEND_SLOTS];
	/* What the NIC has: own receive buffers; SENDs and writes; messages from
	 * the other end; all first in, first out. */
	unsigned int posted[RECV_QUEUE_BUFFERS], posted_count;
	struct transmit_out sends[SEND_QUEUE_ROOM];
	unsigned int send_count;
	struct message incoming[BENCH_QUEUE];
	unsigned int incoming_count;
	/* The messages that went out, as they are on the wire, oldest first, and
	 * the last of them. They stay until the test takes them. */
	struct message outgoing[BENCH_QUEUE];
	unsigned int outgoing_count;
	struct message wire;
	uint64_t written; /* bytes of the writes that went out */
};

/* What became of a message of QEMU's. */
enum bench_sent {
	BENCH_NOTHING,	/* it was answered, or kept to be merged */
	BENCH_WAITS,	/* until something before it is done */
	BENCH_SENT,	/* it is on the wire as it was */
	BENCH_REPLACED, /* another is, in its place */
};

/* A connection in state candidate. */
void bench_init(struct bench *b, unsigned int mode, unsigned int shift);

/* Active; for a source with the RECV for the first READY posted, as QEMU does. */
void bench_start(struct bench *b, enum conn_role role, unsigned int mode, unsigned int shift);

/* What is due goes to the NIC, as after each of the calls below. */
void bench_pump(struct bench *b);

/* QEMU posts RECV `n`. */
void bench_post_recv(struct bench *b, unsigned int n);

/* QEMU posts a WR; what is due to the NIC goes to it. What conn_post_send() says. */
int bench_post(struct bench *b, const struct conn_wr *wr);

/* QEMU sends a message, which must be accepted. It has to stay where it is until
 * it has gone out. */
enum bench_sent bench_send(struct bench *b, const struct message *m);

/* QEMU writes `length` bytes from `local` to `remote`, under keys 1 and 2; or
 * from and to addresses that make it continue no other such write. What
 * conn_post_send() says. */
int bench_write_at(struct bench *b, uint64_t wr_id, uint64_t local, uint64_t remote,
		   uint64_t length);
int bench_write(struct bench *b, uint64_t wr_id, uint64_t length);

/* QEMU arms a CQ; what conn_arm() says once all that is due has gone out. */
bool bench_arm(struct bench *b, enum conn_cq cq);

/* The other end sends. */
void bench_incoming(struct bench *b, const struct message *m);
void bench_incoming_ready(struct bench *b);

/* The oldest message that went out. False when there is none. */
bool bench_outgoing(struct bench *b, struct message *m);

/* The NIC completes its oldest signalled SEND or write and all before it; its
 * oldest message, into its oldest buffer. False when it has none. */
bool bench_complete_send(struct bench *b);
bool bench_complete_recv(struct bench *b);

/* The NIC's oldest WR fails, and it flushes the others. */
void bench_fail_sends(struct bench *b, uint32_t status);

/* QEMU polls; false when nothing is due. */
bool bench_poll(struct bench *b, enum conn_cq cq, struct completion *c);

/* It polls, and this must be next. */
void bench_expect(struct bench *b, enum conn_cq cq, uint64_t wr_id, uint32_t status);
void bench_expect_nothing(struct bench *b, enum conn_cq cq);

/*
 * As far as after the first chunk: `length` bytes in one block, its base at
 * `local` here and at BENCH_REMOTE there; chunk 0 of `chunk_size` bytes
 * registered, one credit left, all that was due polled. The next RECVs are
 * posted, so that a request can be answered.
 */
#define BENCH_REMOTE UINT64_C(0x550000000000)
void bench_learn(struct bench *b, uint64_t length, uint64_t chunk_size, uint64_t local);

/* QEMU's RECVs for an answer, as qemu_rdma_exchange_send() posts them. */
void bench_post_answer_recvs(struct bench *b);

#endif
