/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/driver.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <time.h>

#include "engine/limits.h"
#include "engine/live.h"
#include "engine/messages.h"
#include "engine/mr.h"
#include "engine/sessions.h"
#include "util/condition.h"
#include "util/error_text.h"
#include "util/log.h"
#include "util/monotonic.h"
#include "util/probes.h"

/* Completions taken in one go from a CQ that QEMU is not looking at. */
#define DRAIN 16

/* What core says is to be posted, as the NIC takes it. */
static void compose(const struct conn_send *send, struct ibv_send_wr *wr, struct ibv_sge *sge)
{
	*sge = (struct ibv_sge){
		.addr = send->addr,
		.length = (uint32_t)send->length,
		.lkey = send->lkey,
	};
	*wr = (struct ibv_send_wr){
		.wr_id = send->wr_id,
		.sg_list = sge,
		.num_sge = send->length ? 1 : 0,
		.opcode = send->message ? IBV_WR_SEND : IBV_WR_RDMA_WRITE,
		.send_flags = send->signaled ? IBV_SEND_SIGNALED : 0,
	};
	if (!send->message) {
		wr->wr.rdma.remote_addr = send->remote_addr;
		wr->wr.rdma.rkey = send->rkey;
	}
}

/* Needs no lock. Sets *posted, to how many the NIC took. 0 or a negative errno. */
static int post(const struct session *s, const struct conn_send *send, unsigned int count,
		unsigned int *posted)
{
	struct ibv_send_wr wr[ORDER_BATCH], *bad = wr;
	struct ibv_sge sge[ORDER_BATCH];
	uint64_t bytes = 0;
	int ret;

	for (unsigned int i = 0; i < count; i++) {
		compose(&send[i], &wr[i], &sge[i]);
		wr[i].next = i + 1 < count ? &wr[i + 1] : NULL;
		bytes += send[i].length;
	}
	ret = verbs_post_send(&s->ops, s->qp, wr, &bad);
	PROBE4(post, s->qp->qp_num, count, bytes, ret);
	*posted = ret ? (unsigned int)(bad - wr) : count;
	return ret;
}

static uint64_t cost_now(const struct post_cost *cost)
{
	struct timespec now;

	if (post_cost_clock(cost) != POST_COST_CPU)
		return monotonic_ns();
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

/* Is it to be found out still whether a poster is worth while? */
static bool poster_is_open(const struct session *s)
{
	return s->worker[SESSION_POSTER].state == WORKER_NONE && session_config()->writes &&
	       session_config()->poster != CONFIG_POSTER_OFF && conn_role(s->conn) == CONN_SOURCE;
}

/* Writes, by a thread of QEMU's. Where that takes long it is the last time. */
static int post_measured(struct session *s, const struct conn_action *action, unsigned int *posted)
{
	bool open = poster_is_open(s);
	uint64_t began = open ? cost_now(&s->post_cost) : 0;
	int ret = post(s, action->post.wr, action->post.count, posted);

	if (!open)
		return ret;
	post_cost_add(&s->post_cost, cost_now(&s->post_cost) - began);
	/* Without a thread things go on as they did. */
	if (post_cost_is_high(&s->post_cost) || session_config()->poster == CONFIG_POSTER_ON)
		worker_start(&s->worker[SESSION_POSTER]);
	return ret;
}

static int post_recv(struct session *s, const struct conn_recv *recv)
{
	struct ibv_sge sge = {
		.addr = recv->addr,
		.length = recv->length,
		.lkey = recv->lkey,
	};
	struct ibv_recv_wr wr = {.wr_id = recv->wr_id, .sg_list = &sge, .num_sge = 1};
	struct ibv_recv_wr *bad;
	int ret = verbs_post_recv(&s->ops, s->qp, &wr, &bad);

	if (!ret) {
		s->recvs_posted++;
		messages_recv_posted(s, recv->wr_id, recv->addr);
	}
	return ret;
}

static void fail(struct session *s, const struct conn_action *action)
{
	unsigned int posted;

	if (action->abort.cause)
		log_error("registering memory that was discarded: %s",
			  error_text(action->abort.cause));
	PROBE2(fail, action->abort.reason, action->abort.error);
	log_error("%s: %s; failing the migration", action->abort.reason,
		  error_text(action->abort.error));
	verbs_fail_qp(s->qp);
	/* Should even this fail, QEMU still wakes for the disconnection. */
	post(s, &action->abort.wr, 1, &posted);
}

void driver_completed(struct session *s, const struct ibv_wc *wc)
{
	const struct completion done = {
		.wr_id = wc->wr_id,
		.status = wc->status,
		.opcode = wc->opcode,
		.byte_len = wc->byte_len,
		.vendor_err = wc->vendor_err,
	};

	PROBE4(complete, s->qp->qp_num, wc->wr_id, wc->status, wc->byte_len);
	messages_completed(s, wc);
	conn_completed(s->conn, &done);
}

bool driver_drain(struct session *s, enum conn_cq cq)
{
	struct ibv_wc wc[DRAIN];
	int found = s->ops.poll_cq(s->cq[cq], DRAIN, wc);

	if (found > 0)
		live_time(s);
	for (int i = 0; i < found; i++)
		driver_completed(s, &wc[i]);
	return found > 0;
}

/* Writes, by the poster: QEMU goes on meanwhile. */
static int post_apart(struct session *s, const struct conn_action *action, unsigned int *posted)
{
	int ret;

	s->delegated++;
	pthread_mutex_unlock(&s->lock);
	ret = post(s, action->post.wr, action->post.count, posted);
	pthread_mutex_lock(&s->lock);
	return ret;
}

static void scan(struct session *s, const struct conn_action *action, struct conn_result *result)
{
	uint64_t began = monotonic_ns();

	pthread_mutex_unlock(&s->lock);
	result->found = scan_find(&s->scan, &action->scan);
	log_debug("looked for data in block %" PRIu32 " from %" PRIu64 ": found %" PRIu64
		  " bytes at %" PRIu64 " in %" PRIu64 " ns",
		  action->scan.block, action->scan.range.start,
		  result->found.end - result->found.start, result->found.start,
		  monotonic_ns() - began);
	pthread_mutex_lock(&s->lock);
}

static void prefetch(struct session *s, const struct conn_action *action,
		     struct conn_result *result)
{
	enum verbs_register with = s->registers;
	uint64_t began = monotonic_ns();
	int ret;

	pthread_mutex_unlock(&s->lock);
	ret = mr_make(with, s->qp->pd, action->memory.addr, action->memory.length,
		      action->memory.access, &result->mr);
	pthread_mutex_lock(&s->lock);
	result->error = -ret;
	result->ns = monotonic_ns() - began;
	/* QEMU will ask for what it needs, and then be told of a failure. */
	if (ret)
		log_info("registering ahead: %s", error_text(-ret));
	pthread_cond_broadcast(&s->changed);
}

/* By a worker, which may let go of the lock; or by a thread of QEMU's, which is only given
 * what is done at once. False when there was nothing to be taken in. */
static bool perform(struct session *s, const struct conn_action *action, bool worker,
		    struct conn_result *result)
{
	switch (action->kind) {
	case CONN_ABORT:
		fail(s, action);
		break;
	case CONN_SHUN:
		limits_note_peer(s->about.peer);
		break;
	case CONN_POST_RECV:
		result->error = -post_recv(s, &action->recv);
		break;
	case CONN_POST_MESSAGE:
		result->error = -post(s, action->post.wr, action->post.count, &result->posted);
		if (!result->error)
			messages_sent(action->post.wr);
		break;
	case CONN_POST_WRITES:
		result->error = -(worker ? post_apart : post_measured)(s, action, &result->posted);
		break;
	case CONN_DEREGISTER:
		verbs_deregister(action->mr);
		break;
	case CONN_LISTEN:
		return driver_drain(s, action->cq);
	case CONN_SCAN:
		scan(s, action, result);
		break;
	case CONN_REGISTER:
		prefetch(s, action, result);
		break;
	case CONN_KINDS:
		break;
	}
	return true;
}

/* One that has nothing to do, or can come to be; NULL when there is none, or when another is about
 * to look, and will wake the next. */
static struct worker *free_prefetcher(struct session *s)
{
	struct worker *w = &s->worker[SESSION_PREFETCHER];
	const struct worker *end = w + session_config()->threads;

	for (; w < end; w++) {
		if (w->called)
			return NULL;
		if (w->state == WORKER_NONE || (w->state == WORKER_RUNS && w->sleeps))
			return w;
		/* Where there was no room for one there is none for another. */
		if (w->state == WORKER_OVER)
			return NULL;
	}
	return NULL;
}

/* One at a time: when it has taken what there is to do, it wakes the next for what is left. */
static void wake_prefetcher(struct session *s)
{
	struct worker *w = free_prefetcher(s);

	if (!w || !conn_has(s->conn, w->job->kinds))
		return;
	/* Without any QEMU asks for all that it needs. */
	if (w->state == WORKER_NONE && worker_start(w) && w == &s->worker[SESSION_PREFETCHER])
		log_info("no thread to register memory ahead");
	worker_wake(w);
}

/*
 * The listener polls the CQ rather than its channel: an event there may be one that QEMU
 * left behind, and reading it could race with QEMU.
 */
static enum worker_next work(void *argument, unsigned int kinds)
{
	struct session *s = argument;
	struct conn_result result = {0};
	struct conn_action action;
	bool found;

	if (!conn_next(s->conn, kinds, &action))
		return WORKER_WAIT;
	if (action.kind == CONN_SCAN || action.kind == CONN_REGISTER)
		wake_prefetcher(s);
	found = perform(s, &action, true, &result);
	live_time(s);
	conn_done(s->conn, &action, &result);
	driver_run(s);
	return found ? WORKER_AGAIN : WORKER_NAP;
}

/* All behind the last do what that does. */
static const struct worker_job jobs[SESSION_PREFETCHER + 1] = {
	[SESSION_LISTENER] = {"rdmachunk-cq", CONN_KIND(CONN_LISTEN), work},
	[SESSION_POSTER] = {"rdmachunk-post", CONN_KIND(CONN_POST_WRITES), work},
	[SESSION_PREFETCHER] = {"rdmachunk-ahead", CONN_KIND(CONN_SCAN) | CONN_KIND(CONN_REGISTER),
				work},
};

void driver_init(struct session *s)
{
	for (int i = 0; i < SESSION_WORKERS; i++)
		worker_init(&s->worker[i], &jobs[i < SESSION_PREFETCHER ? i : SESSION_PREFETCHER],
			    &s->lock, s);
}

int driver_listen(struct session *s)
{
	return worker_start(&s->worker[SESSION_LISTENER]);
}

void driver_end(struct session *s)
{
	for (int i = SESSION_LISTENER + 1; i < SESSION_WORKERS; i++)
		worker_end(&s->worker[i]);
}

void driver_stop(struct session *s)
{
	/* All of them, so that none takes more to do while another is waited for. */
	worker_end(&s->worker[SESSION_LISTENER]);
	driver_end(s);
	for (int i = 0; i < SESSION_WORKERS; i++)
		worker_stop(&s->worker[i]);
}

/* The kinds that nobody else does; and to listen, which driver_run() leaves to the listener. */
static unsigned int remaining(const struct session *s)
{
	unsigned int kinds = CONN_ALL_KINDS & ~jobs[SESSION_PREFETCHER].kinds;

	if (s->worker[SESSION_POSTER].state == WORKER_RUNS)
		kinds &= ~jobs[SESSION_POSTER].kinds;
	return kinds;
}

/* On the CQ that SESSION_LISTENS() stands for, or on none: 0. */
static void hand_over_listening(struct session *s, unsigned int listens)
{
	if (listens == atomic_load_explicit(&s->listens, memory_order_relaxed))
		return;
	atomic_store(&s->listens, listens);
	if (listens)
		worker_wake(&s->worker[SESSION_LISTENER]);
}

/* The others are created when there is work for them, and done without if need be. */
static void wake_workers(struct session *s)
{
	struct worker *poster = &s->worker[SESSION_POSTER];

	if (poster->sleeps && conn_has(s->conn, poster->job->kinds))
		worker_wake(poster);
	wake_prefetcher(s);
}

static void publish_due(struct session *s)
{
	for (int i = 0; i < CONN_CQS; i++)
		atomic_store_explicit(&s->due[i], conn_count_due(s->conn, (enum conn_cq)i),
				      memory_order_release);
}

int driver_run(struct session *s)
{
	struct conn_action action;
	unsigned int listens = 0;
	int ret = 0;

	/* The poster may come to be meanwhile. */
	while (conn_next(s->conn, remaining(s), &action)) {
		struct conn_result result = {0};

		/* The last kind of these, and there for as long as it is needed. */
		if (action.kind == CONN_LISTEN) {
			listens = SESSION_LISTENS(action.cq);
			break;
		}
		perform(s, &action, false, &result);
		live_time(s);
		conn_done(s->conn, &action, &result);
		/* The caller knows whether it can do without. */
		if (action.kind == CONN_POST_RECV && result.error && !conn_error(s->conn)) {
			ret = -result.error;
			break;
		}
	}
	publish_due(s);
	hand_over_listening(s, listens);
	wake_workers(s);
	if (s->gave_back)
		log_info("gave back what was registered ahead, for want of room");
	s->gave_back = false;
	return ret;
}

/* Writes on the wire end within the retry time of the connection, else it fails. */
#define WRITES_NS     UINT64_C(10000000000)
#define WRITES_NAP_NS UINT64_C(100000)

int driver_wait(struct session *s)
{
	uint64_t end = 0;

	for (;;) {
		driver_run(s);
		switch (conn_waits(s->conn)) {
		case CONN_WAITS_FOR_NOTHING:
			return 0;
		case CONN_WAITS_FOR_PREFETCH:
			pthread_cond_wait(&s->changed, &s->lock);
			break;
		case CONN_WAITS_FOR_WRITES:
			/* QEMU cannot be told to: it has had the completions. */
			if (!end)
				end = monotonic_ns() + WRITES_NS;
			if (monotonic_ns() >= end)
				return -ETIMEDOUT;
			if (!driver_drain(s, CONN_SEND_CQ) && !driver_drain(s, CONN_RECV_CQ))
				condition_nap(&s->changed, &s->lock, WRITES_NAP_NS);
			break;
		}
	}
}

int driver_pass_through(struct session *s, const char *reason)
{
	log_info("passing through: %s", reason);
	s->passthrough_reason = reason;
	sessions_untrack(s);
	conn_pass_through(s->conn);
	return driver_run(s);
}
