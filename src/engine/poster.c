/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/poster.h"

#include <string.h>
#include <time.h>

#include "engine/datapath.h"
#include "engine/session.h"

/* Between two tries when the send queue is full. */
#define NAP_NS 1000000

static void run(void *argument)
{
	struct session *s = argument;
	struct poster *p = &s->poster;

	pthread_mutex_lock(&s->lock);
	while (!p->thread.stop) {
		if (!datapath_post_writes(s))
			thread_wait(&p->thread, &s->lock);
	}
	pthread_mutex_unlock(&s->lock);
}

void poster_init(struct session *s)
{
	memset(&s->poster, 0, sizeof(s->poster));
	thread_init(&s->poster.thread);
}

/* Is it to be found out still whether a thread is worth while? */
static bool is_open(const struct session *s)
{
	return !s->poster.tried && s->conn.transmit.policy.early &&
	       session_config()->poster != CONFIG_POSTER_OFF;
}

static uint64_t now_ns(const struct poster *p)
{
	bool cpu = post_cost_clock(&p->cost) == POST_COST_CPU;
	struct timespec now;

	clock_gettime(cpu ? CLOCK_THREAD_CPUTIME_ID : CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

uint64_t poster_begin(const struct session *s)
{
	return is_open(s) ? now_ns(&s->poster) : 0;
}

void poster_end(struct session *s, uint64_t began)
{
	struct poster *p = &s->poster;

	if (!is_open(s))
		return;
	post_cost_add(&p->cost, now_ns(p) - began);
	if (!post_cost_is_high(&p->cost) && session_config()->poster != CONFIG_POSTER_ON)
		return;
	/* Without a thread things go on as they did. */
	p->tried = true;
	thread_start(&p->thread, "rdmachunk-post", run, s);
}

bool poster_takes(struct session *s)
{
	struct thread *t = &s->poster.thread;

	if (!t->created || t->stop)
		return false;
	thread_wake(t);
	return true;
}

void poster_nap(struct session *s)
{
	thread_nap(&s->poster.thread, &s->lock, NAP_NS);
}

void poster_stop(struct session *s)
{
	thread_stop(&s->poster.thread, &s->lock);
}
