/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "core/zero_queue.h"

#include <errno.h>

static struct zero_run *newest(struct zero_queue *q)
{
	return &q->ring[(q->head + q->count - 1) % ZERO_QUEUE_ROOM];
}

static bool continues(const struct zero_run *first, const struct zero_run *next)
{
	return first->message.block == next->message.block &&
	       first->message.value == next->message.value &&
	       first->message.addr + first->message.length == next->message.addr &&
	       first->remote.end == next->remote.start;
}

int zero_queue_push(struct zero_queue *q, const struct zero_run *run)
{
	if (q->count && continues(newest(q), run)) {
		newest(q)->message.length += run->message.length;
		newest(q)->remote.end = run->remote.end;
		q->closed = false;
		return 0;
	}
	if (q->count == ZERO_QUEUE_ROOM)
		return -ENOSPC;
	q->ring[(q->head + q->count++) % ZERO_QUEUE_ROOM] = *run;
	q->closed = false;
	return 0;
}

const struct zero_run *zero_queue_next(const struct zero_queue *q, bool all)
{
	if (!q->count || q->unacknowledged)
		return NULL;
	if (q->count == 1 && !q->closed && !all)
		return NULL;
	return &q->ring[q->head];
}

void zero_queue_sent(struct zero_queue *q)
{
	q->sent = q->ring[q->head];
	q->unacknowledged = true;
	q->head = (q->head + 1) % ZERO_QUEUE_ROOM;
	q->count--;
}

void zero_queue_acknowledge(struct zero_queue *q)
{
	q->unacknowledged = false;
}

/* A run that is kept. */
static bool reaches_into_run(const struct zero_queue *q, const struct write *write)
{
	for (unsigned int i = 0; i < q->count; i++)
		if (write_overlaps(write, q->ring[(q->head + i) % ZERO_QUEUE_ROOM].remote))
			return true;
	return false;
}

bool zero_queue_overlaps(const struct zero_queue *q, const struct write *write)
{
	return (q->unacknowledged && write_overlaps(write, q->sent.remote)) ||
	       reaches_into_run(q, write);
}

bool zero_queue_fences(struct zero_queue *q, const struct write *write)
{
	if (q->unacknowledged && write_overlaps(write, q->sent.remote))
		return true;
	if (!reaches_into_run(q, write))
		return false;
	q->closed = true;
	return true;
}
