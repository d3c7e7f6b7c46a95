/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "hook/ops.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

#include "engine/datapath.h"
#include "engine/lookup.h"
#include "engine/registry.h"

static struct lookup contexts; /* to struct verbs_ops */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static const struct verbs_ops *original(const struct ibv_context *context)
{
	return lookup_find(&contexts, context);
}

static int hooked_post_send(struct ibv_qp *qp, struct ibv_send_wr *wr, struct ibv_send_wr **bad_wr)
{
	struct session *s = registry_find_qp(qp);

	if (s)
		return datapath_post_send(s, qp, wr, bad_wr);
	return original(qp->context)->post_send(qp, wr, bad_wr);
}

static int hooked_post_recv(struct ibv_qp *qp, struct ibv_recv_wr *wr, struct ibv_recv_wr **bad_wr)
{
	struct session *s = registry_find_qp(qp);

	if (s)
		return datapath_post_recv(s, qp, wr, bad_wr);
	return original(qp->context)->post_recv(qp, wr, bad_wr);
}

static int hooked_poll_cq(struct ibv_cq *cq, int entries, struct ibv_wc *wc)
{
	const struct verbs_ops *ops = original(cq->context);
	struct session *s = registry_find_cq(cq);

	if (s)
		return datapath_poll_cq(s, ops, cq, entries, wc);
	return ops->poll_cq(cq, entries, wc);
}

static int hooked_req_notify_cq(struct ibv_cq *cq, int solicited_only)
{
	const struct verbs_ops *ops = original(cq->context);
	struct session *s = registry_find_cq(cq);

	if (s)
		datapath_arm(s, cq);
	return ops->req_notify_cq(cq, solicited_only);
}

const struct verbs_ops *ops_patch(struct ibv_context *context)
{
	struct verbs_ops *ops;

	pthread_mutex_lock(&lock);
	ops = lookup_find(&contexts, context);
	if (ops)
		goto out;
	ops = malloc(sizeof(*ops));
	if (!ops)
		goto out;
	ops->post_send = context->ops.post_send;
	ops->post_recv = context->ops.post_recv;
	ops->poll_cq = context->ops.poll_cq;
	ops->req_notify_cq = context->ops.req_notify_cq;
	if (lookup_insert(&contexts, context, ops)) {
		free(ops);
		ops = NULL;
		goto out;
	}
	/* Other threads may be calling through the table right now. */
	__atomic_store_n(&context->ops.post_send, hooked_post_send, __ATOMIC_RELEASE);
	__atomic_store_n(&context->ops.post_recv, hooked_post_recv, __ATOMIC_RELEASE);
	__atomic_store_n(&context->ops.poll_cq, hooked_poll_cq, __ATOMIC_RELEASE);
	__atomic_store_n(&context->ops.req_notify_cq, hooked_req_notify_cq, __ATOMIC_RELEASE);
out:
	pthread_mutex_unlock(&lock);
	return ops;
}

void ops_forget(struct ibv_context *context)
{
	struct verbs_ops *ops;

	pthread_mutex_lock(&lock);
	ops = lookup_find(&contexts, context);
	if (ops) {
		/* Closing may fail, or poll once more on its way. */
		__atomic_store_n(&context->ops.post_send, ops->post_send, __ATOMIC_RELEASE);
		__atomic_store_n(&context->ops.post_recv, ops->post_recv, __ATOMIC_RELEASE);
		__atomic_store_n(&context->ops.poll_cq, ops->poll_cq, __ATOMIC_RELEASE);
		__atomic_store_n(&context->ops.req_notify_cq, ops->req_notify_cq, __ATOMIC_RELEASE);
		lookup_remove(&contexts, context);
		free(ops);
	}
	pthread_mutex_unlock(&lock);
}
