/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/datapath.h"

#include <errno.h>
#include <string.h>

#include "engine/limits.h"
#include "engine/mr.h"
#include "util/log.h"

/*
 * Our wr_ids carry a mark in their top 16 bits. QEMU's have the type in the low
 * 16 and, for writes, a chunk number above bit 30; none of QEMU's is on a queue
 * whose completions we read, except its own RECVs at a destination (4000 + n).
 */
#define WR_ID_MARK_SEND	   (UINT64_C(0x5d4c) << 48)
#define WR_ID_MARK_RECV	   (UINT64_C(0x5d4d) << 48)
#define WR_ID_MARK_NOTHING (UINT64_C(0x5d4e) << 48)
#define WR_ID_MARK_MASK	   (UINT64_C(0xffff) << 48)

/* Completions taken in one go from a CQ that QEMU is not looking at. */
#define DRAIN 16

int datapath_post_own_recv(struct session *s, unsigned int buffer)
{
	struct ibv_sge sge = {
		.addr = (uintptr_t)s->buffers[buffer],
		.length = WIRE_MESSAGE_MAX,
		.lkey = s->memory_mr->lkey,
	};
	struct ibv_recv_wr wr = {
		.wr_id = WR_ID_MARK_RECV | buffer,
		.sg_list = &sge,
		.num_sge = 1,
	};
	struct ibv_recv_wr *bad;

	return verbs_post_recv(&s->ops, s->qp, &wr, &bad);
}

int datapath_post_real_recv(struct session *s, const struct recv_request *request)
{
	struct ibv_sge sge = {
		.addr = (uintptr_t)request->addr,
		.length = request->length,
		.lkey = request->lkey,
	};
	struct ibv_recv_wr wr = {.wr_id = request->wr_id, .sg_list = &sge, .num_sge = 1};
	struct ibv_recv_wr *bad;

	return verbs_post_recv(&s->ops, s->qp, &wr, &bad);
}

void datapath_post_nothing(struct session *s)
{
	struct ibv_send_wr wr = {
		.wr_id = WR_ID_MARK_NOTHING,
		.opcode = IBV_WR_RDMA_WRITE,
		.send_flags = IBV_SEND_SIGNALED,
	};
	struct ibv_send_wr *bad;

	/* Should even this fail, QEMU still wakes for the disconnection. */
	verbs_post_send(&s->ops, s->qp, &wr, &bad);
}

static char *send_slot(struct session *s, int slot)
{
	return (char *)s->memory + RECV_QUEUE_BUFFERS * (size_t)WIRE_MESSAGE_MAX +
	       (size_t)slot * SESSION_SEND_SLOT_LEN;
}

/* One WR of a batch. */
static void compose(struct session *s, const struct transmit_out *out, struct ibv_send_wr *wr,
		    struct ibv_sge *sge)
{
	*wr = (struct ibv_send_wr){
		.wr_id = WR_ID_MARK_SEND | out->serial,
		.sg_list = sge,
		.num_sge = 1,
		.opcode = IBV_WR_SEND,
		.send_flags = out->signaled ? IBV_SEND_SIGNALED : 0,
	};
	if (out->slot != SEND_NO_SLOT) {
		sge->addr = (uintptr_t)send_slot(s, out->slot);
		sge->lkey = s->memory_mr->lkey;
	}
	switch (out->kind) {
	case TRANSMIT_WRITE:
		wr->opcode = IBV_WR_RDMA_WRITE;
		wr->wr.rdma.remote_addr = out->write.remote_addr;
		wr->wr.rdma.rkey = out->write.rkey;
		sge->addr = out->write.local_addr;
		sge->length = (uint32_t)out->write.length;
		sge->lkey = out->write.lkey;
		break;
	case TRANSMIT_ZERO:
		sge->length = (uint32_t)wire_build_compress(send_slot(s, out->slot), &out->zero);
		break;
	case TRANSMIT_REQUEST:
		sge->length = (uint32_t)wire_build_register_request(send_slot(s, out->slot),
								    &out->request);
		break;
	case TRANSMIT_STRICT:
		sge->length = out->strict.length;
		if (out->strict.own)
			break;
		sge->addr = out->strict.addr;
		sge->lkey = out->strict.lkey;
		break;
	}
}

/* WRs as the NIC takes them. */
struct batch {
	struct transmit_out out[TRANSMIT_BATCH];
	struct ibv_send_wr wr[TRANSMIT_BATCH];
	struct ibv_sge sge[TRANSMIT_BATCH];
	unsigned int count;
};

/* What is due now. Lock held. */
static bool next_batch(struct session *s, struct batch *b)
{
	b->count = conn_batch(&s->conn, b->out);
	for (unsigned int i = 0; i < b->count; i++) {
		compose(s, &b->out[i], &b->wr[i], &b->sge[i]);
		b->wr[i].next = i + 1 < b->count ? &b->wr[i + 1] : NULL;
	}
	return b->count > 0;
}

/* From WR `first` on. Sets *first to the one that failed; returns as post_send(). */
static int post(struct session *s, struct batch *b, unsigned int *first)
{
	struct ibv_send_wr *bad = &b->wr[*first];
	int ret = verbs_post_send(&s->ops, s->qp, bad, &bad);

	*first = ret ? (unsigned int)(bad - b->wr) : b->count;
	return ret;
}

/* Give the NIC all that is due to it. Lock held. */
static void pump(struct session *s)
{
	struct batch b;

	while (!s->poster.busy && next_batch(s, &b)) {
		bool writes = b.out[0].kind == TRANSMIT_WRITE;
		unsigned int posted = 0;
		uint64_t began;
		int ret;

		if (writes && poster_takes(s))
			return;
		began = poster_begin(s);
		ret = post(s, &b, &posted);
		conn_posted(&s->conn, b.out, posted);
		if (writes)
			poster_end(s, began);
		if (!ret)
			continue;
		/* A queue that is full for now drains, and the next completion comes back
		 * here: if there is one, for what fitted last may be unsignalled. */
		if (ret != ENOMEM || s->conn.transmit.in_flight <= s->conn.transmit.unsignaled)
			session_fail(s, ret, "posting to the send queue");
		return;
	}
}

/* The lock is released while it lasts. */
static int post_unlocked(struct session *s, struct batch *b, unsigned int *posted)
{
	int ret;

	pthread_mutex_unlock(&s->lock);
	ret = post(s, b, posted);
	pthread_mutex_lock(&s->lock);
	return ret;
}

/* Will a completion tell when there is room for the rest? Those before the batch
 * end with a signalled one. */
static bool drains(const struct session *s, const struct batch *b, unsigned int posted)
{
	unsigned int silent = 0;

	while (silent < posted && !b->out[posted - 1 - silent].signaled)
		silent++;
	return s->conn.transmit.in_flight - (b->count - posted) > silent;
}

bool datapath_post_writes(struct session *s)
{
	unsigned int posted = 0, in_flight;
	struct batch b;
	int ret;

	if (s->poster.busy || !next_batch(s, &b) || b.out[0].kind != TRANSMIT_WRITE)
		return false;
	/* They are taken from the queue first, so that nothing is added to them. */
	conn_posted(&s->conn, b.out, b.count);
	s->poster.busy = true;
	s->counters.delegated++;
	for (;;) {
		in_flight = s->conn.transmit.in_flight;
		ret = post_unlocked(s, &b, &posted);
		if (ret != ENOMEM || s->poster.thread.stop)
			break;
		/* What completed while the lock was away has made room. */
		if (in_flight == s->conn.transmit.in_flight && !drains(s, &b, posted))
			break;
		poster_nap(s);
	}
	s->poster.busy = false;
	if (ret)
		session_fail(s, ret, "posting to the send queue");
	datapath_settle(s);
	return true;
}

/* Everything that can have changed while the lock was held. */
void datapath_settle(struct session *s)
{
	/* conn decides, and cannot wake anybody. */
	if (s->conn.state == CONN_FAILED && !s->error)
		session_fail(s, EPROTO, "a message that cannot be right");
	if (s->conn.refused)
		limits_note_peer(s->peer);
	session_repost(s);
	pump(s);
	session_publish_due(s);
	mr_sweep(s);
	ahead_poke(s);
}

/* 0, or EINVAL for what QEMU never posts. */
static int describe(const struct ibv_send_wr *wr, struct conn_wr *out)
{
	if ((wr->opcode != IBV_WR_SEND && wr->opcode != IBV_WR_RDMA_WRITE) || wr->num_sge != 1 ||
	    !(wr->send_flags & IBV_SEND_SIGNALED))
		return EINVAL;
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

/* Lock held. 0 or a positive errno. */
static int hand_over(struct session *s, const struct conn_wr *wr)
{
	struct source_reply own;
	int ret = -conn_post_send(&s->conn, wr, &own);

	if (s->conn.state == CONN_FAILED)
		return s->error ? s->error : EIO;
	if (!ret && own.len)
		memcpy(send_slot(s, SEND_SLOT_STRICT), own.message, own.len);
	return ret;
}

/* A WRITE, in parts where what it is read from is in several MRs. Should there be no room
 * for all of them, QEMU comes back with the whole, and some parts are written twice. */
static int write_parts(struct session *s, const struct conn_wr *wr)
{
	struct conn_wr part = *wr;
	uint64_t done = 0;
	int ret;

	do {
		part.local_addr = wr->local_addr + done;
		part.remote_addr = wr->remote_addr + done;
		part.length = wr->length - done;
		part.lkey = wr->lkey;
		ret = mr_renew(s, part.local_addr, &part.length, &part.lkey);
		if (ret) {
			log_error("registering memory that was discarded: %s", strerror(ret));
			/* ENOMEM would have QEMU wait and try again. */
			session_fail(s, EIO, "a write from memory that is not registered");
			return s->error;
		}
		done += part.length;
		part.goes_on = done < wr->length;
		part.later = part.local_addr > wr->local_addr;
		ret = hand_over(s, &part);
	} while (!ret && done < wr->length);
	return ret;
}

/* Lock held. One WR; 0 or a positive errno. */
static int post_one_send(struct session *s, const struct ibv_send_wr *wr)
{
	struct conn_wr seen;
	int ret = describe(wr, &seen);

	if (ret)
		return ret;
	return seen.message ? hand_over(s, &seen) : write_parts(s, &seen);
}

int datapath_post_send(struct session *s, struct ibv_qp *qp, struct ibv_send_wr *wr,
		       struct ibv_send_wr **bad_wr)
{
	int ret = 0;

	pthread_mutex_lock(&s->lock);
	progress_rest(s);
	if (s->conn.state == CONN_CANDIDATE)
		ret = session_pass_through(s, "it sends before it is connected");
	if (!ret && s->conn.state == CONN_PASSTHROUGH) {
		ret = verbs_post_send(&s->ops, qp, wr, bad_wr);
		goto out;
	}
	/* What this WR would have to wait for may be there, and the next message of
	 * our own may go. */
	if (!ret && transmit_expects_ready(&s->conn.transmit))
		datapath_drain(s, CONN_RECV_CQ);
	for (; wr && !ret; wr = wr->next) {
		*bad_wr = wr;
		ret = post_one_send(s, wr);
		datapath_settle(s);
		if (!ret && s->conn.state == CONN_FAILED)
			ret = s->error ? s->error : EIO;
	}
out:
	/* Not what verbs promise, but QEMU prints it. */
	if (ret)
		errno = ret;
	pthread_mutex_unlock(&s->lock);
	return ret;
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
	if (!is_of(s, cq, which))
		goto out;
	progress_rest(s);
	conn_arm(&s->conn, which);
	datapath_settle(s);
	/* Only now: what went out just then may be what a READY is due for, and may
	 * complete before the CQ is armed. */
	if (conn_arm(&s->conn, which))
		progress_want(s, which);
out:
	pthread_mutex_unlock(&s->lock);
}

static bool receives_are_ours(const struct session *s)
{
	return s->conn.state == CONN_CANDIDATE ||
	       (s->conn.role == CONN_SOURCE && s->conn.state != CONN_PASSTHROUGH);
}

int datapath_post_recv(struct session *s, struct ibv_qp *qp, struct ibv_recv_wr *wr,
		       struct ibv_recv_wr **bad_wr)
{
	struct recv_request request;
	int ret = 0;

	pthread_mutex_lock(&s->lock);
	if (s->conn.state == CONN_CANDIDATE && wr && wr->num_sge != 1)
		ret = session_pass_through(s, "its receive requests have another shape");
	if (!ret && !receives_are_ours(s)) {
		ret = verbs_post_recv(&s->ops, qp, wr, bad_wr);
		goto out;
	}
	for (; wr && !ret; wr = wr->next) {
		*bad_wr = wr;
		if (wr->num_sge != 1) {
			ret = EINVAL;
			break;
		}
		request = (struct recv_request){
			.wr_id = wr->wr_id,
			.addr = (void *)(uintptr_t)wr->sg_list[0].addr,
			.length = wr->sg_list[0].length,
			.lkey = wr->sg_list[0].lkey,
		};
		ret = -conn_post_recv(&s->conn, &request, s->buffers);
	}
out:
	datapath_settle(s);
	pthread_mutex_unlock(&s->lock);
	return ret;
}

static void complete(struct session *s, const struct ibv_wc *wc)
{
	struct completion done = {
		.wr_id = wc->wr_id,
		.status = wc->status,
		.opcode = wc->opcode,
		.byte_len = wc->byte_len,
		.vendor_err = wc->vendor_err,
	};

	switch (wc->wr_id & WR_ID_MARK_MASK) {
	case WR_ID_MARK_SEND:
		if (conn_send_completed(&s->conn, wc->wr_id & ~WR_ID_MARK_MASK, &done))
			session_fail(s, EIO, "a completion for no request of ours");
		break;
	case WR_ID_MARK_RECV:
		conn_recv_completed(&s->conn, wc->wr_id & ~WR_ID_MARK_MASK, &done, s->buffers);
		break;
	case WR_ID_MARK_NOTHING:
		break;
	default:
		conn_foreign_recv_completed(&s->conn, &done);
	}
}

static int take_due(struct session *s, enum conn_cq which, int entries, struct ibv_wc *wc)
{
	struct completion_queue *due = conn_due(&s->conn, which);
	struct completion c;
	int n = 0;

	while (n < entries && completion_queue_pop(due, &c)) {
		wc[n++] = (struct ibv_wc){
			.wr_id = c.wr_id,
			.status = c.status,
			.opcode = c.opcode,
			.byte_len = c.byte_len,
			.vendor_err = c.vendor_err,
			.qp_num = s->qp->qp_num,
		};
	}
	return n;
}

int datapath_poll_cq(struct session *s, const struct verbs_ops *ops, struct ibv_cq *cq, int entries,
		     struct ibv_wc *wc)
{
	enum conn_cq which = which_cq(s, cq);
	int found = 0, taken = 0;

	if (atomic_load_explicit(&s->progress.polls, memory_order_relaxed) == PROGRESS_OF(which)) {
		pthread_mutex_lock(&s->lock);
		if (is_of(s, cq, which))
			progress_rest(s);
		pthread_mutex_unlock(&s->lock);
	}
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
		if (!is_of(s, cq, which)) {
			/* The session ended under a poll: these are not its own. */
			pthread_mutex_unlock(&s->lock);
			return found;
		}
		for (int i = 0; i < found; i++)
			complete(s, &wc[i]);
		found = 0;
		taken = take_due(s, which, entries, wc);
		datapath_settle(s);
		/* It may have been armed before these came. */
		if (!taken && conn_needs_help(&s->conn, which))
			progress_want(s, which);
		pthread_mutex_unlock(&s->lock);
	}
	return taken;
}

bool datapath_drain(struct session *s, enum conn_cq cq)
{
	struct ibv_wc wc[DRAIN];
	int found = s->ops.poll_cq(s->cq[cq], DRAIN, wc);

	for (int i = 0; i < found; i++)
		complete(s, &wc[i]);
	datapath_settle(s);
	return found > 0;
}
