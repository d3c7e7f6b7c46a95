/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RDMACHUNK_TESTS_MODEL_NIC_H
#define RDMACHUNK_TESTS_MODEL_NIC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/completion_queue.h"
#include "core/order.h"

struct world;

/*
 * A NIC at each end of an RC connection. It executes the WRs of a send queue in
 * order and reads memory when it does so; completes them, in order, some time
 * later; and places what it receives in posted RECVs, whatever the CPU behind it
 * is doing.
 *
 *      posted >= executed >= completed >= freed (its completion was polled)
 */

#define NIC_SEND_QUEUE ORDER_SEND_QUEUE
#ifndef NIC_RECVS
#define NIC_RECVS 8 /* that the NIC takes */
#endif
#define NIC_CQ	    2048
#define NIC_MRS	    16384
#define NIC_PINS    (1 << 20) /* pages of all MRs */
#define NIC_MESSAGE 256	      /* bytes of a message at most */

/* More verbs values than the core needs. */
enum {
	NIC_WC_LOC_PROT_ERR = 4,
	NIC_WC_REM_ACCESS_ERR = 10,
	NIC_WC_RETRY_EXC_ERR = 12,
	NIC_WC_RNR_RETRY_EXC_ERR = 13,
};

struct nic_wr {
	uint64_t wr_id;
	bool message; /* a SEND, its bytes at `addr` in this process; else a WRITE */
	bool signaled;
	bool unasked; /* a message that none of QEMU's has led to */
	uint64_t addr;
	uint64_t length; /* bytes */
	uint32_t lkey;
	uint64_t remote_addr;
	uint32_t rkey;
};

struct nic_recv {
	uint64_t wr_id;
	void *data; /* NIC_MESSAGE bytes */
};

struct nic_qp;

struct nic_cqe {
	struct completion wc;
	struct nic_qp *qp; /* whose send queue it frees, or NULL */
	uint64_t frees;	   /* WRs up to this one */
};

struct nic_cq {
	struct nic_cqe *ring; /* of NIC_CQ */
	unsigned int head, count;
	bool armed;
	unsigned int events; /* on its channel, not yet read */
};

struct nic_qp {
	const char *name;
	struct nic_wr *sq; /* of NIC_SEND_QUEUE */
	uint64_t posted, executed, completed, freed;
	uint64_t offset; /* bytes of the WRITE being executed that are done */
	struct nic_recv rq[NIC_RECVS];
	unsigned int rq_head, rq_count;
	struct nic_cq *send_cq, *recv_cq;
	struct nic_qp *peer;
	bool error;		    /* every WR is flushed */
	bool dead;		    /* it answers nothing any more */
	uint32_t error_code;	    /* of the WR that failed, until it has completed */
	unsigned int readies;	    /* READY messages it has received */
	unsigned int written_pages; /* by its WRITEs */
};

struct memory;

/* Of guest memory it has pinned `pages' physical pages, or is about to. */
struct nic_mr {
	uint64_t addr, length;
	struct memory *memory;	  /* or NULL */
	unsigned int first;	  /* page */
	unsigned int pages, pins; /* their place in nic_pins */
	unsigned int pinned;
	bool gone;
	/* For rules_check_mrs() */
	uint64_t mapped;
	bool private;
};

struct nic {
	struct nic_qp source, destination;
	struct nic_cq source_cq[2], destination_cq[2];
	unsigned int mrs, pins;
};

/* What the queues are in: looked at only as far as it is used, and never cleared. */
struct nic_rings {
	struct nic_wr sq[2][NIC_SEND_QUEUE];
	struct nic_cqe cq[4][NIC_CQ];
};

void nic_init(struct world *w);

/* At once; or page by page, until nic_pin() returns false. */
uint32_t nic_register(struct world *w, uint64_t addr, uint64_t length);
uint32_t nic_register_begin(struct world *w, uint64_t addr, uint64_t length);
bool nic_pin(struct world *w, uint32_t key);
bool nic_pins(const struct world *w, uint32_t key);

/* Once, and whatever uses it: see nic_uses(). */
void nic_deregister(struct world *w, uint32_t key);

/* Does a WRITE that has not been executed read memory under this key? */
bool nic_uses(const struct nic_qp *qp, uint32_t key);

bool nic_covers(const struct world *w, uint32_t key, uint64_t addr, uint64_t length);

/* False when the send queue is full. */
bool nic_post_send(struct world *w, struct nic_qp *qp, const struct nic_wr *wr);
void nic_post_recv(struct world *w, struct nic_qp *qp, const struct nic_recv *recv);
bool nic_poll(struct nic_cq *cq, struct nic_cqe *cqe);
void nic_arm(struct nic_cq *cq);

/* The two things that it does on its own; the first of each pair tells whether
 * there is anything to do. */
bool nic_can_execute(const struct nic_qp *qp);
void nic_execute(struct world *w, struct nic_qp *qp);
bool nic_can_complete(const struct nic_qp *qp);
void nic_complete(struct world *w, struct nic_qp *qp);

/* The parts of those: its oldest WR completes; its oldest RECV
 * is flushed, or fails, and the QP with it; a message comes, and there is a RECV for it. */
void nic_complete_send(struct world *w, struct nic_qp *qp);
void nic_flush_recv(struct world *w, struct nic_qp *qp);
void nic_fail_recv(struct world *w, struct nic_qp *qp, uint32_t status);
bool nic_receive(struct world *w, struct nic_qp *qp, const void *data, size_t len);

/* The oldest WR fails so, when there is one, and the QP with it. */
void nic_fail(struct world *w, struct nic_qp *qp, uint32_t status);

#endif
