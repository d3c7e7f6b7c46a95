// SPDX-License-Identifier: GPL-2.0-or-later
#include "nic.h"

#include "clock.h"
#include "settings.h"
#include "device.h"
#include "fault.h"
#include "memory.h"
#include "wire.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>

/* A requester that leaves wakes nobody: how often to look, where nothing else ends the wait. */
#define LOOK_AGAIN_NS 10000000
/* Attempts 7 of IBV_QP_RNR_RETRY are unlimited. */
#define RNR_RETRY_FOREVER 7

/* Where a request's data goes. */
struct target {
	struct span spans[FAB_MAX_SGE];
	struct region *regions[FAB_MAX_SGE];
	int count;
};

/* IBV_QP_MIN_RNR_TIMER's encoding, in microseconds (InfiniBand architecture, table 46). */
static const uint32_t rnr_timer_us[32] = {
	655360, 10,    20,    30,    40,    60,	    80,	    120,    160,    240,    320,
	480,	640,   960,   1280,  1920,  2560,   3840,   5120,   7680,   10240,  15360,
	20480,	30720, 40960, 61440, 81920, 122880, 163840, 245760, 327680, 491520,
};

static bool takes_recv(const struct wire_request *request)
{
	return request->opcode != IBV_WR_RDMA_WRITE;
}

static bool is_write(const struct wire_request *request)
{
	return request->opcode == IBV_WR_RDMA_WRITE ||
	       request->opcode == IBV_WR_RDMA_WRITE_WITH_IMM;
}

/* The requester gave up on the connection; what it had outstanding may have changed meanwhile. */
static bool requester_left(const struct qp *qp)
{
	struct pollfd pfd = {.fd = qp->response_fd, .events = POLLRDHUP};

	return qp->peer_gone_at || poll(&pfd, 1, 0) > 0;
}

/*
 * Waits until a RECV is posted, as the requester's retries would: they come at the responder's RNR
 * timer. Returns IBV_WC_SUCCESS or IBV_WC_RNR_RETRY_EXC_ERR.
 */
static enum ibv_wc_status wait_for_recv(struct qp *qp, unsigned int retries)
{
	uint64_t next;
	unsigned int tries;

	if (fab_config()->rnr_retry > retries)
		retries = (unsigned int)fab_config()->rnr_retry;
	while (fab_config()->await_recv && !qp->rq_posted && !qp->closing && !requester_left(qp))
		fab_cond_wait_until(&qp->changed, &qp->lock, fab_now() + LOOK_AGAIN_NS);
	next = fab_now();
	for (tries = 0; qp->rq_done == qp->rq_posted; tries++) {
		if (retries < RNR_RETRY_FOREVER && tries == retries)
			return IBV_WC_RNR_RETRY_EXC_ERR;
		next += rnr_timer_us[qp->min_rnr_timer] * 1000ull;
		while (!qp->closing && !requester_left(qp) && fab_now() < next)
			fab_cond_wait_until(&qp->changed, &qp->lock, next);
		if (qp->closing || requester_left(qp))
			return IBV_WC_SUCCESS;
	}
	return IBV_WC_SUCCESS;
}

static void release_target(struct target *target)
{
	int i;

	for (i = 0; i < target->count; i++)
		if (target->regions[i])
			fab_region_put(target->regions[i]);
}

static enum ibv_wc_status target_write(struct qp *qp, const struct wire_request *request,
				       struct target *target)
{
	/* The key of an empty WRITE is not looked at. */
	if (!request->length)
		return IBV_WC_SUCCESS;
	if (fab_region_get(qp->base.pd, request->rkey, request->remote_addr, request->length,
			   IBV_ACCESS_REMOTE_WRITE, &target->regions[0], &target->spans[0]) != 0)
		return IBV_WC_REM_ACCESS_ERR;
	target->count = 1;
	return IBV_WC_SUCCESS;
}

/* On failure *recv_status is what the RECV completes with. */
static enum ibv_wc_status target_send(struct qp *qp, const struct wire_request *request,
				      struct target *target, enum ibv_wc_status *recv_status)
{
	const struct recv_entry *recv = &qp->rq[qp->rq_done % (qp->cap.max_recv_wr + 1)];
	uint64_t left = request->length, take;
	int i;

	*recv_status = IBV_WC_LOC_PROT_ERR;
	for (i = 0; i < recv->sge_count && left; i++) {
		take = recv->sge[i].length < left ? recv->sge[i].length : left;
		if (!take)
			continue;
		if (fab_region_get(qp->base.pd, recv->sge[i].lkey, recv->sge[i].addr, take,
				   IBV_ACCESS_LOCAL_WRITE, &target->regions[target->count],
				   &target->spans[target->count]) != 0)
			return IBV_WC_REM_OP_ERR;
		target->count++;
		left -= take;
	}
	if (left) {
		*recv_status = IBV_WC_LOC_LEN_ERR;
		return IBV_WC_REM_INV_REQ_ERR;
	}
	return IBV_WC_SUCCESS;
}

static bool still_open(void *arg)
{
	struct qp *qp = arg;
	bool open;

	pthread_mutex_lock(&qp->lock);
	open = !qp->closing;
	pthread_mutex_unlock(&qp->lock);
	return open;
}

/* Moves the data. Returns the requester's status, or -1 when the connection is of no more use. */
static int place(struct qp *qp, const struct wire_request *request,
		 const struct wire_segment *segments, struct target *target)
{
	int err;

	if (request->carries_data)
		return fab_wire_read_spans(qp->response_fd, target->spans, target->count) ? -1 : 0;
	err = fab_wire_pull(qp->peer_pid, segments, request->segments, target->spans, target->count,
			    still_open, qp);
	if (!err)
		return IBV_WC_SUCCESS;
	if (err == EFAULT || err == ESTALE)
		return IBV_WC_LOC_PROT_ERR;
	if (err == EPERM || err == ENOSYS)
		fprintf(stderr,
			"rdmafabric: cannot read process %d: %s; set RDMAFABRIC_COPY=socket\n",
			(int)qp->peer_pid, strerror(err));
	return -1;
}

static void answer(struct qp *qp, const struct wire_request *request, enum ibv_wc_status status)
{
	struct wire_answer message = {
		.sequence = request->sequence,
		.visible = fab_now() + fab_config()->latency_ns,
		.status = status,
	};
	struct span span = {.at = (char *)&message, .length = sizeof(message)};

	fab_wire_write_spans(qp->response_fd, &span, 1);
}

/* A request that breaks the rules ends the responder's QP, too. */
static void refuse(struct qp *qp, const struct wire_request *request, enum ibv_wc_status status,
		   enum ibv_wc_status recv_status)
{
	struct ibv_wc wc = {.status = recv_status, .opcode = IBV_WC_RECV};

	answer(qp, request, status);
	if (recv_status != IBV_WC_SUCCESS)
		fab_qp_complete_recv(qp, &wc, true, 0);
	fab_async_raise(qp->base.context,
			status == IBV_WC_REM_ACCESS_ERR ? IBV_EVENT_QP_ACCESS_ERR
							: IBV_EVENT_QP_REQ_ERR,
			qp);
	fab_qp_error_locked(qp);
}

static void complete_recv(struct qp *qp, const struct wire_request *request)
{
	struct ibv_wc wc = {
		.status = IBV_WC_SUCCESS,
		.opcode = is_write(request) ? IBV_WC_RECV_RDMA_WITH_IMM : IBV_WC_RECV,
		.byte_len = request->length,
		.src_qp = qp->peer_qpn,
	};
	uint64_t gap = fab_config()->recv_gap_ns;

	if (request->opcode != IBV_WR_SEND) {
		wc.wc_flags = IBV_WC_WITH_IMM;
		wc.imm_data = request->imm_data;
	}
	fab_qp_complete_recv(qp, &wc, request->solicited, gap ? fab_now() + gap : 0);
}

/* Executes a request, with qp->lock held but for the copy. False ends the responder. */
static bool execute(struct qp *qp, const struct wire_request *request,
		    const struct wire_segment *segments)
{
	uint64_t latency = fab_config()->latency_ns;
	enum ibv_wc_status status, recv_status = IBV_WC_SUCCESS;
	struct target target = {.count = 0};
	int placed;

	if (!fab_nic_wait(qp, request->start + latency) ||
	    !fab_nic_wait(qp, fab_now() + fab_fault_request()))
		return false;
	if (takes_recv(request)) {
		status = wait_for_recv(qp, request->rnr_retry);
		if (!fab_qp_works(qp) || requester_left(qp))
			return false;
		if (status != IBV_WC_SUCCESS) {
			answer(qp, request, status);
			return false;
		}
		recv_status = fab_fault_status(FAULT_RECV);
		if (recv_status != IBV_WC_SUCCESS) {
			refuse(qp, request, IBV_WC_REM_OP_ERR, recv_status);
			return false;
		}
	}
	status = is_write(request) ? target_write(qp, request, &target)
				   : target_send(qp, request, &target, &recv_status);
	if (status != IBV_WC_SUCCESS) {
		release_target(&target);
		refuse(qp, request, status, recv_status);
		return false;
	}
	pthread_mutex_unlock(&qp->lock);
	placed = place(qp, request, segments, &target);
	release_target(&target);
	pthread_mutex_lock(&qp->lock);
	if (placed < 0 || !fab_nic_wait(qp, request->end + latency) || !fab_qp_works(qp))
		return false;
	if (placed != IBV_WC_SUCCESS) {
		answer(qp, request, placed);
		return false;
	}
	if (takes_recv(request)) {
		if (requester_left(qp))
			return false;
		complete_recv(qp, request);
	}
	answer(qp, request, IBV_WC_SUCCESS);
	return true;
}

void *fab_responder(void *arg)
{
	struct qp *qp = arg;
	struct wire_segment segments[FAB_MAX_SGE];
	struct wire_request request;
	bool going = true;

	prctl(PR_SET_TIMERSLACK, 1000ul, 0, 0, 0);
	while (going) {
		if (fab_wire_read(qp->response_fd, &request, sizeof(request)) != 0 ||
		    request.segments > FAB_MAX_SGE ||
		    fab_wire_read(qp->response_fd, segments,
				  request.segments * sizeof(segments[0])) != 0)
			break;
		pthread_mutex_lock(&qp->lock);
		going = fab_qp_works(qp) && execute(qp, &request, segments);
		pthread_mutex_unlock(&qp->lock);
	}
	return NULL;
}
