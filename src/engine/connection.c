/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/connection.h"

#include <errno.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

#include "engine/driver.h"
#include "engine/limits.h"
#include "engine/live.h"
#include "engine/mr.h"
#include "engine/observed.h"
#include "engine/report.h"
#include "engine/sessions.h"
#include "util/error_text.h"
#include "util/log.h"
#include "util/switch_file.h"

/* QEMU's RDMA_SIGNALED_SEND_MAX (512) and its three RECVs. */
#define QEMU_MAX_SEND_WR 512
#define QEMU_MAX_RECV_WR 3

static pthread_mutex_t report_lock = PTHREAD_MUTEX_INITIALIZER;
static bool reported;

/* Only a process that makes a migration connection has anything to be told. */
static void report_config(void)
{
	const struct config *config = session_config();

	pthread_mutex_lock(&report_lock);
	if (reported)
		goto out;
	reported = true;
	log_open(config);
	for (size_t i = 0; i < config->errors; i++)
		log_always("%s; migrating without rdmachunk", config->error[i]);
	for (size_t i = 0; i < config->warnings; i++)
		log_warn("%s", config->warning[i]);
out:
	pthread_mutex_unlock(&report_lock);
}

void connection_reconfigured(void)
{
	pthread_mutex_lock(&report_lock);
	if (reported)
		log_close();
	reported = false;
	pthread_mutex_unlock(&report_lock);
}

/* Is this a QP as QEMU makes it for migration (migration/rdma.c, qemu_rdma_alloc_qp)? */
static bool is_candidate(const struct rdma_cm_id *id, const struct ibv_pd *pd,
			 const struct ibv_qp_init_attr *attr)
{
	return id && pd && id->ps == RDMA_PS_TCP && attr->qp_type == IBV_QPT_RC && !attr->srq &&
	       attr->send_cq && attr->recv_cq && attr->send_cq->channel && attr->recv_cq->channel &&
	       attr->cap.max_send_wr == QEMU_MAX_SEND_WR &&
	       attr->cap.max_recv_wr == QEMU_MAX_RECV_WR && attr->cap.max_send_sge == 1 &&
	       attr->cap.max_recv_sge == 1 && !attr->cap.max_inline_data;
}

static int begin(struct session *s, struct rdma_cm_id *id, const struct ibv_qp_init_attr *attr,
		 const struct verbs_ops *ops)
{
	const struct config *config = session_config();
	const struct conn_options options = {
		.one_cq = attr->send_cq == attr->recv_cq,
		.shift = config->shift,
		.writes = config->writes,
		.zeros = config->zeros,
		/* The smallest region is for seeing what QEMU does by itself. */
		.prefetch = config->prefetch && config->shift > CONFIG_SHIFT_MIN,
		.threads = config->threads,
		.limited = limits_tight(),
		.memory = scan_memory(&s->scan),
		.mrs = {.reg = mr_register,
			.dereg = mr_deregister,
			.watch = mr_watch,
			.context = s},
	};
	int ret = session_begin(s, id->qp, attr, ops, &options);

	if (ret)
		return ret;
	driver_init(s);
	return 0;
}

/* Lock held; released. */
static void end(struct session *s)
{
	session_end(s);
	sessions_free(s);
}

int connection_create_qp(struct rdma_cm_id *id, struct ibv_pd *pd, struct ibv_qp_init_attr *attr,
			 const struct verbs_ops *(*patch)(struct ibv_context *context))
{
	const struct verbs_calls *real = verbs_real();
	struct ibv_qp_init_attr raised = *attr;
	const struct verbs_ops *ops;
	struct session *s;
	int ret;

	if (!session_config()->enabled || !is_candidate(id, pd, attr))
		return real->create_qp(id, pd, attr);
	if (raised.cap.max_recv_wr < RECV_QUEUE_BUFFERS)
		raised.cap.max_recv_wr = RECV_QUEUE_BUFFERS;
	ret = real->create_qp(id, pd, &raised);
	if (ret) /* with less it may work */
		return real->create_qp(id, pd, attr);
	attr->cap = raised.cap;

	/* Whatever is missing, without us it works as well. */
	ops = patch(id->verbs);
	s = ops ? sessions_new(id, pd) : NULL;
	if (!s)
		return 0;
	if (begin(s, id, attr, ops)) {
		sessions_free(s);
	} else if (sessions_track_qp(s)) {
		driver_stop(s);
		end(s);
	} else {
		pthread_mutex_unlock(&s->lock);
	}
	return 0;
}

void connection_destroy_qp(struct rdma_cm_id *id)
{
	struct session *s = sessions_lock_id(id);

	if (!s) {
		if (!session_config()->enabled)
			observed_end(id, false);
		verbs_real()->destroy_qp(id);
		return;
	}
	/*
	 * The QP goes before the memory it receives into. No one posts to a QP
	 * that is being destroyed, and polls of its CQs find nothing any more.
	 */
	driver_stop(s);
	sessions_untrack(s);
	report_session(s, false);
	live_end(s);
	verbs_real()->destroy_qp(id);
	end(s);
}

/* A source's own receive buffers. Sets *reason when nothing has been posted and the
 * connection can still pass through. 0; or a negative errno when it cannot. */
static int take_over_receives(struct session *s, const char **reason)
{
	int ret = session_allocate_memory(s);

	*reason = "its receive queue could not be taken over";
	if (ret) {
		log_warn("no memory for receive buffers: %s", error_text(-ret));
		return 0;
	}
	conn_take_over(s->conn, s->memory, s->memory_mr->lkey);
	ret = driver_run(s);
	if (ret && !s->recvs_posted)
		return 0;
	*reason = NULL;
	return ret;
}

/* This peer has given up once when it was asked for more. */
static void ask_singly(struct session *s)
{
	static atomic_flag warned = ATOMIC_FLAG_INIT;

	conn_ask_singly(s->conn);
	if (atomic_flag_test_and_set(&warned))
		return;
	log_warn(
		"the last migration to %s ended while memory was being registered there; asking for "
		"QEMU's own chunks only. Raise the limit of locked memory of the QEMU there "
		"(ulimit -l, LimitMEMLOCK=, libvirt's hard_limit)",
		s->about.peer);
}

/* Lock held. Why this connection is not for us, or NULL. */
static const char *unfit(struct session *s, const struct wire_caps *caps)
{
	if (caps->flags & WIRE_FLAG_PIN_ALL)
		return "rdma-pin-all registers whole RAM blocks already";
	if (caps->flags)
		return "unknown capabilities";
	if (sessions_track_cqs(s))
		return "its completion queues serve others too";
	return NULL;
}

/* The longest message of the port's, in bytes; QEMU's own chunk when it will not
 * tell, which every port can do. */
static uint64_t max_message(const struct rdma_cm_id *id)
{
	uint64_t max = verbs_max_message(id->verbs, id->port_num);

	return max ? max : UINT64_C(1) << CONFIG_SHIFT_MIN;
}

/* Its thread is there before anything is promised to QEMU that could need it. */
static void make_listener(struct session *s)
{
	int ret;

	if (!conn_wants_help(s->conn))
		return;
	ret = driver_listen(s);
	if (!ret)
		return;
	log_warn("no thread to listen for the destination: %s; doing without merged zeros and "
		 "registration ahead",
		 error_text(-ret));
	conn_forgo_help(s->conn);
}

/* Does the file say so that a user has named to switch us off? No lock held: it is read. */
static bool is_switched_off(void)
{
	const char *name = session_config()->switch_file;
	int error = ENAMETOOLONG;
	char path[PATH_MAX];
	bool off = false;

	if (!name)
		return false;
	if (!config_expand_path(path, sizeof(path), name, (long)getpid()))
		off = switch_file_is_off(path, &error);
	if (error)
		log_warn("RDMACHUNK_SWITCH_FILE=%.200s: %s; taking part: use the path of a regular "
			 "file that can be read",
			 name, switch_file_error(error));
	return off;
}

/*
 * It is QEMU's migration, to be left alone if there is a reason. Lock held. 0, or the negative
 * errno with which connecting fails.
 */
static int take_over(struct session *s, struct rdma_cm_id *id, const struct wire_caps *caps,
		     enum conn_role role, const char *reason)
{
	int ret = 0;

	conn_set_role(s->conn, role);
	about_begin(&s->about, id, role);
	report_begin(&s->about);
	if (!reason)
		reason = unfit(s, caps);
	if (!reason && role == CONN_SOURCE)
		ret = take_over_receives(s, &reason);
	if (ret)
		return ret;
	if (reason)
		return driver_pass_through(s, reason);
	if (role == CONN_SOURCE && limits_peer(s->about.peer))
		ask_singly(s);
	if (role == CONN_DESTINATION) {
		conn_keep_recvs(s->conn);
		ret = driver_run(s);
		if (ret)
			return ret;
	}
	make_listener(s);
	conn_start(s->conn, max_message(id));
	if (role == CONN_DESTINATION)
		sessions_add_destination(s);
	live_begin(s);
	log_info("%s of a migration, peer %s, regions of 2^%u bytes", conn_role_name(role),
		 about_peer(&s->about), session_config()->shift);
	return 0;
}

/* The connection is made: from here on it is ours, or it passes through. As take_over(). */
static int start(struct rdma_cm_id *id, const struct rdma_conn_param *param, enum conn_role role)
{
	const char *reason = NULL;
	struct wire_caps caps;
	struct session *s;
	bool migration;
	int ret = 0;

	migration = param && param->private_data_len == WIRE_CAPS_LEN &&
		    !wire_parse_caps(param->private_data, param->private_data_len, &caps) &&
		    caps.version == WIRE_VERSION;
	if (migration)
		report_config();
	if (migration && !session_config()->enabled)
		observed_begin(id, role);
	else if (migration && is_switched_off())
		reason = "RDMACHUNK_SWITCH_FILE says off";
	s = sessions_lock_id(id);
	if (!s)
		return 0;
	if (!migration)
		ret = driver_pass_through(s, "not a QEMU migration");
	else if (conn_state(s->conn) == CONN_CANDIDATE)
		ret = take_over(s, id, &caps, role, reason);
	pthread_mutex_unlock(&s->lock);
	return ret;
}

/* A negative errno as librdmacm says it. */
static int failed(int ret)
{
	errno = -ret;
	return -1;
}

int connection_connect(struct rdma_cm_id *id, struct rdma_conn_param *param)
{
	int ret = start(id, param, CONN_SOURCE);

	return ret ? failed(ret) : verbs_real()->connect(id, param);
}

int connection_accept(struct rdma_cm_id *id, struct rdma_conn_param *param)
{
	int ret = start(id, param, CONN_DESTINATION);

	return ret ? failed(ret) : verbs_real()->accept(id, param);
}

/* QEMU disconnects before all else when it is done with a connection, however that
 * went (migration/rdma.c, qemu_rdma_cleanup). The QP and much memory are left to be
 * released, and the process may be told to quit before that is done. */
int connection_disconnect(struct rdma_cm_id *id)
{
	struct session *s = sessions_lock_id(id);

	if (s) {
		report_session(s, true);
		live_end(s);
		/* What our threads are at QEMU has to wait for when it destroys the QP. */
		conn_stop_prefetch(s->conn);
		driver_end(s);
		pthread_mutex_unlock(&s->lock);
	} else if (!session_config()->enabled) {
		observed_end(id, true);
	}
	return verbs_real()->disconnect(id);
}

void connection_cm_event(const struct rdma_cm_event *event)
{
	struct session *s;

	if (event->event != RDMA_CM_EVENT_DISCONNECTED || !event->id)
		return;
	s = sessions_lock_id(event->id);
	if (!s)
		return;
	/* This is not left to the end of the session: QEMU takes connections down in a
	 * thread of its own, and its next migration may begin before (migration/rdma.c,
	 * qio_channel_rdma_close). */
	conn_disconnected(s->conn);
	driver_run(s);
	pthread_mutex_unlock(&s->lock);
}
