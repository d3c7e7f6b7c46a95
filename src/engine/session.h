/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RDMACHUNK_ENGINE_SESSION_H
#define RDMACHUNK_ENGINE_SESSION_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <time.h>

#include "core/conn.h"
#include "engine/ahead.h"
#include "engine/poster.h"
#include "engine/progress.h"
#include "engine/verbs.h"
#include "util/config.h"

/*
 * A session is one migration connection of this process: a cm_id, its QP and
 * what belongs to them. It begins with rdma_create_qp() and ends with
 * rdma_destroy_qp().
 *
 * Locks, outermost first: a session's, the MR table's, the registry's. The first
 * is held over calls of real verbs, the other two never are.
 */

/* The memory of our own that the NIC uses: receive buffers, then send slots. */
#define SESSION_SEND_SLOT_LEN 64
#define SESSION_MEMORY_LEN \
	(RECV_QUEUE_BUFFERS * (size_t)WIRE_MESSAGE_MAX + SEND_SLOTS * (size_t)SESSION_SEND_SLOT_LEN)

struct session_counters {
	uint64_t asked;	      /* chunk registrations QEMU asked for */
	uint64_t made;	      /* registrations made for them */
	uint64_t ahead;	      /* of those, before it asked */
	uint64_t renewed;     /* of those, because something there had been discarded */
	uint64_t delegated;   /* calls of post_send made by the poster */
	uint64_t largest;     /* bytes */
	uint64_t pinned;      /* bytes, now */
	uint64_t pinned_peak; /* bytes, at most at any time */
};

struct shared_mr;

/* MRs that are not QEMU's handles' alone. See engine/mr.c. */
struct session_mrs {
	struct shared_mr *own;	 /* kept until the session ends */
	struct shared_mr *stale; /* nothing they hold is in memory any more */
	int call;		 /* enum mr_call: which function QEMU registers with */
	bool registering;	 /* one ahead of QEMU, without the lock */
};

struct session {
	/* The registry's, under its lock. */
	struct session *next;
	bool in_use;
	const struct rdma_cm_id *id;
	const struct ibv_pd *pd;

	/* Guards all that follows it. */
	pthread_mutex_t lock;
	/* Grows with each use of this memory, which is never freed: an MR or a
	 * poll that outlives its session can tell. */
	uint64_t generation;
	bool live; /* from rdma_create_qp() to rdma_destroy_qp() */
	struct ibv_qp *qp;
	/* Read without the lock, too: which of the two a poll is for. */
	_Atomic(struct ibv_cq *) cq[CONN_CQS];
	struct verbs_ops ops; /* a copy: the device may be closed before the session ends */
	struct conn conn;
	/* Completions due, by conn_cq: read without the lock to keep an idle poll cheap. */
	atomic_uint due[CONN_CQS];
	void *memory;
	struct ibv_mr *memory_mr;
	void *buffers[RECV_QUEUE_BUFFERS];
	struct session_mrs mrs;
	struct progress progress;
	struct ahead ahead;
	struct poster poster;
	int error; /* when the connection has failed */
	bool warned_fallback;
	const char *passthrough_reason;
	struct session_counters counters;
	pid_t reporter;	  /* who tells of it in the end; 0: nobody, or it has been done */
	bool destination; /* counted by session_destinations() */
	struct timespec started;
	char peer[64]; /* its address, for people */
};

/* Before anything else: where the real functions are. */
void session_layer_init(const struct verbs_calls *calls);
const struct verbs_calls *session_calls(void);

/* The settings, read from the environment once, at the first call. */
const struct config *session_config(void);

/* Is this a QP as QEMU makes it for migration (migration/rdma.c,
 * qemu_rdma_alloc_qp)? */
bool session_is_candidate(const struct rdma_cm_id *id, const struct ibv_pd *pd,
			  const struct ibv_qp_init_attr *attr);

/* The policies behind the hooks of the same name; returns and errno as theirs. */
int session_create_qp(struct rdma_cm_id *id, struct ibv_pd *pd, struct ibv_qp_init_attr *attr,
		      const struct verbs_ops *(*patch)(struct ibv_context *context));
void session_destroy_qp(struct rdma_cm_id *id);
int session_disconnect(struct rdma_cm_id *id);
int session_connect(struct rdma_cm_id *id, struct rdma_conn_param *param);
int session_accept(struct rdma_cm_id *id, struct rdma_conn_param *param);

/* QEMU has taken an event from a channel, and acts on it next. */
void session_cm_event(const struct rdma_cm_event *event);

/* Active migration connections of this process as a destination. */
unsigned int session_destinations(void);

/* Give up on a candidate: post what QEMU posted, forget the QP. Lock held.
 * Returns 0, or the errno of the RECV that could not be posted. */
int session_pass_through(struct session *s, const char *reason);

/* Post the own receive buffers that conn wants posted. Lock held. */
void session_repost(struct session *s);

/* The connection cannot be kept right: fail it, at both ends, and see to it that
 * QEMU wakes up to learn. `error`: what posting to it returns from now on, a
 * positive errno. Lock held. */
void session_fail(struct session *s, int error, const char *why);

/* Publish how many completions are due. Lock held. */
void session_publish_due(struct session *s);

#endif
