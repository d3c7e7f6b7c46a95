/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "core/completion_queue.h"

#include <errno.h>

int completion_queue_push(struct completion_queue *q, const struct completion *c)
{
	if (q->count == COMPLETION_QUEUE_ROOM)
		return -ENOSPC;
	q->ring[(q->head + q->count++) % COMPLETION_QUEUE_ROOM] = *c;
	return 0;
}

bool completion_queue_pop(struct completion_queue *q, struct completion *c)
{
	if (!q->count)
		return false;
	*c = q->ring[q->head];
	q->head = (q->head + 1) % COMPLETION_QUEUE_ROOM;
	q->count--;
	return true;
}
