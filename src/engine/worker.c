/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/worker.h"

#include <string.h>

#include "engine/verbs.h"
#include "util/condition.h"
#include "util/spawn.h"

/* What a worker naps for, a READY say, takes a round trip: so the naps start short. */
#define NAP_FIRST_NS   UINT64_C(50000)
#define NAP_LONGEST_NS UINT64_C(1000000)

static void run(struct worker *w)
{
	uint64_t ns = NAP_FIRST_NS;
	enum worker_next next;

	while (w->state == WORKER_RUNS) {
		w->called = false;
		next = w->job->work(w->argument, w->job->kinds);
		if (next != WORKER_NAP)
			ns = NAP_FIRST_NS;
		/* It may have been told to end while the lock was away. */
		if (next == WORKER_AGAIN || w->state != WORKER_RUNS)
			continue;
		w->sleeps = true;
		if (next == WORKER_WAIT)
			pthread_cond_wait(&w->woken, w->lock);
		else
			condition_nap(&w->woken, w->lock, ns);
		w->sleeps = false;
		if (next == WORKER_NAP)
			ns = ns * 2 < NAP_LONGEST_NS ? ns * 2 : NAP_LONGEST_NS;
	}
}

static void *begin(void *argument)
{
	struct worker *w = argument;

	guard_enter();
	pthread_setname_np(pthread_self(), w->job->name);
	pthread_mutex_lock(w->lock);
	run(w);
	pthread_mutex_unlock(w->lock);
	return NULL;
}

void worker_init(struct worker *w, const struct worker_job *job, pthread_mutex_t *lock,
		 void *argument)
{
	memset(w, 0, sizeof(*w));
	w->job = job;
	w->argument = argument;
	w->lock = lock;
	condition_init(&w->woken);
}

static int create(struct worker *w)
{
	pthread_attr_t attr;
	int error = pthread_attr_init(&attr);

	if (error)
		return -error;
	error = spawn(&w->thread, &attr, begin, w);
	pthread_attr_destroy(&attr);
	return -error;
}

int worker_start(struct worker *w)
{
	int ret = create(w);

	w->state = ret ? WORKER_OVER : WORKER_RUNS;
	w->called = !ret;
	return ret;
}

void worker_wake(struct worker *w)
{
	if (w->state != WORKER_RUNS || !w->sleeps)
		return;
	w->called = true;
	pthread_cond_signal(&w->woken);
}

void worker_end(struct worker *w)
{
	/* Nor is it created any more, by another that has not ended yet. */
	if (w->state == WORKER_NONE)
		w->state = WORKER_OVER;
	if (w->state != WORKER_RUNS)
		return;
	worker_wake(w);
	w->state = WORKER_ENDS;
}

void worker_stop(struct worker *w)
{
	bool runs;

	worker_end(w);
	runs = w->state == WORKER_ENDS;
	w->state = WORKER_OVER;
	if (runs) {
		pthread_mutex_unlock(w->lock);
		pthread_join(w->thread, NULL);
		pthread_mutex_lock(w->lock);
	}
	pthread_cond_destroy(&w->woken);
}
