/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/registry.h"

#include <errno.h>
#include <stdlib.h>

struct lookup registry_qps;
struct lookup registry_cqs;

/*
 * Guards the list, every session's in_use, id and pd, and changes to the two
 * tables. It is the innermost lock and held for a few instructions only: a
 * session's own lock can be held while a gigabyte is being pinned.
 */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
/* Every session there ever was, free ones included. */
static struct session *sessions;

struct session *registry_new(const struct rdma_cm_id *id, const struct ibv_pd *pd)
{
	struct session *s;

	pthread_mutex_lock(&lock);
	for (s = sessions; s && s->in_use; s = s->next)
		;
	if (!s) {
		s = calloc(1, sizeof(*s));
		if (!s)
			goto out;
		pthread_mutex_init(&s->lock, NULL);
		s->next = sessions;
		sessions = s;
	}
	s->in_use = true;
	s->id = id;
	s->pd = pd;
out:
	pthread_mutex_unlock(&lock);
	if (s) {
		pthread_mutex_lock(&s->lock);
		s->generation++;
	}
	return s;
}

static bool matches(const struct session *s, const struct rdma_cm_id *id, const struct ibv_pd *pd)
{
	return s->in_use && ((id && s->id == id) || (pd && s->pd == pd));
}

static struct session *lock_matching(const struct rdma_cm_id *id, const struct ibv_pd *pd)
{
	struct session *s;
	bool still;

	pthread_mutex_lock(&lock);
	for (s = sessions; s && !matches(s, id, pd); s = s->next)
		;
	pthread_mutex_unlock(&lock);
	if (!s)
		return NULL;
	pthread_mutex_lock(&s->lock);
	/* It may have ended while we waited for it. */
	pthread_mutex_lock(&lock);
	still = matches(s, id, pd);
	pthread_mutex_unlock(&lock);
	if (still)
		return s;
	pthread_mutex_unlock(&s->lock);
	return NULL;
}

struct session *registry_lock_id(const struct rdma_cm_id *id)
{
	return lock_matching(id, NULL);
}

struct session *registry_lock_pd(const struct ibv_pd *pd)
{
	return lock_matching(NULL, pd);
}

struct session *registry_next(const struct session *s)
{
	struct session *next;

	pthread_mutex_lock(&lock);
	next = s ? s->next : sessions;
	pthread_mutex_unlock(&lock);
	return next;
}

int registry_track_qp(struct session *s)
{
	int ret;

	pthread_mutex_lock(&lock);
	ret = lookup_insert(&registry_qps, s->qp, s);
	pthread_mutex_unlock(&lock);
	return ret;
}

int registry_track_cqs(struct session *s)
{
	int ret = 0;

	pthread_mutex_lock(&lock);
	for (int i = 0; i < CONN_CQS && !ret; i++) {
		struct session *owner = registry_find_cq(s->cq[i]);

		ret = owner && owner != s ? -EEXIST : lookup_insert(&registry_cqs, s->cq[i], s);
	}
	pthread_mutex_unlock(&lock);
	return ret;
}

void registry_untrack(struct session *s)
{
	pthread_mutex_lock(&lock);
	if (registry_find_qp(s->qp) == s)
		lookup_remove(&registry_qps, s->qp);
	for (int i = 0; i < CONN_CQS; i++)
		if (registry_find_cq(s->cq[i]) == s)
			lookup_remove(&registry_cqs, s->cq[i]);
	pthread_mutex_unlock(&lock);
}

void registry_free(struct session *s)
{
	s->generation++;
	pthread_mutex_lock(&lock);
	s->in_use = false;
	s->id = NULL;
	s->pd = NULL;
	pthread_mutex_unlock(&lock);
	pthread_mutex_unlock(&s->lock);
}
