/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RDMACHUNK_CORE_COMPLETION_QUEUE_H
#define RDMACHUNK_CORE_COMPLETION_QUEUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Completions that QEMU is due, in the order it will see them. */

/* More than a send queue of QEMU's and all RECVs can ever owe at once. */
#define COMPLETION_QUEUE_ROOM 2048

/* The two CQs of a connection; the same one on a connection that has only one. */
enum conn_cq { CONN_SEND_CQ, CONN_RECV_CQ, CONN_CQS };

/* What QEMU reads of an ibv_wc; the numbers are those of verbs. */
struct completion {
	uint64_t wr_id; /* QEMU's own */
	uint32_t status;
	uint32_t opcode;
	uint32_t byte_len;
	uint32_t vendor_err;
};

/* All zero is an empty queue. */
struct completion_queue {
	struct completion ring[COMPLETION_QUEUE_ROOM];
	unsigned int head; /* next out */
	unsigned int count;
};

/* 0, or -ENOSPC. */
int completion_queue_push(struct completion_queue *q, const struct completion *c);

/* False when it is empty. */
bool completion_queue_pop(struct completion_queue *q, struct completion *c);

#endif
