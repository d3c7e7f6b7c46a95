/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "qemu_exchange.h"

#include <errno.h>
#include <string.h>

#include "core/verbs_values.h"
#include "world.h"

/* How a byte count is spelled in one of these. */
typedef unsigned long long ull;

int qemu_exchange_post_recv(struct world *w, unsigned int idx)
{
	struct qemu_source *q = &w->source;
	struct recv_request request = {
		.wr_id = WRID_RECV_CONTROL + idx,
		.addr = q->recv[idx],
		.length = sizeof(q->recv[idx]),
	};
	int ret;

	world_trace(w, "qemu", "posts RECV %u", idx);
	ret = driver_post_recv(&w->source_driver, &request);
	if (!ret)
		q->owed_recvs[idx]++;
	return -ret;
}

unsigned int qemu_exchange_page(const struct guest *g, unsigned int block, uint64_t chunk)
{
	return g->block[block].first + (unsigned int)(chunk * (g->chunk_size / g->page_size));
}

static bool has_failed(const struct world *w)
{
	return conn_state(w->source_driver.conn) == CONN_FAILED;
}

/* Every wr_id that was posted completes once. */
void qemu_exchange_account(struct world *w, const struct completion *wc)
{
	struct qemu_source *q = &w->source;
	unsigned int type = wc->wr_id & WRID_TYPE_MASK;
	unsigned int block =
		wc->wr_id >> WRID_BLOCK_SHIFT & ((1u << (WRID_CHUNK_SHIFT - WRID_BLOCK_SHIFT)) - 1);
	unsigned int page;

	q->statuses |= 1u << wc->status;
	if (type == WRID_RDMA_WRITE) {
		page = qemu_exchange_page(&w->guest, block, wc->wr_id >> WRID_CHUNK_SHIFT);
		world_expect(w, block < w->guest.blocks && page < w->guest.pages,
			     "a wr_id that QEMU never made");
		if (q->owed[page]) {
			q->owed[page]--;
			q->owed_writes--;
			return;
		}
		if (q->refused_writes) {
			q->refused_writes--;
			return;
		}
		world_expect(w, wc->status != VERBS_WC_SUCCESS && w->settings.writes && !q->extra,
			     "a WRITE of chunk %llu completes twice",
			     (ull)(wc->wr_id >> WRID_CHUNK_SHIFT));
		q->extra++;
		return;
	}
	if (type == WRID_SEND_CONTROL) {
		/* QEMU will not ask for that of a call which learnt that all is lost. */
		if (!q->owed_sends && q->refused_sends) {
			q->refused_sends--;
			return;
		}
		world_expect(w, q->owed_sends, "a SEND completes twice");
		q->owed_sends--;
		return;
	}
	/* The connection has failed, and QEMU is about to sleep. */
	if (!wc->wr_id && wc->status != VERBS_WC_SUCCESS && has_failed(w))
		return;
	/* The failure of a COMPRESS that QEMU believes sent, or of a request of ours. */
	if (!wc->wr_id && wc->status != VERBS_WC_SUCCESS &&
	    (w->settings.zeros || w->settings.ahead) && !q->extra) {
		q->extra++;
		return;
	}
	world_expect(w, type == WRID_RECV_CONTROL || type == WRID_RECV_CONTROL + 1,
		     "wr_id %llu is none of QEMU's", (ull)wc->wr_id);
	world_expect(w, q->owed_recvs[type - WRID_RECV_CONTROL], "a RECV completes twice");
	q->owed_recvs[type - WRID_RECV_CONTROL]--;
}

int qemu_exchange_poll(struct world *w, enum conn_cq cq, uint64_t *wr_id_out, uint32_t *byte_len)
{
	struct qemu_source *q = &w->source;
	struct completion wc;
	unsigned int type, page;

	world_yield(w);
	*wr_id_out = WRID_NONE;
	if (!driver_poll(&w->source_driver, cq, &wc))
		return 0;
	qemu_exchange_account(w, &wc);
	type = wc.wr_id & WRID_TYPE_MASK;
	world_trace(w, "qemu", "polls %s %u, status %u",
		    type == WRID_RDMA_WRITE	? "WRITE of chunk"
		    : type == WRID_SEND_CONTROL ? "SEND"
						: "RECV",
		    type == WRID_RDMA_WRITE ? (unsigned int)(wc.wr_id >> WRID_CHUNK_SHIFT)
					    : type % 1000,
		    wc.status);
	if (wc.status != VERBS_WC_SUCCESS) {
		world_expect(w, w->fault_fired, "QEMU is given status %u for nothing", wc.status);
		return -1;
	}
	if (q->control_ready_expected && type >= WRID_RECV_CONTROL)
		q->control_ready_expected = false;
	if (type == WRID_RDMA_WRITE) {
		page = qemu_exchange_page(&w->guest, wc.wr_id >> WRID_BLOCK_SHIFT & 0x3fff,
					  wc.wr_id >> WRID_CHUNK_SHIFT);
		q->transit[page] = false;
		if (q->nb_sent)
			q->nb_sent--;
	}
	*wr_id_out = wc.wr_id;
	if (byte_len)
		*byte_len = wc.byte_len;
	return 0;
}

/* Nothing may be due that no event will tell of. */
static void check_asleep(struct world *w, const struct nic_cq *cq)
{
	const struct nic_qp *qp = &w->nic.source;
	bool send = cq == qp->send_cq;

	if (cq->count || (send && qp->completed < qp->posted))
		return;
	/* What a thread is about to post will complete. */
	if (send && driver_is_posting(&w->source_driver))
		return;
	world_expect(w,
		     !conn_count_due(w->source_driver.conn, send ? CONN_SEND_CQ : CONN_RECV_CQ) ||
			     (!send && qp->error),
		     "a completion is due, and QEMU sleeps on the %s channel",
		     send ? "send" : "receive");
}

/* It sleeps until there is an event, the other end hangs up, or it is cancelled. */
static int wait_comp_channel(struct world *w, struct nic_cq *cq)
{
	const struct qemu_source *q = &w->source;

	world_trace(w, "qemu", "sleeps on the %s channel",
		    cq == w->nic.source.send_cq ? "send" : "receive");
	while (!q->error_state && !q->received_error) {
		if (cq->events)
			return 0;
		if (w->disconnected || w->cancelled)
			return -EPIPE;
		/* It has forgotten that the NIC failed, and waits until it is cancelled; so
		 * it would without us. */
		if (q->swallowed && w->nic.source.error && !has_failed(w)) {
			if (world_step(w))
				continue;
			w->cancelled = true;
			return -EPIPE;
		}
		check_asleep(w, cq);
		world_expect(w, world_step(w),
			     "nobody has anything to do: QEMU sleeps on the %s channel",
			     cq == w->nic.source.send_cq ? "send" : "receive");
	}
	return -EPIPE;
}

static int poll_for(struct world *w, enum conn_cq cq, unsigned int wanted, uint32_t *byte_len,
		    bool *found)
{
	uint64_t wr_id;
	int ret;

	*found = false;
	do {
		ret = qemu_exchange_poll(w, cq, &wr_id, byte_len);
		if (ret < 0)
			return ret;
		/* Those of others are thrown away. */
		*found = (wr_id & WRID_TYPE_MASK) == wanted;
	} while (wr_id != WRID_NONE && !*found);
	return 0;
}

int qemu_exchange_wait(struct world *w, unsigned int wanted, uint32_t *byte_len)
{
	enum conn_cq cq = wanted < WRID_RECV_CONTROL ? CONN_SEND_CQ : CONN_RECV_CQ;
	struct nic_cq *channel = cq == CONN_SEND_CQ ? w->nic.source.send_cq : w->nic.source.recv_cq;
	bool found;
	int ret;

	driver_arm(&w->source_driver, cq);
	ret = poll_for(w, cq, wanted, byte_len, &found);
	if (ret < 0 || found)
		return ret;
	while (!found) {
		ret = wait_comp_channel(w, channel);
		if (ret)
			goto err;
		channel->events--;
		driver_arm(&w->source_driver, cq);
		ret = poll_for(w, cq, wanted, byte_len, &found);
		if (ret < 0)
			goto err;
	}
	return 0;
err:
	w->source.error_state = true;
	return ret;
}

int qemu_exchange_post_send(struct world *w, const struct message *m)
{
	struct qemu_source *q = &w->source;
	struct conn_wr wr = {
		.wr_id = WRID_SEND_CONTROL,
		.message = true,
		.data = q->control,
		.length = m->len,
		.local_addr = (uintptr_t)q->control,
		.lkey = q->control_key,
	};
	int ret;

	world_yield(w);
	memcpy(q->control, m->data, m->len);
	world_trace(w, "qemu", "sends %s", wire_type_name(message_type(m->data)));
	ret = driver_post_send(&w->source_driver, &wr);
	if (ret) {
		world_expect(w, w->fault_fired, "a SEND is refused: %s", strerror(ret));
		q->refused_sends++;
		return -ret;
	}
	q->owed_sends++;
	return qemu_exchange_wait(w, WRID_SEND_CONTROL, NULL);
}

static int exchange_get_response(struct world *w, enum wire_type expecting, unsigned int idx)
{
	struct qemu_source *q = &w->source;
	uint32_t byte_len = 0, type;
	int ret;

	ret = qemu_exchange_wait(w, WRID_RECV_CONTROL + idx, &byte_len);
	if (ret < 0)
		return ret;
	world_expect(w, message_is_whole(q->recv[idx], byte_len),
		     "a malformed message reaches QEMU");
	type = message_type(q->recv[idx]);
	world_trace(w, "qemu", "has received %s", wire_type_name(type));
	if (type == (uint32_t)expecting)
		return 0;
	world_expect(w, type == WIRE_ERROR, "QEMU expects %s and gets %s",
		     wire_type_name(expecting), wire_type_name(type));
	world_expect(w, w->fault_fired, "an ERROR for nothing");
	q->received_error = true;
	return -EIO;
}

int qemu_exchange_send(struct world *w, const struct message *m, enum wire_type answer)
{
	struct qemu_source *q = &w->source;
	int ret;

	if (q->control_ready_expected) {
		ret = exchange_get_response(w, WIRE_READY, SOURCE_RECV_READY);
		if (ret < 0)
			return ret;
	}
	world_yield(w);
	if (answer != WIRE_NONE) {
		ret = qemu_exchange_post_recv(w, SOURCE_RECV_DATA);
		if (ret)
			return ret;
		world_yield(w);
	}
	ret = qemu_exchange_post_recv(w, SOURCE_RECV_READY);
	if (ret)
		return ret;
	ret = qemu_exchange_post_send(w, m);
	if (ret < 0)
		return ret;
	if (answer != WIRE_NONE) {
		ret = exchange_get_response(w, answer, SOURCE_RECV_DATA);
		if (ret < 0)
			return ret;
	}
	q->control_ready_expected = true;
	return 0;
}
