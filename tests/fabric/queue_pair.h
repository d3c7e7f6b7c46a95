/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * RC queue pairs: the verbs side. What the "hardware" does with them is nic.h.
 *
 * Counters of both queues only grow; an entry is at its counter modulo the queue's depth.
 * Lock order: struct qp, then the CQ, then the channel.
 */
#ifndef FABRIC_QUEUE_PAIR_H
#define FABRIC_QUEUE_PAIR_H

#include "completion.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <infiniband/verbs.h>

#define FAB_MAX_SGE    16
#define FAB_MAX_INLINE 1024

struct send_entry {
	uint64_t wr_id;
	enum ibv_wr_opcode opcode;
	unsigned int flags; /* IBV_SEND_* */
	__be32 imm_data;
	uint64_t remote_addr;
	uint32_t rkey;
	int sge_count;
	struct ibv_sge sge[FAB_MAX_SGE];
	uint64_t length;   /* bytes over all sge */
	void *inline_data; /* a copy, with IBV_SEND_INLINE */
	uint64_t since;	   /* when it became what the NIC works on or waits for */
};

struct recv_entry {
	uint64_t wr_id;
	int sge_count;
	struct ibv_sge sge[FAB_MAX_SGE];
};

/* A RECV's completion that the CPU is not to see yet (RDMAFABRIC_RECV_GAP). */
struct late_completion {
	struct late_completion *next;
	uint64_t due;
	struct completion completion;
	bool solicited;
};

struct qp {
	struct ibv_qp base; /* first: what callers hold */
	pthread_mutex_t lock;
	pthread_cond_t changed; /* anything below */
	struct ibv_qp_cap cap;
	bool signal_all;
	unsigned int nth; /* created in this process, from 1 */

	struct send_entry *sq;
	uint64_t sq_posted;
	uint64_t sq_sent;
	uint64_t sq_done;	     /* completed, in order */
	_Atomic uint64_t sq_retired; /* slots below are free */

	struct recv_entry *rq;
	uint64_t rq_posted;
	uint64_t rq_done;
	struct late_completion *late, **late_end;

	/* The connection; set once, by fab_qp_connect. */
	int request_fd;	 /* our requests go out, their answers come back */
	int response_fd; /* the peer's requests come in, our answers go back */
	pid_t peer_pid;
	uint32_t peer_qpn;
	bool by_socket; /* data travels through the socket */
	uint8_t rnr_retry;
	uint8_t min_rnr_timer;
	uint64_t connected_at;
	uint64_t peer_gone_at; /* 0: it answers */
	bool answering;	       /* an answer has been read and is not visible yet */
	bool answers_over;     /* no more are read */
	bool closing;	       /* the threads are to end */
	bool threads_running;
	pthread_t requester;
	pthread_t answers;
	pthread_t responder;
	struct qp *next_live;
};

int fab_post_send(struct ibv_qp *qp, struct ibv_send_wr *wr, struct ibv_send_wr **bad);
int fab_post_recv(struct ibv_qp *qp, struct ibv_recv_wr *wr, struct ibv_recv_wr **bad);

struct qp_connection {
	int request_fd;
	int response_fd;
	pid_t peer_pid;
	uint32_t peer_qpn;
	bool by_socket;
	uint8_t rnr_retry;
};

/*
 * Takes the QP to RTS on the connection and starts its NIC. On success the descriptors are the
 * QP's. Returns 0 or an errno value.
 */
int fab_qp_connect(struct ibv_qp *qp, const struct qp_connection *connection);

/* Moves the QP to error: everything posted is flushed, in order. */
void fab_qp_error(struct ibv_qp *qp);

/* The same, and the four below, for who holds qp->lock. */
void fab_qp_error_locked(struct qp *qp);

/*
 * Completes the oldest send entry. Any status but IBV_WC_SUCCESS takes the QP to error.
 */
void fab_qp_complete_send(struct qp *qp, enum ibv_wc_status status);

/* Completes the oldest RECV with *wc (wr_id is filled in), visible from due on. */
void fab_qp_complete_recv(struct qp *qp, struct ibv_wc *wc, bool solicited, uint64_t due);

/* Whether the NIC may still work on the QP. */
bool fab_qp_works(const struct qp *qp);

/*
 * Waits until the answers that the peer has sent are completions, as they are before anything that
 * it sends later. Does nothing if there is no such QP any more.
 */
void fab_qp_settle(const struct ibv_qp *qp);

/* Runs fn on every live QP, with none locked. */
void fab_for_each_qp(void (*fn)(struct qp *qp));

uint64_t fab_live_qps(void);

/* Starts what the NIC needs per process, once. */
void fab_nic_start(void);

#endif
