/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RDMACHUNK_CORE_RECV_QUEUE_H
#define RDMACHUNK_CORE_RECV_QUEUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/completion_queue.h"

/*
 * The virtual receive queue: QEMU's posted RECVs, first in, first out, and the
 * messages that came before there was a RECV for them. The QP's real receive
 * queue holds the shim's own buffers.
 *
 *      wire --> own buffer --> (arrived) --> QEMU's oldest RECV --> completion
 *                                  ^ also answers of our own
 */

#define RECV_QUEUE_DEPTH   16 /* RECVs of QEMU's; it posts 3 at most */
#define RECV_QUEUE_BUFFERS 4  /* buffers of our own on the real queue */

struct recv_request {
	uint64_t wr_id;
	void *addr;
	uint32_t length;
	uint32_t lkey; /* kept for a connection that turns out not to be ours */
};

struct recv_arrival {
	unsigned int buffer;
	uint32_t length;
};

/* All zero is an empty queue. */
struct recv_queue {
	struct recv_request posted[RECV_QUEUE_DEPTH];
	unsigned int head, count;
	struct recv_arrival arrived[RECV_QUEUE_BUFFERS];
	unsigned int arrived_head, arrived_count;
};

/* 0, or -ENOMEM when RECV_QUEUE_DEPTH are posted. */
int recv_queue_post(struct recv_queue *q, const struct recv_request *request);

/* The oldest RECV; false when there is none. */
bool recv_queue_take(struct recv_queue *q, struct recv_request *request);

/* Remember that a message waits in own buffer `buffer`. 0, or -ENOSPC. */
int recv_queue_arrive(struct recv_queue *q, const struct recv_arrival *arrival);
bool recv_queue_next_arrival(struct recv_queue *q, struct recv_arrival *arrival);

/*
 * Copy a message of `len` bytes into a RECV's memory as the NIC would, and
 * describe it in *c: success, or a local length error when it does not fit.
 */
void recv_request_fill(const struct recv_request *request, const void *msg, uint32_t len,
		       struct completion *c);

#endif
