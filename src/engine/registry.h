/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RDMACHUNK_ENGINE_REGISTRY_H
#define RDMACHUNK_ENGINE_REGISTRY_H

#include "engine/lookup.h"
#include "engine/session.h"

/* All sessions, by what QEMU names them with. */

extern struct lookup registry_qps;
extern struct lookup registry_cqs;

static inline struct session *registry_find_qp(const struct ibv_qp *qp)
{
	return lookup_find(&registry_qps, qp);
}

static inline struct session *registry_find_cq(const struct ibv_cq *cq)
{
	return lookup_find(&registry_cqs, cq);
}

/* A fresh session for this id and pd, its lock held; NULL when there is no memory. */
struct session *registry_new(const struct rdma_cm_id *id, const struct ibv_pd *pd);

/* The session of this id or pd, its lock held, or NULL. */
struct session *registry_lock_id(const struct rdma_cm_id *id);
struct session *registry_lock_pd(const struct ibv_pd *pd);

/* All memory there is for sessions, in use or not: what follows `s`, the first after
 * NULL, NULL after the last. */
struct session *registry_next(const struct session *s);

/* Posts on the QP, polls of the CQs come to us from now on. 0, or -EEXIST when
 * another session has one of them, or -ENOSPC. */
int registry_track_qp(struct session *s);
int registry_track_cqs(struct session *s);
void registry_untrack(struct session *s);

/* The session is over: its memory may serve another. Lock held, released. */
void registry_free(struct session *s);

#endif
