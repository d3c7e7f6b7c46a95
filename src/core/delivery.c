/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "core/delivery.h"

#include "core/verbs_values.h"

void delivery_init(struct delivery *d, bool one_cq)
{
	d->one_cq = one_cq;
}

struct completion_queue *delivery_due(struct delivery *d, enum conn_cq cq)
{
	return &d->due[d->one_cq ? CONN_SEND_CQ : cq];
}

bool delivery_can_answer(const struct delivery *d, unsigned int recvs)
{
	return d->recvs.count >= recvs && !d->recvs.arrived_count &&
	       d->due[CONN_SEND_CQ].count + recvs + 1 <= COMPLETION_QUEUE_ROOM &&
	       d->due[CONN_RECV_CQ].count + recvs <= COMPLETION_QUEUE_ROOM;
}

int delivery_answered(struct delivery *d, uint64_t wr_id)
{
	const struct completion sent = {.wr_id = wr_id, .opcode = VERBS_WC_SEND};

	return completion_queue_push(delivery_due(d, CONN_SEND_CQ), &sent);
}

int delivery_recv(struct delivery *d, const struct completion *wc, bool sending)
{
	bool keep = d->one_cq && wc->status == VERBS_WC_SUCCESS && (sending || d->held.count);

	return completion_queue_push(keep ? &d->held : delivery_due(d, CONN_RECV_CQ), wc);
}

bool delivery_message(struct delivery *d, const void *msg, size_t len, bool sending, int *ret)
{
	struct recv_request request;
	struct completion wc;

	if (!recv_queue_take(&d->recvs, &request))
		return false;
	recv_request_fill(&request, msg, (uint32_t)len, &wc);
	*ret = delivery_recv(d, &wc, sending);
	return true;
}

int delivery_release(struct delivery *d)
{
	struct completion wc;
	int ret = 0;

	while (completion_queue_pop(&d->held, &wc))
		ret |= completion_queue_push(delivery_due(d, CONN_RECV_CQ), &wc);
	return ret;
}

int delivery_flush(struct delivery *d)
{
	struct recv_request request;
	struct completion wc = {
		.status = VERBS_WC_WR_FLUSH_ERR,
		.opcode = VERBS_WC_RECV,
	};
	int ret = 0;

	while (recv_queue_take(&d->recvs, &request)) {
		wc.wr_id = request.wr_id;
		ret |= completion_queue_push(delivery_due(d, CONN_RECV_CQ), &wc);
	}
	return ret;
}
