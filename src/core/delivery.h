/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RDMACHUNK_CORE_DELIVERY_H
#define RDMACHUNK_CORE_DELIVERY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/completion_queue.h"
#include "core/recv_queue.h"

/*
 * What QEMU is due: the completions of each of its CQs, and the messages that go into its
 * RECVs, which are kept here.
 *
 * QEMU before 7.0 has one CQ and, while it waits for a SEND, drops the RECV
 * completion of the answer when that comes first, then waits for it for ever
 * (migration/rdma.c, qemu_rdma_block_for_wrid). So there the SEND goes first.
 *
 * Functions that return an int return 0, or -ENOSPC when a queue is full, and a completion
 * is lost: the queues hold more than QEMU can have posted.
 */

/* delivery_init() before use. */
struct delivery {
	bool one_cq;
	struct recv_queue recvs;
	struct completion_queue due[CONN_CQS];
	/* RECV completions kept back until a SEND's has been delivered */
	struct completion_queue held;
};

void delivery_init(struct delivery *d, bool one_cq);

/* The queue of completions that QEMU finds on this CQ. */
struct completion_queue *delivery_due(struct delivery *d, enum conn_cq cq);

/* Room for what an answer of ours completes: QEMU's SEND and `recvs` RECVs. */
bool delivery_can_answer(const struct delivery *d, unsigned int recvs);

/* A SEND of QEMU's has been answered. */
int delivery_answered(struct delivery *d, uint64_t wr_id);

/* A RECV completes, as *wc says. `sending`: a SEND of QEMU's has not completed. */
int delivery_recv(struct delivery *d, const struct completion *wc, bool sending);

/* A message goes into QEMU's oldest RECV. False when there is none. */
bool delivery_message(struct delivery *d, const void *msg, size_t len, bool sending, int *ret);

/* No SEND of QEMU's is under way: what waited for it is due. */
int delivery_release(struct delivery *d);

/* Every RECV that is posted completes with a flush error. */
int delivery_flush(struct delivery *d);

#endif
