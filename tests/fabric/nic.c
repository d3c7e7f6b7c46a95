// SPDX-License-Identifier: GPL-2.0-or-later
#include "nic.h"

#include "clock.h"
#include "settings.h"
#include "device.h"
#include "fault.h"
#include "memory.h"
#include "wire.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

/* Answers on their way back must never fill a socket, or both ends would wait for each other. */
#define MAX_IN_FLIGHT 64

bool fab_nic_wait(struct qp *qp, uint64_t deadline)
{
	while (!qp->closing && fab_now() < deadline)
		fab_cond_wait_until(&qp->changed, &qp->lock, deadline);
	return !qp->closing;
}

void fab_nic_peer_gone(struct qp *qp)
{
	if (!qp->peer_gone_at)
		qp->peer_gone_at = fab_now();
	pthread_cond_broadcast(&qp->changed);
}

/*
 * Checks the entry's source and finds its MRs. These are not held: the NIC sees again, when it
 * reads, whether they still live.
 */
static enum ibv_wc_status check_source(struct qp *qp, const struct send_entry *entry,
				       struct span *source)
{
	struct region *region;
	int i;

	for (i = 0; i < entry->sge_count; i++) {
		source[i] = (struct span){.length = 0};
		if (!entry->sge[i].length)
			continue;
		if (fab_region_get(qp->base.pd, entry->sge[i].lkey, entry->sge[i].addr,
				   entry->sge[i].length, 0, &region, &source[i]) != 0)
			return IBV_WC_LOC_PROT_ERR;
		fab_region_put(region);
	}
	return IBV_WC_SUCCESS;
}

static struct span plain(void *at, size_t length)
{
	return (struct span){.at = at, .length = length};
}

/*
 * Puts the request on the socket. Returns 0, ESTALE if an MR has gone meanwhile, or EPIPE if the
 * peer does not take it. Without qp->lock.
 */
static int transmit(struct qp *qp, const struct send_entry *entry, struct wire_request *request,
		    const struct span *source)
{
	struct wire_segment segments[FAB_MAX_SGE];
	struct span spans[1 + FAB_MAX_SGE] = {plain(request, sizeof(*request))};
	int i, count = 1;

	request->carries_data = qp->by_socket || entry->inline_data;
	if (!request->carries_data) {
		request->segments = entry->sge_count;
		for (i = 0; i < entry->sge_count; i++)
			segments[i] = (struct wire_segment){
				.addr = (uintptr_t)source[i].at,
				.length = source[i].length,
				.window = (uintptr_t)source[i].pins,
				.generation = source[i].generation,
			};
		spans[count++] = plain(segments, entry->sge_count * sizeof(segments[0]));
	} else if (entry->inline_data) {
		spans[count++] = plain(entry->inline_data, entry->length);
	} else {
		for (i = 0; i < entry->sge_count; i++)
			spans[count++] = source[i];
	}
	if (fab_wire_write_spans(qp->request_fd, spans, count) == 0)
		return 0;
	return errno == ESTALE ? ESTALE : EPIPE;
}

/* Completions come in order: waits for the answers to those before. */
static void fail_in_order(struct qp *qp, uint64_t sequence, enum ibv_wc_status status)
{
	while (!qp->closing && !qp->peer_gone_at && qp->sq_done < sequence)
		pthread_cond_wait(&qp->changed, &qp->lock);
	if (!qp->closing && qp->sq_done == sequence)
		fab_qp_complete_send(qp, status);
}

/* Executes the next entry up to its leaving. */
static void send_one(struct qp *qp)
{
	uint64_t sequence = qp->sq_sent, start, end;
	struct send_entry *slot = &qp->sq[sequence % (qp->cap.max_send_wr + 1)];
	struct send_entry entry = *slot;
	struct span source[FAB_MAX_SGE];
	struct wire_request request;
	enum ibv_wc_status status;
	int err;

	slot->inline_data = NULL;
	if (!fab_nic_wait(qp, entry.since + fab_fault_qp_delay(qp->nth)))
		goto out;
	fab_wire_reserve(entry.length, &start, &end);
	if (!fab_nic_wait(qp, start))
		goto out;
	status = fab_fault_status(
		entry.opcode == IBV_WR_SEND || entry.opcode == IBV_WR_SEND_WITH_IMM ? FAULT_SEND
										    : FAULT_WRITE);
	if (status == IBV_WC_SUCCESS && entry.length > fab_config()->max_msg_size)
		status = IBV_WC_LOC_LEN_ERR;
	if (status == IBV_WC_SUCCESS && !entry.inline_data)
		status = check_source(qp, &entry, source);
	if (status != IBV_WC_SUCCESS) {
		fail_in_order(qp, sequence, status);
		goto out;
	}
	request = (struct wire_request){
		.sequence = sequence,
		.length = entry.length,
		.remote_addr = entry.remote_addr,
		.start = start,
		.end = end,
		.rkey = entry.rkey,
		.opcode = entry.opcode,
		.imm_data = entry.imm_data,
		.solicited = !!(entry.flags & IBV_SEND_SOLICITED),
		.rnr_retry = qp->rnr_retry,
	};
	slot->since = fab_now();
	qp->sq_sent++;
	pthread_mutex_unlock(&qp->lock);
	err = transmit(qp, &entry, &request, source);
	pthread_mutex_lock(&qp->lock);
	if (err == ESTALE)
		fail_in_order(qp, sequence, IBV_WC_LOC_PROT_ERR);
	else if (err && !qp->closing)
		fab_nic_peer_gone(qp);
out:
	free(entry.inline_data);
}

/* The peer is gone: what is oldest fails when its retry time is over. */
static void wait_for_retries(struct qp *qp)
{
	const struct send_entry *oldest = &qp->sq[qp->sq_done % (qp->cap.max_send_wr + 1)];
	uint64_t deadline;

	if (qp->sq_done == qp->sq_posted) {
		pthread_cond_wait(&qp->changed, &qp->lock);
		return;
	}
	deadline = oldest->since > qp->peer_gone_at ? oldest->since : qp->peer_gone_at;
	deadline += fab_config()->retry_ns;
	if (fab_now() < deadline)
		fab_cond_wait_until(&qp->changed, &qp->lock, deadline);
	else
		fab_qp_complete_send(qp, IBV_WC_RETRY_EXC_ERR);
}

static void *run_requester(void *arg)
{
	struct qp *qp = arg;

	/* The default slack of 50 us would swamp the times that are modelled. */
	prctl(PR_SET_TIMERSLACK, 1000ul, 0, 0, 0);
	pthread_mutex_lock(&qp->lock);
	while (!qp->closing) {
		if (qp->peer_gone_at)
			wait_for_retries(qp);
		else if (qp->sq_sent == qp->sq_posted || qp->sq_sent - qp->sq_done >= MAX_IN_FLIGHT)
			pthread_cond_wait(&qp->changed, &qp->lock);
		else
			send_one(qp);
	}
	pthread_mutex_unlock(&qp->lock);
	return NULL;
}

static void *run_answers(void *arg)
{
	struct qp *qp = arg;
	struct wire_answer answer;
	bool read, going = true;

	prctl(PR_SET_TIMERSLACK, 1000ul, 0, 0, 0);
	while (going) {
		/* Taken with the lock held, so that nobody takes it for gone: fab_qp_settle. */
		read = fab_wire_peek(qp->request_fd, &answer, sizeof(answer)) == 0;
		pthread_mutex_lock(&qp->lock);
		read = read && fab_wire_read(qp->request_fd, &answer, sizeof(answer)) == 0;
		qp->answering = read;
		if (!read) {
			if (!qp->closing)
				fab_nic_peer_gone(qp);
			going = false;
		} else if (fab_nic_wait(qp, answer.visible) && answer.sequence == qp->sq_done) {
			fab_qp_complete_send(qp, answer.status);
			going = fab_qp_works(qp);
		} else {
			going = false;
		}
		qp->answering = false;
		qp->answers_over = !going;
		pthread_cond_broadcast(&qp->changed);
		pthread_mutex_unlock(&qp->lock);
	}
	return NULL;
}

int fab_nic_open(struct qp *qp)
{
	int err;

	err = fab_thread(&qp->requester, "fabric-send", run_requester, qp);
	if (err)
		return err;
	err = fab_thread(&qp->answers, "fabric-answer", run_answers, qp);
	if (err)
		goto stop_requester;
	err = fab_thread(&qp->responder, "fabric-respond", fab_responder, qp);
	if (err)
		goto stop_answers;
	qp->threads_running = true;
	return 0;

stop_answers:
	shutdown(qp->request_fd, SHUT_RDWR);
	qp->closing = true;
	pthread_mutex_unlock(&qp->lock);
	pthread_join(qp->answers, NULL);
	pthread_mutex_lock(&qp->lock);
stop_requester:
	qp->closing = true;
	pthread_cond_broadcast(&qp->changed);
	pthread_mutex_unlock(&qp->lock);
	pthread_join(qp->requester, NULL);
	pthread_mutex_lock(&qp->lock);
	return err;
}

void fab_nic_close(struct qp *qp)
{
	qp->closing = true;
	if (qp->threads_running) {
		shutdown(qp->request_fd, SHUT_RDWR);
		shutdown(qp->response_fd, SHUT_RDWR);
	}
	pthread_cond_broadcast(&qp->changed);
}

void fab_nic_join(struct qp *qp)
{
	if (!qp->threads_running)
		return;
	pthread_join(qp->requester, NULL);
	pthread_join(qp->answers, NULL);
	pthread_join(qp->responder, NULL);
	close(qp->request_fd);
	close(qp->response_fd);
}

/* A connection that is cut neither sends nor answers; both ends run into their retry times. */
static void cut_if_lost(struct qp *qp)
{
	pthread_mutex_lock(&qp->lock);
	if (qp->threads_running && !qp->closing && fab_fault_lost(qp->connected_at)) {
		fab_nic_peer_gone(qp);
		shutdown(qp->request_fd, SHUT_RDWR);
		shutdown(qp->response_fd, SHUT_RDWR);
	}
	pthread_mutex_unlock(&qp->lock);
}

static void link_changed(void)
{
	/* Whoever learns of it finds nothing that still works. */
	fab_for_each_qp(cut_if_lost);
	if (fab_fault_link_down())
		fab_async_raise(NULL, IBV_EVENT_PORT_ERR, NULL);
}

static void start_once(void)
{
	fab_fault_on_link_change(link_changed);
	/* Where Yama restricts reading another process's memory to its tracer. */
	prctl(PR_SET_PTRACER, PR_SET_PTRACER_ANY, 0, 0, 0);
}

void fab_nic_start(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, start_once);
}
