/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/sessions.h"

#include <errno.h>
#include <stdlib.h>

struct lookup sessions_qps;
struct lookup sessions_cqs;

/*
 * Guards the list, every session's in_use, id and pd, and changes to the two
 * tables. It is the innermost lock and held for a few instructions only: a
 * session's own lock can be held while a gigabyte is being pinned.
 */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
/* Every session there ever was, free ones included. */
static struct session *all;
static atomic_uint destinations;

struct session *sessions_new(const struct rdma_cm_id *id, const struct ibv_pd *pd)
{
	struct session *s;

	pthread_mutex_lock(&lock);
	for (s = all; s && s->in_use; s = s->next)
		;
	if (!s) {
		s = calloc(1, sizeof(*s));
		if (!s)
			goto out;
		pthread_mutex_init(&s->lock, NULL);
		s->next = all;
		all = s;
	}
	s->in_use = true;
out:
	pthread_mutex_unlock(&lock);
	if (!s)
		return NULL;
	pthread_mutex_lock(&s->lock);
	/* Whoever finds it from now on waits until it is complete. */
	pthread_mutex_lock(&lock);
	s->id = id;
	s->pd = pd;
	pthread_mutex_unlock(&lock);
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
	for (s = all; s && !matches(s, id, pd); s = s->next)
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

struct session *sessions_lock_id(const struct rdma_cm_id *id)
{
	return lock_matching(id, NULL);
}

struct session *sessions_lock_pd(const struct ibv_pd *pd)
{
	return lock_matching(NULL, pd);
}

struct session *sessions_next(const struct session *s)
{
	struct session *next;

	pthread_mutex_lock(&lock);
	next = s ? s->next : all;
	pthread_mutex_unlock(&lock);
	return next;
}

bool sessions_any(void)
{
	struct session *s;

	pthread_mutex_lock(&lock);
	for (s = all; s && !s->in_use; s = s->next)
		;
	pthread_mutex_unlock(&lock);
	return s != NULL;
}

int sessions_track_qp(struct session *s)
{
	int ret;

	pthread_mutex_lock(&lock);
	ret = lookup_insert(&sessions_qps, s->qp, s);
	pthread_mutex_unlock(&lock);
	return ret;
}

int sessions_track_cqs(struct session *s)
{
	int ret = 0;

	pthread_mutex_lock(&lock);
	for (int i = 0; i < CONN_CQS && !ret; i++) {
		struct session *owner = sessions_find_cq(s->cq[i]);

		ret = owner && owner != s ? -EEXIST : lookup_insert(&sessions_cqs, s->cq[i], s);
	}
	pthread_mutex_unlock(&lock);
	return ret;
}

void sessions_untrack(struct session *s)
{
	pthread_mutex_lock(&lock);
	if (sessions_find_qp(s->qp) == s)
		lookup_remove(&sessions_qps, s->qp);
	for (int i = 0; i < CONN_CQS; i++)
		if (sessions_find_cq(s->cq[i]) == s)
			lookup_remove(&sessions_cqs, s->cq[i]);
	pthread_mutex_unlock(&lock);
}

void sessions_add_destination(struct session *s)
{
	s->destination = true;
	atomic_fetch_add(&destinations, 1);
}

unsigned int sessions_destinations(void)
{
	return atomic_load(&destinations);
}

void sessions_free(struct session *s)
{
	if (s->destination)
		atomic_fetch_sub(&destinations, 1);
	s->destination = false;
	pthread_mutex_lock(&lock);
	s->in_use = false;
	s->id = NULL;
	s->pd = NULL;
	pthread_mutex_unlock(&lock);
	pthread_mutex_unlock(&s->lock);
}
