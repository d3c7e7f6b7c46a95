// SPDX-License-Identifier: GPL-2.0-or-later
#include "completion.h"

#include "clock.h"
#include "settings.h"
#include "device.h"
#include "event_queue.h"
#include "fault.h"

#include <errno.h>
#include <stdlib.h>

enum armed {
	ARMED_NOT,
	ARMED_SOLICITED,
	ARMED_ANY,
};

struct channel {
	struct ibv_comp_channel base; /* first: what callers hold */
	struct event_queue events;    /* of struct cq */
};

struct cq {
	struct ibv_cq base; /* first: what callers hold */
	pthread_mutex_t lock;
	struct completion *ring; /* base.cqe entries */
	unsigned int head;
	_Atomic unsigned int count; /* read without the lock by an idle poll */
	enum armed armed;
	unsigned int users;
	unsigned int reported; /* events delivered by ibv_get_cq_event */
	bool overrun;
};

static struct {
	atomic_uint_fast64_t live_cqs, live_channels, overruns, events, completions, errors;
} counts;

struct ibv_comp_channel *ibv_create_comp_channel(struct ibv_context *context)
{
	int err = fab_verb(VERB_CREATE_COMP_CHANNEL);
	struct channel *channel;

	if (err)
		goto fail;
	err = ENOMEM;
	channel = calloc(1, sizeof(*channel));
	if (!channel)
		goto fail;
	err = fab_queue_init(&channel->events);
	if (err) {
		free(channel);
		goto fail;
	}
	channel->base.context = context;
	channel->base.fd = channel->events.fd;
	atomic_fetch_add(&counts.live_channels, 1);
	return &channel->base;
fail:
	errno = err;
	return NULL;
}

int ibv_destroy_comp_channel(struct ibv_comp_channel *base)
{
	struct channel *channel = (struct channel *)base;
	int err = fab_verb(VERB_DESTROY_COMP_CHANNEL), busy;

	if (err)
		return err;
	pthread_mutex_lock(&base->context->mutex);
	busy = base->refcnt;
	pthread_mutex_unlock(&base->context->mutex);
	if (busy)
		return EBUSY;
	fab_queue_destroy(&channel->events);
	free(channel);
	atomic_fetch_sub(&counts.live_channels, 1);
	return 0;
}

struct ibv_cq *ibv_create_cq(struct ibv_context *context, int cqe, void *cq_context,
			     struct ibv_comp_channel *channel, int comp_vector)
{
	int err = fab_verb(VERB_CREATE_CQ);
	struct cq *cq = NULL;

	if (err)
		goto fail;
	err = EINVAL;
	if (cqe < 1 || (uint64_t)cqe > fab_config()->max_cqe || comp_vector < 0 ||
	    comp_vector >= context->num_comp_vectors)
		goto fail;
	err = ENOMEM;
	cq = calloc(1, sizeof(*cq));
	if (!cq)
		goto fail;
	cq->ring = calloc(cqe, sizeof(*cq->ring));
	if (!cq->ring)
		goto fail;
	pthread_mutex_init(&cq->lock, NULL);
	pthread_mutex_init(&cq->base.mutex, NULL);
	pthread_cond_init(&cq->base.cond, NULL);
	cq->base.context = context;
	cq->base.channel = channel;
	cq->base.cq_context = cq_context;
	cq->base.cqe = cqe;
	if (channel) {
		pthread_mutex_lock(&context->mutex);
		channel->refcnt++;
		pthread_mutex_unlock(&context->mutex);
	}
	cq->base.handle = atomic_fetch_add(&counts.live_cqs, 1) + 1;
	return &cq->base;
fail:
	free(cq);
	errno = err;
	return NULL;
}

static void deliver_event(void *arg)
{
	struct cq *cq = arg;
	struct channel *channel = (struct channel *)cq->base.channel;

	atomic_fetch_add(&counts.events, 1);
	fab_queue_push(&channel->events, cq, 0);
}

static bool same_item(void *item, int kind, const void *arg)
{
	(void)kind;
	return item == arg;
}

int ibv_destroy_cq(struct ibv_cq *base)
{
	struct cq *cq = (struct cq *)base;
	struct channel *channel = (struct channel *)base->channel;
	int err = fab_verb(VERB_DESTROY_CQ);

	if (err)
		return err;
	pthread_mutex_lock(&cq->lock);
	if (cq->users) {
		pthread_mutex_unlock(&cq->lock);
		return EBUSY;
	}
	cq->armed = ARMED_NOT;
	pthread_mutex_unlock(&cq->lock);
	if (channel) {
		fab_timer_cancel(deliver_event, cq);
		/* Those that nobody took yet need no acknowledgement. */
		fab_queue_remove(&channel->events, same_item, cq);
		pthread_mutex_lock(&base->context->mutex);
		channel->base.refcnt--;
		pthread_mutex_unlock(&base->context->mutex);
	}
	fab_async_forget(base);
	pthread_mutex_lock(&base->mutex);
	while (base->comp_events_completed != cq->reported)
		pthread_cond_wait(&base->cond, &base->mutex);
	pthread_mutex_unlock(&base->mutex);
	pthread_mutex_destroy(&base->mutex);
	pthread_cond_destroy(&base->cond);
	pthread_mutex_destroy(&cq->lock);
	free(cq->ring);
	free(cq);
	atomic_fetch_sub(&counts.live_cqs, 1);
	return 0;
}

int ibv_get_cq_event(struct ibv_comp_channel *base, struct ibv_cq **out, void **cq_context)
{
	struct channel *channel = (struct channel *)base;
	int err = fab_verb(VERB_GET_CQ_EVENT);
	void *item;
	struct cq *cq;

	if (err) {
		errno = err;
		return -1;
	}
	if (fab_queue_pop(&channel->events, &item, NULL) != 0)
		return -1;
	cq = item;
	pthread_mutex_lock(&cq->base.mutex);
	cq->reported++;
	pthread_mutex_unlock(&cq->base.mutex);
	*out = &cq->base;
	*cq_context = cq->base.cq_context;
	return 0;
}

void ibv_ack_cq_events(struct ibv_cq *cq, unsigned int nevents)
{
	fab_verb(VERB_ACK_CQ_EVENTS);
	pthread_mutex_lock(&cq->mutex);
	cq->comp_events_completed += nevents;
	pthread_cond_broadcast(&cq->cond);
	pthread_mutex_unlock(&cq->mutex);
}

void fab_cq_push(struct ibv_cq *base, const struct completion *completion, bool solicited)
{
	struct cq *cq = (struct cq *)base;
	uint64_t irq_ns = fab_config()->irq_ns;
	bool raise = false, overrun = false;
	unsigned int count;

	pthread_mutex_lock(&cq->lock);
	count = atomic_load(&cq->count);
	if (count == (unsigned int)base->cqe) {
		overrun = !cq->overrun;
		cq->overrun = true;
	} else {
		cq->ring[(cq->head + count) % base->cqe] = *completion;
		atomic_store(&cq->count, count + 1);
		raise = cq->armed == ARMED_ANY ||
			(cq->armed == ARMED_SOLICITED &&
			 (solicited || completion->wc.status != IBV_WC_SUCCESS));
		if (raise)
			cq->armed = ARMED_NOT;
		atomic_fetch_add(&counts.completions, 1);
		if (completion->wc.status != IBV_WC_SUCCESS)
			atomic_fetch_add(&counts.errors, 1);
	}
	/* With the queue locked, so that ibv_destroy_cq cannot overtake it. */
	if (raise && base->channel) {
		if (!irq_ns || fab_timer_add(fab_now() + irq_ns, deliver_event, cq) != 0)
			deliver_event(cq);
	}
	pthread_mutex_unlock(&cq->lock);
	if (overrun) {
		atomic_fetch_add(&counts.overruns, 1);
		fab_async_raise(base->context, IBV_EVENT_CQ_ERR, base);
	}
}

int fab_poll_cq(struct ibv_cq *base, int want, struct ibv_wc *wc)
{
	struct cq *cq = (struct cq *)base;
	struct completion *completion;
	int got;

	if (fab_verb(VERB_POLL_CQ))
		return -1;
	if (!atomic_load(&cq->count))
		return 0;
	pthread_mutex_lock(&cq->lock);
	for (got = 0; got < want && atomic_load(&cq->count); got++) {
		completion = &cq->ring[cq->head];
		wc[got] = completion->wc;
		if (completion->retired)
			atomic_store(completion->retired, completion->slots_free);
		cq->head = (cq->head + 1) % base->cqe;
		atomic_fetch_sub(&cq->count, 1);
	}
	pthread_mutex_unlock(&cq->lock);
	return got;
}

int fab_req_notify_cq(struct ibv_cq *base, int solicited_only)
{
	struct cq *cq = (struct cq *)base;
	int err = fab_verb(VERB_REQ_NOTIFY_CQ);

	if (err)
		return err;
	pthread_mutex_lock(&cq->lock);
	if (!solicited_only)
		cq->armed = ARMED_ANY;
	else if (cq->armed == ARMED_NOT)
		cq->armed = ARMED_SOLICITED;
	pthread_mutex_unlock(&cq->lock);
	return 0;
}

void fab_cq_hold(struct ibv_cq *base)
{
	struct cq *cq = (struct cq *)base;

	pthread_mutex_lock(&cq->lock);
	cq->users++;
	pthread_mutex_unlock(&cq->lock);
}

void fab_cq_release(struct ibv_cq *base)
{
	struct cq *cq = (struct cq *)base;

	pthread_mutex_lock(&cq->lock);
	cq->users--;
	pthread_mutex_unlock(&cq->lock);
}

void fab_cq_forget(struct ibv_cq *base, const _Atomic uint64_t *retired)
{
	struct cq *cq = (struct cq *)base;
	unsigned int i;

	pthread_mutex_lock(&cq->lock);
	for (i = 0; i < (unsigned int)base->cqe; i++)
		if (cq->ring[i].retired == retired)
			cq->ring[i].retired = NULL;
	pthread_mutex_unlock(&cq->lock);
}

void fab_completion_counts(struct completion_counts *out)
{
	*out = (struct completion_counts){
		.live_cqs = counts.live_cqs,
		.live_channels = counts.live_channels,
		.overruns = counts.overruns,
		.events = counts.events,
		.completions = counts.completions,
		.errors = counts.errors,
	};
}
