/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/session.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "core/verbs_values.h"
#include "engine/datapath.h"
#include "engine/discard.h"
#include "engine/limits.h"
#include "engine/mr.h"
#include "engine/registry.h"
#include "engine/report.h"
#include "util/log.h"

_Static_assert((int)VERBS_WC_SUCCESS == (int)IBV_WC_SUCCESS, "verbs ABI");
_Static_assert((int)VERBS_WC_LOC_LEN_ERR == (int)IBV_WC_LOC_LEN_ERR, "verbs ABI");
_Static_assert((int)VERBS_WC_WR_FLUSH_ERR == (int)IBV_WC_WR_FLUSH_ERR, "verbs ABI");
_Static_assert((int)VERBS_WC_SEND == (int)IBV_WC_SEND, "verbs ABI");
_Static_assert((int)VERBS_WC_RECV == (int)IBV_WC_RECV, "verbs ABI");
_Static_assert((int)VERBS_ACCESS_ON_DEMAND == (int)IBV_ACCESS_ON_DEMAND, "verbs ABI");

/* QEMU's RDMA_SIGNALED_SEND_MAX (512) and its three RECVs. */
#define QEMU_MAX_SEND_WR 512
#define QEMU_MAX_RECV_WR 3

static const struct verbs_calls *verbs;
static struct config config;
static pthread_once_t config_once = PTHREAD_ONCE_INIT;
static pthread_once_t report_once = PTHREAD_ONCE_INIT;
static atomic_uint destinations;

void session_layer_init(const struct verbs_calls *calls)
{
	verbs = calls;
}

const struct verbs_calls *session_calls(void)
{
	return verbs;
}

static void parse_config(void)
{
	config_parse(&config, environ);
}

const struct config *session_config(void)
{
	pthread_once(&config_once, parse_config);
	return &config;
}

/* Only a process that makes a migration connection has anything to be told. */
static void report_config(void)
{
	log_open(&config);
	for (size_t i = 0; i < config.errors; i++)
		log_always("%s; migrating without rdmachunk", config.error[i]);
	for (size_t i = 0; i < config.warnings; i++)
		log_warn("%s", config.warning[i]);
}

bool session_is_candidate(const struct rdma_cm_id *id, const struct ibv_pd *pd,
			  const struct ibv_qp_init_attr *attr)
{
	return id && pd && id->ps == RDMA_PS_TCP && attr->qp_type == IBV_QPT_RC && !attr->srq &&
	       attr->send_cq && attr->recv_cq && attr->send_cq->channel && attr->recv_cq->channel &&
	       attr->cap.max_send_wr == QEMU_MAX_SEND_WR &&
	       attr->cap.max_recv_wr == QEMU_MAX_RECV_WR && attr->cap.max_send_sge == 1 &&
	       attr->cap.max_recv_sge == 1 && !attr->cap.max_inline_data;
}

static void begin(struct session *s, struct rdma_cm_id *id, const struct ibv_qp_init_attr *attr,
		  const struct verbs_ops *ops)
{
	const struct conn_options options = {
		.shift = session_config()->shift,
		.writes = session_config()->writes,
		.zeros = session_config()->zeros,
		/* The smallest region is for seeing what QEMU does by itself. */
		.ahead = session_config()->ahead && session_config()->shift > CONFIG_SHIFT_MIN,
		.limited = limits_tight(),
		.memory = ahead_memory,
	};

	s->live = true;
	s->qp = id->qp;
	s->cq[CONN_SEND_CQ] = attr->send_cq;
	s->cq[CONN_RECV_CQ] = attr->recv_cq;
	s->ops = *ops;
	s->memory = NULL;
	s->memory_mr = NULL;
	s->error = 0;
	s->warned_fallback = false;
	s->destination = false;
	s->passthrough_reason = NULL;
	s->peer[0] = '\0';
	memset(&s->counters, 0, sizeof(s->counters));
	s->reporter = 0;
	memset(&s->mrs, 0, sizeof(s->mrs));
	memset(&s->started, 0, sizeof(s->started));
	progress_init(s);
	ahead_init(s);
	poster_init(s);
	conn_init(&s->conn, attr->send_cq == attr->recv_cq, &options);
	session_publish_due(s);
}

static void end(struct session *s)
{
	bool watched;

	registry_untrack(s);
	if (s->destination)
		atomic_fetch_sub(&destinations, 1);
	watched = !discard_unwatch(conn_blocks(&s->conn));
	mr_release(s);
	if (s->memory_mr)
		verbs->dereg_mr(s->memory_mr);
	if (s->memory)
		munmap(s->memory, SESSION_MEMORY_LEN);
	if (watched)
		ram_blocks_abandon(conn_blocks(&s->conn));
	conn_clear(&s->conn);
	s->live = false;
	registry_free(s);
}

int session_create_qp(struct rdma_cm_id *id, struct ibv_pd *pd, struct ibv_qp_init_attr *attr,
		      const struct verbs_ops *(*patch)(struct ibv_context *context))
{
	struct ibv_qp_init_attr raised = *attr;
	const struct verbs_ops *ops;
	struct session *s;
	int ret;

	if (!session_config()->enabled || !session_is_candidate(id, pd, attr))
		return verbs->create_qp(id, pd, attr);
	if (raised.cap.max_recv_wr < RECV_QUEUE_BUFFERS)
		raised.cap.max_recv_wr = RECV_QUEUE_BUFFERS;
	ret = verbs->create_qp(id, pd, &raised);
	if (ret) /* with less it may work */
		return verbs->create_qp(id, pd, attr);
	attr->cap = raised.cap;

	ops = patch(id->verbs);
	s = ops ? registry_new(id, pd) : NULL;
	if (!s)
		return 0;
	begin(s, id, attr, ops);
	if (registry_track_qp(s))
		end(s);
	else
		pthread_mutex_unlock(&s->lock);
	return 0;
}

void session_destroy_qp(struct rdma_cm_id *id)
{
	struct session *s = registry_lock_id(id);

	if (!s) {
		verbs->destroy_qp(id);
		return;
	}
	/*
	 * The QP goes before the memory it receives into. No one posts to a QP
	 * that is being destroyed, and polls of its CQs find nothing any more.
	 */
	progress_stop(s);
	ahead_stop(s);
	poster_stop(s);
	registry_untrack(s);
	report_session(s);
	verbs->destroy_qp(id);
	end(s);
}

static int allocate_memory(struct session *s)
{
	void *memory = mmap(NULL, SESSION_MEMORY_LEN, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (memory == MAP_FAILED)
		return errno;
	s->memory = memory;
	for (unsigned int i = 0; i < RECV_QUEUE_BUFFERS; i++)
		s->buffers[i] = (char *)memory + (size_t)i * WIRE_MESSAGE_MAX;
	s->memory_mr = verbs->reg_mr(s->qp->pd, memory, SESSION_MEMORY_LEN, IBV_ACCESS_LOCAL_WRITE);
	return s->memory_mr ? 0 : errno;
}

void session_publish_due(struct session *s)
{
	for (int i = 0; i < CONN_CQS; i++)
		atomic_store_explicit(&s->due[i], s->conn.due[i].count, memory_order_release);
}

/* What QEMU posted while nobody knew yet whose connection it is. */
static int post_kept_recvs(struct session *s)
{
	struct recv_request request;
	int ret = 0;

	while (!ret && recv_queue_take(&s->conn.recvs, &request))
		ret = datapath_post_real_recv(s, &request);
	return ret;
}

int session_pass_through(struct session *s, const char *reason)
{
	log_info("passing through: %s", reason);
	s->passthrough_reason = reason;
	registry_untrack(s);
	conn_pass_through(&s->conn);
	return post_kept_recvs(s);
}

/*
 * A source's own receive buffers. Returns 0; or 1 when nothing has been posted
 * and the connection can still pass through; or a negative errno when it cannot.
 */
static int take_over_receives(struct session *s)
{
	int ret = allocate_memory(s);

	if (ret) {
		log_warn("no memory for receive buffers: %s", strerror(ret));
		return 1;
	}
	for (unsigned int i = 0; i < RECV_QUEUE_BUFFERS; i++) {
		ret = datapath_post_own_recv(s, i);
		if (ret)
			return i ? -ret : 1;
	}
	return 0;
}

static void note_peer(struct session *s, struct rdma_cm_id *id)
{
	const struct sockaddr *peer = rdma_get_peer_addr(id);

	if (peer->sa_family == AF_INET)
		inet_ntop(AF_INET, &((const struct sockaddr_in *)(const void *)peer)->sin_addr,
			  s->peer, sizeof(s->peer));
	else if (peer->sa_family == AF_INET6)
		inet_ntop(AF_INET6, &((const struct sockaddr_in6 *)(const void *)peer)->sin6_addr,
			  s->peer, sizeof(s->peer));
}

/* This peer has given up once when it was asked for more. */
static void ask_singly(struct session *s)
{
	static atomic_flag warned = ATOMIC_FLAG_INIT;

	conn_ask_singly(&s->conn);
	if (atomic_flag_test_and_set(&warned))
		return;
	log_warn(
		"the last migration to %s ended while memory was being registered there; asking for "
		"QEMU's own chunks only. Raise the limit of locked memory of the QEMU there "
		"(ulimit -l, LimitMEMLOCK=, libvirt's hard_limit)",
		s->peer);
}

/* Lock held. Why this connection is not for us, or NULL. */
static const char *unfit(struct session *s, const struct wire_caps *caps)
{
	if (caps->flags & WIRE_FLAG_PIN_ALL)
		return "rdma-pin-all registers whole RAM blocks already";
	if (caps->flags)
		return "unknown capabilities";
	if (registry_track_cqs(s))
		return "its completion queues serve others too";
	return NULL;
}

/* The longest message of the port's, in bytes; QEMU's own chunk when it will not
 * tell, which every port can do. */
static uint64_t max_message(const struct rdma_cm_id *id)
{
	struct ibv_port_attr attr;

	memset(&attr, 0, sizeof(attr));
	if (!verbs->query_port ||
	    verbs->query_port(id->verbs, id->port_num,
			      (struct _compat_ibv_port_attr *)(void *)&attr) ||
	    !attr.max_msg_sz)
		return UINT64_C(1) << CONFIG_SHIFT_MIN;
	return attr.max_msg_sz;
}

/*
 * The connection is made: from here on it is ours, or it passes through.
 * Returns 0, or the errno with which connecting fails.
 */
static int start(struct rdma_cm_id *id, const struct rdma_conn_param *param, enum conn_role role)
{
	struct wire_caps caps;
	struct session *s;
	const char *reason;
	int ret = 0;

	if (!param || param->private_data_len != WIRE_CAPS_LEN ||
	    wire_parse_caps(param->private_data, param->private_data_len, &caps) ||
	    caps.version != WIRE_VERSION) {
		s = registry_lock_id(id);
		if (s) {
			ret = session_pass_through(s, "not a QEMU migration");
			pthread_mutex_unlock(&s->lock);
		}
		return ret;
	}
	session_config();
	pthread_once(&report_once, report_config);
	s = registry_lock_id(id);
	if (!s)
		return 0;
	if (s->conn.state != CONN_CANDIDATE)
		goto out;
	clock_gettime(CLOCK_MONOTONIC, &s->started);
	s->conn.role = role;
	note_peer(s, id);
	report_begin(s);
	reason = unfit(s, &caps);
	if (!reason && role == CONN_SOURCE) {
		ret = take_over_receives(s);
		if (ret < 0) {
			ret = -ret;
			goto out;
		}
		if (ret)
			reason = "its receive queue could not be taken over";
	}
	if (reason) {
		ret = session_pass_through(s, reason);
		goto out;
	}
	if (role == CONN_SOURCE && limits_peer(s->peer))
		ask_singly(s);
	/* A destination's receive queue stays its own. */
	ret = role == CONN_DESTINATION ? post_kept_recvs(s) : 0;
	if (ret)
		goto out;
	progress_start(s);
	conn_start(&s->conn, role, max_message(id));
	s->destination = role == CONN_DESTINATION;
	if (s->destination)
		atomic_fetch_add(&destinations, 1);
	log_info("%s of a migration, peer %s, regions of 2^%u bytes", conn_role_name(role),
		 s->peer[0] ? s->peer : "unknown", s->conn.options.shift);
out:
	pthread_mutex_unlock(&s->lock);
	return ret;
}

unsigned int session_destinations(void)
{
	return atomic_load(&destinations);
}

int session_connect(struct rdma_cm_id *id, struct rdma_conn_param *param)
{
	int ret = start(id, param, CONN_SOURCE);

	if (ret) {
		errno = ret;
		return -1;
	}
	return verbs->connect(id, param);
}

int session_accept(struct rdma_cm_id *id, struct rdma_conn_param *param)
{
	int ret = start(id, param, CONN_DESTINATION);

	if (ret) {
		errno = ret;
		return -1;
	}
	return verbs->accept(id, param);
}

/* QEMU disconnects before all else when it is done with a connection, however that
 * went (migration/rdma.c, qemu_rdma_cleanup). The QP and much memory are left to be
 * released, and the process may be told to quit before that is done. */
int session_disconnect(struct rdma_cm_id *id)
{
	struct session *s = registry_lock_id(id);

	if (s) {
		report_session(s);
		pthread_mutex_unlock(&s->lock);
	}
	return verbs->disconnect(id);
}

void session_cm_event(const struct rdma_cm_event *event)
{
	struct session *s;

	if (event->event != RDMA_CM_EVENT_DISCONNECTED || !event->id)
		return;
	s = registry_lock_id(event->id);
	if (!s)
		return;
	conn_disconnected(&s->conn);
	/* This is not left to the end of the session: QEMU takes connections down in a
	 * thread of its own, and its next migration may begin before (migration/rdma.c,
	 * qio_channel_rdma_close). */
	if (s->conn.refused)
		limits_note_peer(s->peer);
	pthread_mutex_unlock(&s->lock);
}

void session_fail(struct session *s, int error, const char *why)
{
	struct ibv_qp_attr attr = {.qp_state = IBV_QPS_ERR};

	if (s->error)
		return;
	log_error("%s: %s; failing the migration", why, strerror(error));
	/* With ENOMEM QEMU would wait for a completion, and try again. */
	s->error = error == ENOMEM ? EIO : error;
	conn_fail(&s->conn);
	if (verbs->modify_qp)
		verbs->modify_qp(s->qp, &attr, IBV_QP_STATE);
	/* Flushed at once: an event for a QEMU that sleeps on the send side. */
	datapath_post_nothing(s);
}

void session_repost(struct session *s)
{
	int ret;

	for (unsigned int i = 0; i < RECV_QUEUE_BUFFERS; i++) {
		if (!(s->conn.repost & 1u << i))
			continue;
		s->conn.repost &= ~(1u << i);
		ret = datapath_post_own_recv(s, i);
		if (ret)
			session_fail(s, ret, "a receive buffer could not be posted");
	}
}
