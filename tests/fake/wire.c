/* SPDX-License-Identifier: GPL-2.0-or-later */

/*
 * Two QPs of this process on a wire: what one posts is done to the memory of the other, in its
 * order, by whoever calls fake_wire_step(). Guest memory, which the guest writes at the same time,
 * is copied behind the back of ThreadSanitizer; messages are not, so that it sees one that is
 * changed while it is on its way.
 */
#include "objects.h"

#include <errno.h>
#include <string.h>
#include <sys/eventfd.h>

#include <rdma/rdma_cma.h>

#define PAGE	 4096u
#define POISON	 0xdddddddddddddddd
#define NO_WATCH __attribute__((noinline, no_sanitize("thread"), no_sanitize("address")))

pthread_mutex_t fake_wire_lock = PTHREAD_MUTEX_INITIALIZER;
struct fake_mr *fake_mrs;

void fake_wire_connect(struct ibv_qp *a, struct ibv_qp *b, unsigned int depth)
{
	struct fake_qp *end[2] = {(struct fake_qp *)a, (struct fake_qp *)b};

	pthread_mutex_lock(&fake_wire_lock);
	for (int i = 0; i < 2; i++) {
		pthread_mutex_lock(&end[i]->lock);
		end[i]->peer = end[!i];
		end[i]->sq_depth = depth < FAKE_SQ ? depth : FAKE_SQ;
		pthread_mutex_unlock(&end[i]->lock);
	}
	pthread_mutex_unlock(&fake_wire_lock);
}

int fake_wire_post(struct fake_qp *qp, const struct ibv_send_wr *wr)
{
	int error = fake_fault(FAKE_POST_SEND, &qp->qp, 0);

	if (error)
		return error;
	if (qp->sq_count == qp->sq_depth)
		return ENOMEM;
	qp->sq[(qp->sq_head + qp->sq_count++) % FAKE_SQ] = (struct fake_wqe){
		.wr_id = wr->wr_id,
		.opcode = wr->opcode,
		.signaled = wr->send_flags & IBV_SEND_SIGNALED,
		.sge = wr->num_sge ? wr->sg_list[0] : (struct ibv_sge){0},
		.remote_addr = wr->wr.rdma.remote_addr,
		.rkey = wr->wr.rdma.rkey,
	};
	return 0;
}

static void finish(struct fake_qp *qp, const struct fake_wqe *wqe, enum ibv_wc_status status)
{
	struct ibv_wc wc = {
		.wr_id = wqe->wr_id,
		.status = status,
		.opcode = wqe->opcode == IBV_WR_SEND ? IBV_WC_SEND : IBV_WC_RDMA_WRITE,
		.qp_num = qp->qp.qp_num,
	};

	if (wqe->signaled || status != IBV_WC_SUCCESS)
		fake_complete(qp->qp.send_cq, &wc);
}

void fake_wire_break(struct fake_qp *qp)
{
	fake_break(qp);
	for (; qp->sq_count; qp->sq_count--) {
		finish(qp, &qp->sq[qp->sq_head], IBV_WC_WR_FLUSH_ERR);
		qp->sq_head = (qp->sq_head + 1) % FAKE_SQ;
	}
}

/* Both ends learn of it. */
void fake_wire_disconnect(struct ibv_qp *ibqp)
{
	struct fake_qp *qp = (struct fake_qp *)ibqp;
	struct fake_qp *end[2] = {qp, NULL};

	if (!qp)
		return;
	pthread_mutex_lock(&fake_wire_lock);
	end[1] = qp->peer;
	for (int i = 0; i < 2 && end[1]; i++) {
		pthread_mutex_lock(&end[i]->lock);
		if (end[i]->channel)
			eventfd_write(end[i]->channel->fd, 1);
		fake_wire_break(end[i]);
		pthread_mutex_unlock(&end[i]->lock);
	}
	pthread_mutex_unlock(&fake_wire_lock);
}

void fake_wire_leave(struct fake_qp *qp)
{
	struct fake_qp *peer;

	pthread_mutex_lock(&fake_wire_lock);
	peer = qp->peer;
	if (peer) {
		pthread_mutex_lock(&peer->lock);
		peer->peer = NULL;
		fake_wire_break(peer);
		pthread_mutex_unlock(&peer->lock);
	}
	pthread_mutex_lock(&qp->lock);
	qp->peer = NULL;
	qp->channel = NULL;
	qp->sq_count = 0;
	qp->used = false;
	pthread_mutex_unlock(&qp->lock);
	pthread_mutex_unlock(&fake_wire_lock);
}

static struct fake_mr *find_mr(uint32_t key, bool remote, uint64_t addr, uint64_t length)
{
	for (struct fake_mr *m = fake_mrs; m; m = m->next)
		if ((remote ? m->mr.rkey : m->mr.lkey) == key && addr >= (uintptr_t)m->mr.addr &&
		    addr + length <= (uintptr_t)m->mr.addr + m->mr.length &&
		    (!remote || m->access & IBV_ACCESS_REMOTE_WRITE))
			return m;
	return NULL;
}

/* In words, so that no compiler makes a call of memcpy() of it. */
NO_WATCH static void copy_words(uint64_t to, uint64_t from, uint64_t length, bool gone)
{
	for (uint64_t at = 0; at < length; at += sizeof(uint64_t))
		*(volatile uint64_t *)(uintptr_t)(to + at) =
			gone ? POISON : *(const volatile uint64_t *)(uintptr_t)(from + at);
}

/* A page that was given back since it was pinned is not what the guest has there now. */
static void copy_pinned(const struct fake_mr *local, const struct fake_wqe *wqe)
{
	uint64_t base = (uintptr_t)local->mr.addr, page;

	for (uint64_t done = 0, part; done < wqe->sge.length; done += part) {
		uint64_t from = wqe->sge.addr + done;

		page = from / PAGE * PAGE;
		part = page + PAGE - from;
		if (part > wqe->sge.length - done)
			part = wqe->sge.length - done;
		copy_words(wqe->remote_addr + done, from, part,
			   local->version && local->version[(page - base / PAGE * PAGE) / PAGE] !=
						     fake_control.page_version((void *)page));
	}
}

static enum ibv_wc_status do_write(const struct fake_wqe *wqe)
{
	struct fake_mr *local, *remote;

	if (!wqe->sge.length)
		return IBV_WC_SUCCESS;
	local = find_mr(wqe->sge.lkey, false, wqe->sge.addr, wqe->sge.length);
	remote = find_mr(wqe->rkey, true, wqe->remote_addr, wqe->sge.length);
	if (!local || !remote) {
		__atomic_fetch_add(&fake_control.violations, 1, __ATOMIC_RELAXED);
		return local ? IBV_WC_REM_ACCESS_ERR : IBV_WC_LOC_PROT_ERR;
	}
	copy_pinned(local, wqe);
	return IBV_WC_SUCCESS;
}

/* False: there is no RECV for it yet. */
static bool do_send(struct fake_qp *peer, const struct fake_wqe *wqe, enum ibv_wc_status *status)
{
	bool taken;

	pthread_mutex_lock(&peer->lock);
	*status = peer->error ? IBV_WC_RETRY_EXC_ERR : IBV_WC_SUCCESS;
	taken = peer->error ||
		fake_receive(peer, (void *)(uintptr_t)wqe->sge.addr, wqe->sge.length);
	pthread_mutex_unlock(&peer->lock);
	return taken;
}

/* The wire's lock is held. */
static bool step(struct fake_qp *qp)
{
	enum ibv_wc_status status = IBV_WC_SUCCESS;
	struct fake_wqe wqe;
	bool any, taken = true;

	if (!qp->used || !qp->peer)
		return false;
	pthread_mutex_lock(&qp->lock);
	any = qp->sq_count > 0;
	if (any)
		wqe = qp->sq[qp->sq_head];
	pthread_mutex_unlock(&qp->lock);
	if (!any)
		return false;
	if (fake_fault(FAKE_WIRE, &qp->qp, 0))
		status = IBV_WC_RETRY_EXC_ERR;
	else if (wqe.opcode == IBV_WR_RDMA_WRITE)
		status = do_write(&wqe);
	else
		taken = do_send(qp->peer, &wqe, &status);
	if (!taken)
		return false;
	pthread_mutex_lock(&qp->lock);
	qp->sq_head = (qp->sq_head + 1) % FAKE_SQ;
	qp->sq_count--;
	finish(qp, &wqe, status);
	if (status != IBV_WC_SUCCESS)
		fake_wire_break(qp);
	pthread_mutex_unlock(&qp->lock);
	return true;
}

bool fake_wire_step(unsigned int which)
{
	bool done = false;

	pthread_mutex_lock(&fake_wire_lock);
	for (unsigned int i = 0; i < FAKE_QPS && !done; i++)
		done = step(&fake_qps[(which + i) % FAKE_QPS]);
	pthread_mutex_unlock(&fake_wire_lock);
	return done;
}
