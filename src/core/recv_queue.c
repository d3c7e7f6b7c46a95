/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "core/recv_queue.h"

#include <errno.h>
#include <string.h>

#include "core/verbs_values.h"

int recv_queue_post(struct recv_queue *q, const struct recv_request *request)
{
	if (q->count == RECV_QUEUE_DEPTH)
		return -ENOMEM;
	q->posted[(q->head + q->count++) % RECV_QUEUE_DEPTH] = *request;
	return 0;
}

bool recv_queue_take(struct recv_queue *q, struct recv_request *request)
{
	if (!q->count)
		return false;
	*request = q->posted[q->head];
	q->head = (q->head + 1) % RECV_QUEUE_DEPTH;
	q->count--;
	return true;
}

int recv_queue_arrive(struct recv_queue *q, const struct recv_arrival *arrival)
{
	if (q->arrived_count == RECV_QUEUE_BUFFERS)
		return -ENOSPC;
	q->arrived[(q->arrived_head + q->arrived_count++) % RECV_QUEUE_BUFFERS] = *arrival;
	return 0;
}

bool recv_queue_next_arrival(struct recv_queue *q, struct recv_arrival *arrival)
{
	if (!q->arrived_count)
		return false;
	*arrival = q->arrived[q->arrived_head];
	q->arrived_head = (q->arrived_head + 1) % RECV_QUEUE_BUFFERS;
	q->arrived_count--;
	return true;
}

void recv_request_fill(const struct recv_request *request, const void *msg, uint32_t len,
		       struct completion *c)
{
	*c = (struct completion){
		.wr_id = request->wr_id,
		.opcode = VERBS_WC_RECV,
		.byte_len = len,
	};
	if (len > request->length) {
		c->status = VERBS_WC_LOC_LEN_ERR;
		return;
	}
	memcpy(request->addr, msg, len);
	c->status = VERBS_WC_SUCCESS;
}
