/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RDMACHUNK_TESTS_UNIT_BENCH_H
#define RDMACHUNK_TESTS_UNIT_BENCH_H

#include "support.h"
#include "world.h"

/*
 * A connection under test, in the model's driver and on its NIC, which completes what
 * it is given only when it is told to; the test is QEMU and the other end.
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
/* RDMACHUNK_PREFETCH=on; not one of the rounds, for it changes what is on the wire. */
#define BENCH_PREFETCH 8u

struct bench {
	struct fake_memory guest;
	uint8_t memory[BENCH_RECVS][BENCH_MEMORY];
	struct driver *driver;
	struct conn *conn; /* the driver's */
	struct nic_qp *qp;
	uint64_t seen; /* WRs that are in what follows */
	/* The messages that went out, as they are on the wire, oldest first, and
	 * the last of them. They stay until the test takes them. */
	struct message outgoing[BENCH_QUEUE];
	unsigned int outgoing_count;
	struct message wire;
	uint64_t written; /* bytes of the writes that went out */
	/* Messages from the other end, first in, first out. */
	struct message incoming[BENCH_QUEUE];
	unsigned int incoming_count;
	struct world world;
};

/* What became of a message of QEMU's. */
enum bench_sent {
	BENCH_NOTHING,	/* it was answered, or kept to be merged */
	BENCH_WAITS,	/* until something before it is done */
	BENCH_SENT,	/* it is on the wire as it was */
	BENCH_REPLACED, /* another is, in its place */
};

/* A connection in state candidate; of role `role` from bench_connect() on. */
void bench_init(struct bench *b, enum conn_role role, unsigned int mode, unsigned int shift);
void bench_connect(struct bench *b, enum conn_role role);

/* Active; for a source with the RECV for the first READY posted, as QEMU does. */
void bench_start(struct bench *b, enum conn_role role, unsigned int mode, unsigned int shift);

/* The end of it: no registration may be left. */
void bench_end(struct bench *b);

/* After a call of the connection's own: do what it says. */
void bench_run(struct bench *b);

/* QEMU posts RECV `n`. */
void bench_post_recv(struct bench *b, unsigned int n);

/* QEMU posts a WR: 0 or a negative errno. */
int bench_post(struct bench *b, const struct conn_wr *wr);

/* QEMU sends a message, which must be accepted. It has to stay where it is until
 * it has gone out. */
enum bench_sent bench_send(struct bench *b, const struct message *m);

/* QEMU writes `length` bytes from `local` to `remote`, under keys 1 and 2; or
 * from and to addresses that make it continue no other such write. */
int bench_write_at(struct bench *b, uint64_t wr_id, uint64_t local, uint64_t remote,
		   uint64_t length);
int bench_write(struct bench *b, uint64_t wr_id, uint64_t length);

/* QEMU arms a CQ. Has somebody else to listen on the other then? */
bool bench_arm(struct bench *b, enum conn_cq cq);

/* A key under which the other end has registered all of the first block. */
uint32_t bench_rkey(struct bench *b);

/* QEMU registers guest memory. */
void bench_register(struct bench *b, uint64_t addr, uint64_t length);

/* The other end sends. */
void bench_incoming(struct bench *b, const struct message *m);
void bench_incoming_ready(struct bench *b);

/* The oldest message that went out. False when there is none. */
bool bench_outgoing(struct bench *b, struct message *m);

/* SENDs and writes that the NIC has not completed; the i-th of them. */
unsigned int bench_in_flight(const struct bench *b);
const struct nic_wr *bench_at(const struct bench *b, unsigned int i);

/* The NIC completes its oldest signalled SEND or write and all before it; its
 * oldest message, into its oldest buffer. False when it has none. */
bool bench_complete_send(struct bench *b);
bool bench_complete_recv(struct bench *b);

/* The NIC's oldest WR fails, and it flushes the others; or its oldest RECV is flushed. */
void bench_fail_sends(struct bench *b, uint32_t status);
void bench_flush_recv(struct bench *b);

/* QEMU polls; false when nothing is due. */
bool bench_poll(struct bench *b, enum conn_cq cq, struct completion *c);

/* It polls, and this must be next. */
void bench_expect(struct bench *b, enum conn_cq cq, uint64_t wr_id, uint32_t status);
void bench_expect_nothing(struct bench *b, enum conn_cq cq);

struct conn_figures bench_figures(const struct bench *b);

/*
 * As far as after the first chunk: `length` bytes in one block, its base at
 * `local` here and at BENCH_REMOTE there; chunk 0 of `chunk_size` bytes
 * registered, one credit left, all that was due polled. bench_start_source() has the next
 * RECVs posted, so that a request can be answered.
 */
#define BENCH_REMOTE UINT64_C(0x550000000000)
#define BENCH_LOCAL  UINT64_C(0x7f0000000000)
#define BENCH_LENGTH (128 * MIB)
void bench_learn(struct bench *b, uint64_t length, uint64_t chunk_size, uint64_t local);
void bench_start_source(struct bench *b, unsigned int mode, unsigned int shift);

/* QEMU's RECVs for an answer, as qemu_rdma_exchange_send() posts them. */
void bench_post_answer_recvs(struct bench *b);

/* The next message comes, and is QEMU's READY. */
void bench_pass_ready(struct bench *b);

#endif
