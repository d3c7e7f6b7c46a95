/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RDMACHUNK_CORE_WRITE_QUEUE_H
#define RDMACHUNK_CORE_WRITE_QUEUE_H

#include <stdbool.h>
#include <stdint.h>

#include "core/extent_map.h"

/*
 * RDMA WRITEs that QEMU has posted and the NIC has not been given yet, first in,
 * first out. A write that continues the newest one, here and at the destination
 * and under the same keys, becomes part of it.
 */

/* A window, the parts of one WRITE behind it, and what the NIC did not take of a batch: see
 * core/order. */
#define WRITE_QUEUE_ROOM 2048

struct write {
	uint64_t wr_id; /* QEMU's, of the first write in it */
	uint64_t local_addr;
	uint64_t remote_addr;
	uint64_t length; /* bytes */
	uint32_t lkey;
	uint32_t rkey;
	/* A part of QEMU's, one behind the other: what belongs together is taken in together,
	 * and QEMU is told of the last. */
	bool goes_on; /* another follows */
	bool later;   /* another came before */
};

/* All zero is an empty queue. */
struct write_queue {
	struct write ring[WRITE_QUEUE_ROOM];
	unsigned int head;
	unsigned int count;
};

/* Add a write, to the newest one where it continues that and both together are
 * at most `merge_max` bytes. 0, or -ENOMEM when the queue is full. */
int write_queue_push(struct write_queue *q, const struct write *write, uint64_t merge_max);

/* The i-th oldest write; `i` must be below q->count. */
const struct write *write_queue_at(const struct write_queue *q, unsigned int i);

/* Drop the `n` oldest; `n` must be at most q->count. */
void write_queue_drop(struct write_queue *q, unsigned int n);

/* The one that was dropped last is the oldest again. 0, or -ENOSPC when the queue is full. */
int write_queue_put_back(struct write_queue *q, const struct write *write);

/* Does any write here reach into `remote`, a range of destination addresses? */
bool write_queue_overlaps(const struct write_queue *q, struct range remote);

static inline bool write_overlaps(const struct write *write, struct range remote)
{
	return write->remote_addr < remote.end && remote.start < write->remote_addr + write->length;
}

#endif
