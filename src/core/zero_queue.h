/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RDMACHUNK_CORE_ZERO_QUEUE_H
#define RDMACHUNK_CORE_ZERO_QUEUE_H

#include <stdbool.h>
#include <stdint.h>

#include "core/extent_map.h"
#include "core/wire.h"
#include "core/write_queue.h"

/*
 * COMPRESS messages that QEMU believes sent: runs of zeros the destination has
 * yet to be told of, and the one it has been told of but has not answered.
 *
 * The destination's CPU zeroes when it handles the message, after its NIC may
 * have placed later writes. So a write into a run waits for the READY that
 * follows the run's message.
 */

#define ZERO_QUEUE_ROOM 64

struct zero_run {
	struct wire_compress message; /* what will be, or was, sent */
	struct range remote;	      /* the destination addresses it zeroes */
};

/* All zero is an empty queue. */
struct zero_queue {
	struct zero_run ring[ZERO_QUEUE_ROOM];
	unsigned int head;
	unsigned int count;
	bool closed; /* the newest run will not grow: do not wait for it to */
	bool unacknowledged;
	struct zero_run sent; /* when unacknowledged */
};

/* Add a run, to the newest one where it continues that. 0, or -ENOSPC. */
int zero_queue_push(struct zero_queue *q, const struct zero_run *run);

/* The oldest run that is worth sending now: all but the newest, that too when
 * it is closed or `all`. NULL when there is none, or one is unacknowledged. */
const struct zero_run *zero_queue_next(const struct zero_queue *q, bool all);

/* The oldest run has gone out; the destination answers it with a READY. */
void zero_queue_sent(struct zero_queue *q);

/* That READY has come. */
void zero_queue_acknowledge(struct zero_queue *q);

/* Must this write wait? Closes the newest run when the write waits for it. */
bool zero_queue_fences(struct zero_queue *q, const struct write *write);

/* Does it reach into a run that the destination has not answered? */
bool zero_queue_overlaps(const struct zero_queue *q, const struct write *write);

#endif
