/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "hook/ops.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>

#include "engine/datapath.h"
#include "engine/lookup.h"
#include "engine/sessions.h"

/*
 * Never freed, because another thread may have found it a moment ago, but used again.
 *
 * One whose hooks have been taken out stays where it is found: a thread that has read the table
 * before may call a hook at any time later. Nobody tells us then when the context is closed, and
 * another may be at its address; so nothing of it is touched before it is to be patched again.
 */
struct patched {
	_Atomic(const struct ibv_context *) context; /* NULL: unused */
	struct verbs_ops ops;			     /* what its table held */
	bool hooked;				     /* the hooks are in the table */
	struct patched *next;
};

static struct lookup contexts; /* to struct patched */
static struct patched *all;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

/* The context patched last: mostly the only one there is. */
static _Atomic(struct patched *) latest;

/*
 * A processor may see that a table was patched before it sees what that was preceded
 * by: the caller read the table without any order. Whoever has the lock sees both.
 */
static struct patched *find_late(const struct ibv_context *context)
{
	struct patched *p;

	pthread_mutex_lock(&lock);
	p = lookup_find(&contexts, context);
	pthread_mutex_unlock(&lock);
	return p;
}

static inline const struct verbs_ops *original(const struct ibv_context *context)
{
	struct patched *p = atomic_load_explicit(&latest, memory_order_acquire);

	if (p && atomic_load_explicit(&p->context, memory_order_acquire) == context)
		return &p->ops;
	p = lookup_find(&contexts, context);
	return p ? &p->ops : &find_late(context)->ops;
}

static int hooked_post_send(struct ibv_qp *qp, struct ibv_send_wr *wr, struct ibv_send_wr **bad_wr)
{
	struct session *s = sessions_find_qp(qp);

	if (s)
		return datapath_post_send(s, qp, wr, bad_wr);
	return original(qp->context)->post_send(qp, wr, bad_wr);
}

static int hooked_post_recv(struct ibv_qp *qp, struct ibv_recv_wr *wr, struct ibv_recv_wr **bad_wr)
{
	struct session *s = sessions_find_qp(qp);

	if (s)
		return datapath_post_recv(s, qp, wr, bad_wr);
	return original(qp->context)->post_recv(qp, wr, bad_wr);
}

static int hooked_poll_cq(struct ibv_cq *cq, int entries, struct ibv_wc *wc)
{
	const struct verbs_ops *ops = original(cq->context);
	struct session *s = sessions_find_cq(cq);

	if (__builtin_expect(!!s, 0))
		return datapath_poll_cq(s, ops, cq, entries, wc);
	return ops->poll_cq(cq, entries, wc);
}

static int hooked_req_notify_cq(struct ibv_cq *cq, int solicited_only)
{
	const struct verbs_ops *ops = original(cq->context);
	struct session *s = sessions_find_cq(cq);

	if (s)
		datapath_arm(s, cq);
	return ops->req_notify_cq(cq, solicited_only);
}

/* Lock held. */
static struct patched *take_unused(void)
{
	struct patched *p = all;

	while (p && p->context)
		p = p->next;
	if (p)
		return p;
	p = calloc(1, sizeof(*p));
	if (!p)
		return NULL;
	p->next = all;
	all = p;
	return p;
}

/* Lock held. Keep what the table holds, which nobody has changed. */
static void save(struct patched *p, const struct ibv_context *context)
{
	__atomic_store_n(&p->ops.post_send, context->ops.post_send, __ATOMIC_RELAXED);
	__atomic_store_n(&p->ops.post_recv, context->ops.post_recv, __ATOMIC_RELAXED);
	__atomic_store_n(&p->ops.poll_cq, context->ops.poll_cq, __ATOMIC_RELAXED);
	__atomic_store_n(&p->ops.req_notify_cq, context->ops.req_notify_cq, __ATOMIC_RELAXED);
}

/* Lock held. Other threads may be calling through the table right now. */
static void set(struct ibv_context *context, const struct verbs_ops *ops)
{
	__atomic_store_n(&context->ops.post_send, ops->post_send, __ATOMIC_RELEASE);
	__atomic_store_n(&context->ops.post_recv, ops->post_recv, __ATOMIC_RELEASE);
	__atomic_store_n(&context->ops.poll_cq, ops->poll_cq, __ATOMIC_RELEASE);
	__atomic_store_n(&context->ops.req_notify_cq, ops->req_notify_cq, __ATOMIC_RELEASE);
}

/* Lock held. With what the table holds; NULL when there is no room for it. */
static struct patched *add(struct ibv_context *context)
{
	struct patched *p = take_unused();

	if (!p)
		return NULL;
	save(p, context);
	/* Who sees the context must see what its table held. */
	atomic_store(&p->context, context);
	if (lookup_insert(&contexts, context, p) == 0)
		return p;
	atomic_store(&p->context, NULL);
	return NULL;
}

const struct verbs_ops *ops_patch(struct ibv_context *context)
{
	static const struct verbs_ops hooks = {
		.post_send = hooked_post_send,
		.post_recv = hooked_post_recv,
		.poll_cq = hooked_poll_cq,
		.req_notify_cq = hooked_req_notify_cq,
	};
	struct patched *p;

	pthread_mutex_lock(&lock);
	p = lookup_find(&contexts, context);
	if (p && p->hooked)
		goto out;
	if (p)
		save(p, context);
	else
		p = add(context);
	if (!p)
		goto out;
	p->hooked = true;
	atomic_store(&latest, p);
	set(context, &hooks);
out:
	pthread_mutex_unlock(&lock);
	return p ? &p->ops : NULL;
}

/* Lock held. */
static void restore(struct ibv_context *context, struct patched *p)
{
	if (p->hooked)
		set(context, &p->ops);
	p->hooked = false;
}

/* Closing may fail, or poll once more on its way. */
void ops_forget(struct ibv_context *context)
{
	struct patched *p;

	pthread_mutex_lock(&lock);
	p = lookup_find(&contexts, context);
	if (!p)
		goto out;
	restore(context, p);
	if (atomic_load(&latest) == p)
		atomic_store(&latest, NULL);
	lookup_remove(&contexts, context);
	atomic_store(&p->context, NULL);
out:
	pthread_mutex_unlock(&lock);
}

void ops_restore_all(void)
{
	struct ibv_context *context;

	pthread_mutex_lock(&lock);
	for (struct patched *p = all; p; p = p->next) {
		context = (struct ibv_context *)atomic_load(&p->context);
		if (context)
			restore(context, p);
	}
	pthread_mutex_unlock(&lock);
}
