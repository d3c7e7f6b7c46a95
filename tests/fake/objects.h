/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RDMACHUNK_TESTS_FAKE_OBJECTS_H
#define RDMACHUNK_TESTS_FAKE_OBJECTS_H

#include "fake.h"

#include <pthread.h>

/* What is behind the handles. Locks, outermost first: the wire's, a QP's, a CQ's. */

#define FAKE_QPS      64
#define FAKE_WCS      1024 /* completions a CQ holds */
#define FAKE_RECVS    32
#define FAKE_SENTS    8	   /* messages kept for fake_take_sent() */
#define FAKE_SENT_MAX 4096 /* bytes of each */
#define FAKE_SQ	      128  /* WRs on a wire at most */

struct fake_cq {
	struct ibv_cq cq;
	bool used;
	pthread_mutex_t lock;
	bool armed;
	struct ibv_wc wc[FAKE_WCS];
	unsigned int head, count;
};

struct fake_recv {
	uint64_t wr_id;
	void *addr;
	uint32_t length;
};

/* A WR that waits on a wire. */
struct fake_wqe {
	uint64_t wr_id;
	enum ibv_wr_opcode opcode;
	bool signaled;
	struct ibv_sge sge; /* of length 0 when it has none */
	uint64_t remote_addr;
	uint32_t rkey;
};

struct fake_qp {
	struct ibv_qp qp;
	bool used;
	pthread_mutex_t lock;
	bool error; /* flushes whatever it is given */
	uint32_t max_recv_wr;
	struct fake_recv recv[FAKE_RECVS];
	unsigned int recv_head, recv_count;
	struct {
		uint8_t data[FAKE_SENT_MAX];
		size_t len;
	} sent[FAKE_SENTS];
	unsigned int sent_head, sent_count;

	/* On a wire; see wire.c. */
	struct fake_qp *peer;
	struct rdma_event_channel *channel;
	struct fake_wqe sq[FAKE_SQ];
	unsigned int sq_head, sq_count, sq_depth;
};

struct fake_mr {
	struct ibv_mr mr;
	unsigned int access;
	unsigned int *version; /* of each page when it was pinned, or NULL */
	struct fake_mr *next, **link;
};

extern struct fake_qp fake_qps[FAKE_QPS];

/* Guards which QPs there are and how they are connected, and all MRs. Held while a WR is being
 * done. */
extern pthread_mutex_t fake_wire_lock;
extern struct fake_mr *fake_mrs;

/* What the test wants a call to return: 0, or an errno. */
int fake_fault(enum fake_call call, const void *object, size_t length);

void fake_complete(struct ibv_cq *cq, const struct ibv_wc *wc);

/* The QP's lock is held: takes a message in. False when there is no RECV for it. */
bool fake_receive(struct fake_qp *qp, const void *msg, uint32_t len);

/* The QP's lock is held: it is in error, and its RECVs are flushed. */
void fake_break(struct fake_qp *qp);

/* Of a QP on a wire; its lock is held. */
int fake_wire_post(struct fake_qp *qp, const struct ibv_send_wr *wr);

/* Flushes what waits there, too. The wire's lock and the QP's are held. */
void fake_wire_break(struct fake_qp *qp);

/* Of one that is going, on a wire or not: it is unused then. */
void fake_wire_leave(struct fake_qp *qp);

#endif
