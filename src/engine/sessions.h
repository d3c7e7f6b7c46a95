/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RDMACHUNK_ENGINE_SESSIONS_H
#define RDMACHUNK_ENGINE_SESSIONS_H

#include "engine/lookup.h"
#include "engine/session.h"

/* All sessions, by what QEMU names them with. */

extern struct lookup sessions_qps;
extern struct lookup sessions_cqs;

static inline struct session *sessions_find_qp(const struct ibv_qp *qp)
{
	return lookup_find(&sessions_qps, qp);
}

static inline struct session *sessions_find_cq(const struct ibv_cq *cq)
{
	return lookup_find(&sessions_cqs, cq);
}

/* A fresh session for this id and pd, its lock held; NULL when there is no memory. */
struct session *sessions_new(const struct rdma_cm_id *id, const struct ibv_pd *pd);

/* The session of this id or pd, its lock held, or NULL. */
struct session *sessions_lock_id(const struct rdma_cm_id *id);
struct session *sessions_lock_pd(const struct ibv_pd *pd);

/* All memory there is for sessions, in use or not: what follows `s`, the first after
 * NULL, NULL after the last. */
struct session *sessions_next(const struct session *s);

/* Is there any session in use? */
bool sessions_any(void);

/* Posts on the QP, polls of the CQs come to us from now on. 0, or -EEXIST when
 * another session has one of them, or -ENOSPC. */
int sessions_track_qp(struct session *s);
int sessions_track_cqs(struct session *s);
void sessions_untrack(struct session *s);

/* Active migration connections of this process as a destination; this is one, until it is
 * over. Lock held. */
void sessions_add_destination(struct session *s);
unsigned int sessions_destinations(void);

/* The session is over: its memory may serve another. Lock held, released. */
void sessions_free(struct session *s);

#endif
