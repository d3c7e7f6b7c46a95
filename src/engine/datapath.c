/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/datapath.h"

#include <errno.h>

#include "engine/driver.h"
#include "engine/live.h"
#include "engine/messages.h"

/* Lock held. The session may have ended since the QP was looked up without the lock. */
static enum conn_state state_of(const struct session *s, const struct ibv_qp *qp)
{
	return s->live && qp == s->qp ? conn_state(s->conn) : CONN_PASSTHROUGH;
}

/* 0, or -EINVAL for what QEMU never posts. */
static int describe(const struct ibv_send_wr *wr, struct conn_wr *out)
{
	if ((wr->opcode != IBV_WR_SEND && wr->opcode != IBV_WR_RDMA_WRITE) || wr->num_sge != 1 ||
	    !(wr->send_flags & IBV_SEND_SIGNALED))
		return -EINVAL;
	*out = (struct conn_wr){
		.wr_id = wr->wr_id,
		.message = wr->opcode == IBV_WR_SEND,
		.data = (const void *)(uintptr_t)wr->sg_list[0].addr,
		.length = wr->sg_list[0].length,
		.local_addr = wr->sg_list[0].addr,
		.lkey = wr->sg_list[0].lkey,
	};
	if (!out->message) {
		out->remote_addr = wr->wr.rdma.remote_addr;
		out->rkey = wr->wr.rdma.rkey;
	}
	return 0;
}

/* Lock held, released meanwhile. One WR; 0 or a negative errno. */
static int post_one(struct session *s, const struct ibv_send_wr *wr)
{
	struct conn_wr seen;
	int ret = describe(wr, &seen);

	if (ret)
		return ret;
	while ((ret = conn_post_send(s->conn, &seen)) == CONN_AGAIN)
		if (driver_wait(s))
			seen.last = true;
	driver_run(s);
	return ret ? ret : conn_error(s->conn);
}

/* Lock held. What a WR would have to wait for may be there, and the next message of our own
 * may go before it. */
static void take_in_messages(struct session *s)
{
	if (conn_expects_message(s->conn) && driver_drain(s, CONN_RECV_CQ))
		driver_run(s);
}

int datapath_post_send(struct session *s, struct ibv_qp *qp, struct ibv_send_wr *wr,
		       struct ibv_send_wr **bad_wr)
{
	enum conn_state state;
	int ret = 0;

	pthread_mutex_lock(&s->lock);
	state = state_of(s, qp);
	if (state == CONN_CANDIDATE) {
		ret = driver_pass_through(s, "it sends before it is connected");
		state = CONN_PASSTHROUGH;
	}
	if (!ret && state == CONN_PASSTHROUGH) {
		ret = verbs_post_send(&s->ops, qp, wr, bad_wr);
		goto out;
	}
	if (!ret)
		take_in_messages(s);
	for (; wr && !ret; wr = wr->next) {
		*bad_wr = wr;
		ret = post_one(s, wr);
	}
out:
	/* Not what verbs promise, but QEMU prints it. */
	if (ret)
		errno = -ret;
	pthread_mutex_unlock(&s->lock);
	return -ret;
}

/* Without the lock, too; then is_of() tells under it whether that was right. */
static enum conn_cq which_cq(const struct session *s, const struct ibv_cq *cq)
{
	return cq == s->cq[CONN_SEND_CQ] ? CONN_SEND_CQ : CONN_RECV_CQ;
}

/* Lock held. Is this CQ the session's still? It was when it was looked up without
 * the lock; CQs outlive the QP and so the session. */
static bool is_of(const struct session *s, const struct ibv_cq *cq, enum conn_cq which)
{
	return s->live && cq == s->cq[which];
}

void datapath_arm(struct session *s, const struct ibv_cq *cq)
{
	enum conn_cq which;

	pthread_mutex_lock(&s->lock);
	which = which_cq(s, cq);
	if (is_of(s, cq, which)) {
		conn_arm(s->conn, which);
		driver_run(s);
		live_sleeps(s);
	}
	pthread_mutex_unlock(&s->lock);
}

static bool receives_are_ours(const struct session *s, const struct ibv_qp *qp)
{
	enum conn_state state = state_of(s, qp);

	return state == CONN_CANDIDATE ||
	       (state != CONN_PASSTHROUGH && conn_role(s->conn) == CONN_SOURCE);
}

/* Lock held. One RECV; 0 or a negative errno. */
static int take_recv(struct session *s, const struct ibv_recv_wr *wr)
{
	struct recv_request request;

	if (wr->num_sge != 1)
		return -EINVAL;
	request = (struct recv_request){
		.wr_id = wr->wr_id,
		.addr = (void *)(uintptr_t)wr->sg_list[0].addr,
		.length = wr->sg_list[0].length,
		.lkey = wr->sg_list[0].lkey,
	};
	return conn_post_recv(s->conn, &request);
}

/* QEMU posts its three again and again. */
static void note_recvs(struct session *s, const struct ibv_recv_wr *wr)
{
	for (; wr; wr = wr->next)
		if (wr->num_sge == 1)
			messages_recv_posted(s, wr->wr_id, wr->sg_list[0].addr);
}

int datapath_post_recv(struct session *s, struct ibv_qp *qp, struct ibv_recv_wr *wr,
		       struct ibv_recv_wr **bad_wr)
{
	int ret = 0;

	pthread_mutex_lock(&s->lock);
	if (state_of(s, qp) == CONN_CANDIDATE && wr && wr->num_sge != 1)
		ret = driver_pass_through(s, "its receive requests have another shape");
	if (!ret && !receives_are_ours(s, qp)) {
		if (state_of(s, qp) == CONN_ACTIVE)
			note_recvs(s, wr);
		ret = verbs_post_recv(&s->ops, qp, wr, bad_wr);
		goto out;
	}
	for (; wr && !ret; wr = wr->next) {
		*bad_wr = wr;
		ret = take_recv(s, wr);
	}
	driver_run(s);
out:
	pthread_mutex_unlock(&s->lock);
	return -ret;
}

static int take_due(struct session *s, enum conn_cq which, int entries, struct ibv_wc *wc)
{
	struct completion due;
	int n = 0;

	while (n < entries && conn_take_due(s->conn, which, &due, 1)) {
		wc[n++] = (struct ibv_wc){
			.wr_id = due.wr_id,
			.status = due.status,
			.opcode = due.opcode,
			.byte_len = due.byte_len,
			.vendor_err = due.vendor_err,
			.qp_num = s->qp->qp_num,
		};
	}
	return n;
}

/* Lock held. `found` completions have come: what QEMU is due of them. */
static int exchange(struct session *s, enum conn_cq which, int found, int entries,
		    struct ibv_wc *wc)
{
	int taken;

	if (found)
		live_time(s);
	for (int i = 0; i < found; i++)
		driver_completed(s, &wc[i]);
	taken = take_due(s, which, entries, wc);
	driver_run(s);
	return taken;
}

/* QEMU polls itself the CQ that the listener does. */
static void end_listening(struct session *s, const struct ibv_cq *cq, enum conn_cq which)
{
	pthread_mutex_lock(&s->lock);
	if (is_of(s, cq, which)) {
		conn_polls(s->conn, which);
		driver_run(s);
	}
	pthread_mutex_unlock(&s->lock);
}

int datapath_poll_cq(struct session *s, const struct verbs_ops *ops, struct ibv_cq *cq, int entries,
		     struct ibv_wc *wc)
{
	enum conn_cq which = which_cq(s, cq);
	int found = 0, taken = 0;

	if (atomic_load_explicit(&s->listens, memory_order_relaxed) == SESSION_LISTENS(which))
		end_listening(s, cq, which);
	/*
	 * QEMU has armed the CQ when it polls and sleeps when it finds nothing:
	 * so "nothing" must mean that the real CQ is empty too, however many of
	 * its completions were of no concern to QEMU.
	 */
	while (!taken && entries > 0) {
		if (!atomic_load_explicit(&s->due[which], memory_order_acquire)) {
			found = ops->poll_cq(cq, entries, wc);
			if (found <= 0)
				return found;
		}
		pthread_mutex_lock(&s->lock);
		/* The session may have ended under a poll: then these are not its own. */
		if (!is_of(s, cq, which)) {
			pthread_mutex_unlock(&s->lock);
			return found;
		}
		taken = exchange(s, which, found, entries, wc);
		found = 0;
		pthread_mutex_unlock(&s->lock);
	}
	return taken;
}
