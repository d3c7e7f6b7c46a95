// SPDX-License-Identifier: GPL-2.0-or-later
#include "queue_pair.h"

#include "clock.h"
#include "settings.h"
#include "device.h"
#include "fault.h"
#include "memory.h"
#include "nic.h"
#include "report.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

/* How often to look again for what has no event of its own. */
#define SETTLE_NS 1000000

static pthread_mutex_t live_lock = PTHREAD_MUTEX_INITIALIZER;
static struct qp *live_qps;
static unsigned int created;

static bool fits(const struct ibv_qp_init_attr *attr)
{
	uint64_t max_wr = fab_config()->max_qp_wr;

	return attr->qp_type == IBV_QPT_RC && attr->send_cq && attr->recv_cq && !attr->srq &&
	       attr->cap.max_send_wr <= max_wr && attr->cap.max_recv_wr <= max_wr &&
	       attr->cap.max_send_sge <= FAB_MAX_SGE && attr->cap.max_recv_sge <= FAB_MAX_SGE &&
	       attr->cap.max_inline_data <= FAB_MAX_INLINE;
}

struct ibv_qp *ibv_create_qp(struct ibv_pd *pd, struct ibv_qp_init_attr *attr)
{
	int err = fab_verb(VERB_CREATE_QP);
	struct qp *qp = NULL;

	if (err)
		goto fail;
	err = EINVAL;
	if (!fits(attr))
		goto fail;
	err = ENOMEM;
	qp = calloc(1, sizeof(*qp));
	if (!qp)
		goto fail;
	qp->cap = attr->cap;
	/* Depth 0 is legal and means a queue that is always full. */
	qp->sq = calloc(qp->cap.max_send_wr + 1, sizeof(*qp->sq));
	qp->rq = calloc(qp->cap.max_recv_wr + 1, sizeof(*qp->rq));
	if (!qp->sq || !qp->rq)
		goto fail;
	qp->signal_all = attr->sq_sig_all;
	qp->late_end = &qp->late;
	qp->request_fd = -1;
	qp->response_fd = -1;
	pthread_mutex_init(&qp->lock, NULL);
	fab_cond_init(&qp->changed);
	pthread_mutex_init(&qp->base.mutex, NULL);
	pthread_cond_init(&qp->base.cond, NULL);
	qp->base.context = pd->context;
	qp->base.qp_context = attr->qp_context;
	qp->base.pd = pd;
	qp->base.send_cq = attr->send_cq;
	qp->base.recv_cq = attr->recv_cq;
	qp->base.state = IBV_QPS_RESET;
	qp->base.qp_type = attr->qp_type;
	fab_pd_hold(pd);
	fab_cq_hold(attr->send_cq);
	fab_cq_hold(attr->recv_cq);
	pthread_mutex_lock(&live_lock);
	qp->nth = ++created;
	qp->base.handle = qp->nth;
	/* Tells the QPs of two processes apart in traces; nothing depends on it. */
	qp->base.qp_num = (((uint32_t)getpid() << 8) + qp->nth) & 0xffffff;
	qp->next_live = live_qps;
	live_qps = qp;
	pthread_mutex_unlock(&live_lock);
	return &qp->base;
fail:
	if (qp) {
		free(qp->sq);
		free(qp->rq);
		free(qp);
	}
	errno = err;
	return NULL;
}

static void deliver_late(struct qp *qp, uint64_t until)
{
	struct late_completion *late;

	while ((late = qp->late) && late->due <= until) {
		qp->late = late->next;
		if (!qp->late)
			qp->late_end = &qp->late;
		fab_cq_push(qp->base.recv_cq, &late->completion, late->solicited);
		free(late);
	}
}

static void deliver_late_due(void *arg)
{
	struct qp *qp = arg;

	pthread_mutex_lock(&qp->lock);
	deliver_late(qp, fab_now());
	pthread_mutex_unlock(&qp->lock);
}

static void free_inline_data(struct qp *qp)
{
	unsigned int i;

	for (i = 0; i <= qp->cap.max_send_wr; i++)
		free(qp->sq[i].inline_data);
}

int ibv_destroy_qp(struct ibv_qp *base)
{
	struct qp *qp = (struct qp *)base, **p;
	struct late_completion *late;
	int err = fab_verb(VERB_DESTROY_QP);

	if (err)
		return err;
	pthread_mutex_lock(&live_lock);
	for (p = &live_qps; *p != qp; p = &(*p)->next_live)
		continue;
	*p = qp->next_live;
	pthread_mutex_unlock(&live_lock);

	pthread_mutex_lock(&qp->lock);
	base->state = IBV_QPS_RESET;
	fab_nic_close(qp);
	pthread_mutex_unlock(&qp->lock);
	fab_nic_join(qp);
	fab_timer_cancel(deliver_late_due, qp);
	while ((late = qp->late)) {
		qp->late = late->next;
		free(late);
	}
	fab_cq_forget(base->send_cq, &qp->sq_retired);
	fab_async_forget(base);
	fab_cq_release(base->send_cq);
	fab_cq_release(base->recv_cq);
	fab_pd_release(base->pd);
	free_inline_data(qp);
	free(qp->sq);
	free(qp->rq);
	pthread_cond_destroy(&qp->changed);
	pthread_mutex_destroy(&qp->lock);
	free(qp);
	fab_report_write();
	return 0;
}

static bool may_move(enum ibv_qp_state from, enum ibv_qp_state to)
{
	switch (to) {
	case IBV_QPS_RESET:
	case IBV_QPS_ERR:
		return true;
	case IBV_QPS_INIT:
		return from == IBV_QPS_RESET || from == IBV_QPS_INIT;
	case IBV_QPS_RTR:
		return from == IBV_QPS_INIT;
	case IBV_QPS_RTS:
		return from == IBV_QPS_RTR || from == IBV_QPS_RTS;
	default:
		return false;
	}
}

/*
 * Only rdma_cm connects QPs here, with fab_qp_connect; this is for the states before and after.
 */
int ibv_modify_qp(struct ibv_qp *base, struct ibv_qp_attr *attr, int mask)
{
	struct qp *qp = (struct qp *)base;
	int err = fab_verb(VERB_MODIFY_QP);

	if (err)
		return err;
	pthread_mutex_lock(&qp->lock);
	if (mask & IBV_QP_MIN_RNR_TIMER)
		qp->min_rnr_timer = attr->min_rnr_timer & 31;
	if (mask & IBV_QP_RNR_RETRY)
		qp->rnr_retry = attr->rnr_retry & 7;
	if (mask & IBV_QP_STATE) {
		if (!may_move(base->state, attr->qp_state))
			err = EINVAL;
		else if (attr->qp_state == IBV_QPS_RESET && base->state != IBV_QPS_RESET)
			err = EOPNOTSUPP;
		else if (attr->qp_state == IBV_QPS_ERR)
			fab_qp_error_locked(qp);
		else
			base->state = attr->qp_state;
	}
	pthread_mutex_unlock(&qp->lock);
	return err;
}

int ibv_query_qp(struct ibv_qp *base, struct ibv_qp_attr *attr, int mask,
		 struct ibv_qp_init_attr *init)
{
	struct qp *qp = (struct qp *)base;
	int err = fab_verb(VERB_QUERY_QP);

	(void)mask;
	if (err)
		return err;
	pthread_mutex_lock(&qp->lock);
	*attr = (struct ibv_qp_attr){
		.qp_state = base->state,
		.cur_qp_state = base->state,
		.path_mtu = IBV_MTU_4096,
		.dest_qp_num = qp->peer_qpn,
		.qp_access_flags = IBV_ACCESS_REMOTE_WRITE,
		.cap = qp->cap,
		.port_num = 1,
		.min_rnr_timer = qp->min_rnr_timer,
		.rnr_retry = qp->rnr_retry,
	};
	*init = (struct ibv_qp_init_attr){
		.qp_context = base->qp_context,
		.send_cq = base->send_cq,
		.recv_cq = base->recv_cq,
		.cap = qp->cap,
		.qp_type = base->qp_type,
		.sq_sig_all = qp->signal_all,
	};
	pthread_mutex_unlock(&qp->lock);
	return 0;
}

int fab_qp_connect(struct ibv_qp *base, const struct qp_connection *connection)
{
	struct qp *qp = (struct qp *)base;
	int err;

	pthread_mutex_lock(&qp->lock);
	err = base->state == IBV_QPS_INIT && !qp->threads_running ? 0 : EINVAL;
	if (!err) {
		qp->request_fd = connection->request_fd;
		qp->response_fd = connection->response_fd;
		qp->peer_pid = connection->peer_pid;
		qp->peer_qpn = connection->peer_qpn;
		qp->by_socket = connection->by_socket;
		qp->rnr_retry = connection->rnr_retry & 7;
		qp->connected_at = fab_now();
		base->state = IBV_QPS_RTS;
		err = fab_nic_open(qp);
		if (err) {
			qp->request_fd = -1;
			qp->response_fd = -1;
			base->state = IBV_QPS_INIT;
		}
	}
	pthread_mutex_unlock(&qp->lock);
	if (!err)
		fab_fault_connected();
	return err;
}

bool fab_qp_works(const struct qp *qp)
{
	return qp->base.state == IBV_QPS_RTS && !qp->closing;
}

static enum ibv_wc_opcode completion_opcode(enum ibv_wr_opcode opcode)
{
	return opcode == IBV_WR_RDMA_WRITE || opcode == IBV_WR_RDMA_WRITE_WITH_IMM
		       ? IBV_WC_RDMA_WRITE
		       : IBV_WC_SEND;
}

void fab_qp_complete_send(struct qp *qp, enum ibv_wc_status status)
{
	const struct send_entry *entry = &qp->sq[qp->sq_done % (qp->cap.max_send_wr + 1)];
	struct completion completion = {
		.wc = {.wr_id = entry->wr_id,
		       .status = status,
		       .opcode = completion_opcode(entry->opcode),
		       .byte_len = entry->length,
		       .qp_num = qp->base.qp_num},
		.retired = &qp->sq_retired,
		.slots_free = qp->sq_done + 1,
	};

	qp->sq_done++;
	if (qp->sq_sent < qp->sq_done)
		qp->sq_sent = qp->sq_done;
	if (fab_config()->sq_retire == SQ_RETIRE_NIC) {
		completion.retired = NULL;
		atomic_store(&qp->sq_retired, qp->sq_done);
	}
	/* Errors are always reported, as the queue ends with them. */
	if (status != IBV_WC_SUCCESS || qp->signal_all || (entry->flags & IBV_SEND_SIGNALED))
		fab_cq_push(qp->base.send_cq, &completion, false);
	if (status != IBV_WC_SUCCESS && qp->base.state != IBV_QPS_ERR)
		fab_qp_error_locked(qp);
	pthread_cond_broadcast(&qp->changed);
}

void fab_qp_complete_recv(struct qp *qp, struct ibv_wc *wc, bool solicited, uint64_t due)
{
	struct completion completion = {.wc = *wc};
	struct late_completion *late;

	completion.wc.wr_id = qp->rq[qp->rq_done % (qp->cap.max_recv_wr + 1)].wr_id;
	completion.wc.qp_num = qp->base.qp_num;
	qp->rq_done++;
	if (due > fab_now() && (late = malloc(sizeof(*late)))) {
		*late = (struct late_completion){
			.due = due, .completion = completion, .solicited = solicited};
		if (fab_timer_add(due, deliver_late_due, qp) == 0) {
			*qp->late_end = late;
			qp->late_end = &late->next;
			return;
		}
		free(late);
	}
	deliver_late(qp, UINT64_MAX);
	fab_cq_push(qp->base.recv_cq, &completion, solicited);
}

void fab_qp_error_locked(struct qp *qp)
{
	struct ibv_wc flush = {.status = IBV_WC_WR_FLUSH_ERR, .opcode = IBV_WC_RECV};

	if (qp->base.state == IBV_QPS_ERR || qp->base.state == IBV_QPS_RESET)
		return;
	qp->base.state = IBV_QPS_ERR;
	/* First, so that the peer can tell that what it may still take in is not to be trusted. */
	fab_nic_close(qp);
	while (qp->sq_done < qp->sq_posted)
		fab_qp_complete_send(qp, IBV_WC_WR_FLUSH_ERR);
	while (qp->rq_done < qp->rq_posted)
		fab_qp_complete_recv(qp, &flush, false, 0);
}

void fab_qp_error(struct ibv_qp *base)
{
	struct qp *qp = (struct qp *)base;

	pthread_mutex_lock(&qp->lock);
	fab_qp_error_locked(qp);
	pthread_mutex_unlock(&qp->lock);
}

void fab_for_each_qp(void (*fn)(struct qp *qp))
{
	struct qp *qp;

	pthread_mutex_lock(&live_lock);
	for (qp = live_qps; qp; qp = qp->next_live)
		fn(qp);
	pthread_mutex_unlock(&live_lock);
}

/* With qp->lock held: the answers thread takes none from the socket without it. */
static bool has_answers(const struct qp *qp)
{
	int bytes = 0;

	if (!qp->threads_running || qp->answers_over)
		return false;
	return qp->answering || (ioctl(qp->request_fd, FIONREAD, &bytes) == 0 && bytes > 0);
}

void fab_qp_settle(const struct ibv_qp *base)
{
	struct qp *qp;

	/* So locked none can be destroyed. */
	pthread_mutex_lock(&live_lock);
	for (qp = live_qps; qp && &qp->base != base; qp = qp->next_live)
		continue;
	if (qp) {
		pthread_mutex_lock(&qp->lock);
		while (has_answers(qp))
			fab_cond_wait_until(&qp->changed, &qp->lock, fab_now() + SETTLE_NS);
		pthread_mutex_unlock(&qp->lock);
	}
	pthread_mutex_unlock(&live_lock);
}

uint64_t fab_live_qps(void)
{
	uint64_t count = 0;
	struct qp *qp;

	pthread_mutex_lock(&live_lock);
	for (qp = live_qps; qp; qp = qp->next_live)
		count++;
	pthread_mutex_unlock(&live_lock);
	return count;
}

static int copy_sges(struct ibv_sge *to, const struct ibv_sge *from, int count, uint64_t *length)
{
	int i;

	*length = 0;
	for (i = 0; i < count; i++) {
		to[i] = from[i];
		*length += from[i].length;
	}
	return *length > 1ull << 31 ? EINVAL : 0;
}

static int post_one_send(struct qp *qp, const struct ibv_send_wr *wr)
{
	struct send_entry *entry = &qp->sq[qp->sq_posted % (qp->cap.max_send_wr + 1)];
	char *data;
	int i, err;

	if (qp->base.state != IBV_QPS_RTS && qp->base.state != IBV_QPS_ERR)
		return EINVAL;
	if (wr->num_sge < 0 || (uint32_t)wr->num_sge > qp->cap.max_send_sge)
		return EINVAL;
	if (wr->opcode != IBV_WR_SEND && wr->opcode != IBV_WR_SEND_WITH_IMM &&
	    wr->opcode != IBV_WR_RDMA_WRITE && wr->opcode != IBV_WR_RDMA_WRITE_WITH_IMM)
		return EINVAL;
	if (qp->sq_posted - atomic_load(&qp->sq_retired) >= qp->cap.max_send_wr)
		return ENOMEM;
	free(entry->inline_data);
	*entry = (struct send_entry){
		.wr_id = wr->wr_id,
		.opcode = wr->opcode,
		.flags = wr->send_flags,
		.imm_data = wr->imm_data,
		.remote_addr = wr->wr.rdma.remote_addr,
		.rkey = wr->wr.rdma.rkey,
		.sge_count = wr->num_sge,
	};
	err = copy_sges(entry->sge, wr->sg_list, wr->num_sge, &entry->length);
	if (err)
		return err;
	if (wr->send_flags & IBV_SEND_INLINE) {
		if (entry->length > qp->cap.max_inline_data)
			return EINVAL;
		data = malloc(entry->length + 1);
		if (!data)
			return ENOMEM;
		entry->inline_data = data;
		for (i = 0; i < wr->num_sge; i++) {
			memcpy(data, (void *)(uintptr_t)wr->sg_list[i].addr, wr->sg_list[i].length);
			data += wr->sg_list[i].length;
		}
	}
	entry->since = fab_now();
	qp->sq_posted++;
	if (qp->base.state == IBV_QPS_ERR)
		fab_qp_complete_send(qp, IBV_WC_WR_FLUSH_ERR);
	return 0;
}

int fab_post_send(struct ibv_qp *base, struct ibv_send_wr *wr, struct ibv_send_wr **bad)
{
	struct qp *qp = (struct qp *)base;
	int err = fab_verb(VERB_POST_SEND);
	uint64_t began = fab_work_begin();
	bool slow;

	if (err) {
		*bad = wr;
		return err;
	}
	slow = fab_config()->post_ns && wr && wr->opcode == IBV_WR_RDMA_WRITE;
	pthread_mutex_lock(&qp->lock);
	for (; wr && !err; wr = err ? wr : wr->next)
		err = post_one_send(qp, wr);
	pthread_cond_broadcast(&qp->changed);
	pthread_mutex_unlock(&qp->lock);
	if (slow)
		fab_work_until(began, fab_config()->post_ns);
	if (err)
		*bad = wr;
	return err;
}

static int post_one_recv(struct qp *qp, const struct ibv_recv_wr *wr)
{
	struct recv_entry *entry = &qp->rq[qp->rq_posted % (qp->cap.max_recv_wr + 1)];
	struct ibv_wc flush = {.status = IBV_WC_WR_FLUSH_ERR, .opcode = IBV_WC_RECV};
	uint64_t length;

	if (qp->base.state == IBV_QPS_RESET)
		return EINVAL;
	if (wr->num_sge < 0 || (uint32_t)wr->num_sge > qp->cap.max_recv_sge)
		return EINVAL;
	if (qp->rq_posted - qp->rq_done >= qp->cap.max_recv_wr)
		return ENOMEM;
	*entry = (struct recv_entry){.wr_id = wr->wr_id, .sge_count = wr->num_sge};
	if (copy_sges(entry->sge, wr->sg_list, wr->num_sge, &length) != 0)
		return EINVAL;
	qp->rq_posted++;
	if (qp->base.state == IBV_QPS_ERR)
		fab_qp_complete_recv(qp, &flush, false, 0);
	return 0;
}

int fab_post_recv(struct ibv_qp *base, struct ibv_recv_wr *wr, struct ibv_recv_wr **bad)
{
	struct qp *qp = (struct qp *)base;
	int err = fab_verb(VERB_POST_RECV);

	if (err) {
		*bad = wr;
		return err;
	}
	pthread_mutex_lock(&qp->lock);
	for (; wr && !err; wr = err ? wr : wr->next)
		err = post_one_recv(qp, wr);
	pthread_cond_broadcast(&qp->changed);
	pthread_mutex_unlock(&qp->lock);
	if (err)
		*bad = wr;
	return err;
}
