/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "core/write_queue.h"

#include <errno.h>

static bool continues(const struct write *first, const struct write *next, uint64_t merge_max)
{
	return first->local_addr + first->length == next->local_addr &&
	       first->remote_addr + first->length == next->remote_addr &&
	       first->lkey == next->lkey && first->rkey == next->rkey &&
	       first->length + next->length <= merge_max;
}

int write_queue_push(struct write_queue *q, const struct write *write, uint64_t merge_max)
{
	struct write *newest;

	/* Where nothing is merged, two empty ones are not either. */
	if (q->count && merge_max) {
		newest = &q->ring[(q->head + q->count - 1) % WRITE_QUEUE_ROOM];
		if (continues(newest, write, merge_max)) {
			newest->length += write->length;
			return 0;
		}
	}
	if (q->count == WRITE_QUEUE_ROOM)
		return -ENOMEM;
	q->ring[(q->head + q->count++) % WRITE_QUEUE_ROOM] = *write;
	return 0;
}

const struct write *write_queue_at(const struct write_queue *q, unsigned int i)
{
	return &q->ring[(q->head + i) % WRITE_QUEUE_ROOM];
}

void write_queue_drop(struct write_queue *q, unsigned int n)
{
	q->head = (q->head + n) % WRITE_QUEUE_ROOM;
	q->count -= n;
}

int write_queue_put_back(struct write_queue *q, const struct write *write)
{
	if (q->count == WRITE_QUEUE_ROOM)
		return -ENOSPC;
	q->head = (q->head + WRITE_QUEUE_ROOM - 1) % WRITE_QUEUE_ROOM;
	q->ring[q->head] = *write;
	q->count++;
	return 0;
}

bool write_queue_overlaps(const struct write_queue *q, struct range remote)
{
	for (unsigned int i = 0; i < q->count; i++)
		if (write_overlaps(write_queue_at(q, i), remote))
			return true;
	return false;
}
