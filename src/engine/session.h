/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RDMACHUNK_ENGINE_SESSION_H
#define RDMACHUNK_ENGINE_SESSION_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/conn.h"
#include "core/post_cost.h"
#include "engine/about.h"
#include "engine/scan.h"
#include "engine/verbs.h"
#include "engine/worker.h"
#include "util/config.h"
#include "util/figures.h"

/*
 * A session is one migration connection of this process: a cm_id, its QP and
 * what belongs to them. It begins with rdma_create_qp() and ends with
 * rdma_destroy_qp().
 *
 * Locks, outermost first: a session's, the table's of handles (engine/handle.c), the
 * table's of sessions (engine/sessions.c). The first is held over calls of real verbs, the
 * other two never are.
 */

enum session_worker {
	SESSION_LISTENER,   /* takes in what completes while QEMU sleeps on the other CQ */
	SESSION_POSTER,	    /* posts writes where that takes long */
	SESSION_PREFETCHER, /* look for data, and register it before QEMU asks: this one and
			     * those behind it */
	SESSION_WORKERS = SESSION_PREFETCHER + CONFIG_THREADS_MAX,
};

/* A RECV on the real queue: of ours at a source, of QEMU's, which has three, at a destination. */
#define SESSION_RECVS RECV_QUEUE_BUFFERS

struct session_recv {
	uint64_t wr_id;
	uint64_t addr; /* 0: none */
};

/* See engine/live.h. */
struct session_figures {
	struct figures_page *page; /* NULL: there is none */
	int fd;
	uint64_t at; /* ns: when it was written */
	bool asleep; /* it says that QEMU sleeps */
	struct figures last;
};

struct session {
	/* The table's, under its lock. */
	struct session *next;
	bool in_use;
	const struct rdma_cm_id *id;
	const struct ibv_pd *pd;

	/* Guards all that follows it. */
	pthread_mutex_t lock;
	struct ibv_qp *qp;
	/* Read without the lock, too: which of the two a poll is for. */
	_Atomic(struct ibv_cq *) cq[CONN_CQS];
	struct verbs_ops ops; /* a copy: the device may be closed before the session ends */
	struct conn *conn;
	/* Completions due, by conn_cq: read without the lock to keep an idle poll cheap. */
	atomic_uint due[CONN_CQS];
	/* Which CQ the listener polls, SESSION_LISTENS() to it, or 0: likewise. */
	atomic_uint listens;
	struct worker worker[SESSION_WORKERS];
	/* What a thread of QEMU's waits for may have happened. */
	pthread_cond_t changed;
	struct post_cost post_cost;
	struct scan scan;
	enum verbs_register registers; /* guest memory, as QEMU does */
	unsigned int recvs_posted;     /* that core has had us post */
	/* The NIC's own at a source, POSTING_MEMORY_LEN bytes, or NULL. */
	void *memory;
	struct ibv_mr *memory_mr;
	uint64_t delegated; /* calls of post_send made by the poster */
	const char *passthrough_reason;
	bool live;	  /* from rdma_create_qp() to rdma_destroy_qp() */
	bool gave_back;	  /* registrations for want of room, and not said so yet */
	bool destination; /* counted by sessions_destinations() */
	bool peer_error;  /* what has arrived was an ERROR once */
	bool warned_fallback;
	struct about about;
	/* Where what arrives is, at either end. */
	struct session_recv recvs[SESSION_RECVS];
	struct session_figures figures;
};

#define SESSION_LISTENS(cq) ((unsigned int)(cq) + 1)

/* The settings, read from the environment once, at the first call; `threads` is never 0. */
const struct config *session_config(void);

/*
 * Others take their place: NAME=VALUE strings, each with its NUL, `len` bytes in all, of which a
 * copy is kept. There is no session, and no hook is in the way of anybody. Returns 0; or a
 * negative errno, with a line in `message` (`size` bytes) that says why, and nothing changed:
 * -EINVAL when one is not allowed, -E2BIG when they are too long.
 */
int session_configure(const char *settings, size_t len, char *message, size_t size);

/* The session is that of this QP, with CQs and ops of which all but the workers is made
 * ready. Lock held. 0 or -ENOMEM. */
int session_begin(struct session *s, struct ibv_qp *qp, const struct ibv_qp_init_attr *attr,
		  const struct verbs_ops *ops, const struct conn_options *options);

/* The QP is gone, and the workers have ended: give back all that the session has. Lock
 * held. */
void session_end(struct session *s);

/* Make s->memory. Lock held. 0 or a negative errno. */
int session_allocate_memory(struct session *s);

#endif
