/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/thread.h"

#include <string.h>
#include <time.h>

#include "engine/guard.h"
#include "util/spawn.h"

#define NS_PER_SECOND 1000000000L

_Thread_local unsigned int guard_depth;

static void *begin(void *argument)
{
	struct thread *t = argument;

	guard_enter();
	pthread_setname_np(pthread_self(), t->name);
	t->run(t->argument);
	return NULL;
}

void thread_init(struct thread *t)
{
	pthread_condattr_t attr;

	memset(t, 0, sizeof(*t));
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&t->changed, &attr);
	pthread_condattr_destroy(&attr);
}

static int create(struct thread *t)
{
	pthread_attr_t attr;
	int error = pthread_attr_init(&attr);

	if (error)
		return error;
	error = spawn(&t->id, &attr, begin, t);
	pthread_attr_destroy(&attr);
	return error;
}

int thread_start(struct thread *t, const char *name, void (*run)(void *argument), void *argument)
{
	int error;

	t->name = name;
	t->run = run;
	t->argument = argument;
	error = create(t);
	t->created = !error;
	return error;
}

void thread_wake(struct thread *t)
{
	if (t->created && !t->stop)
		/* Others may nap on it, and must not take what is the thread's. */
		pthread_cond_broadcast(&t->changed);
}

void thread_wait(struct thread *t, pthread_mutex_t *lock)
{
	pthread_cond_wait(&t->changed, lock);
}

void thread_nap(struct thread *t, pthread_mutex_t *lock, long ns)
{
	struct timespec until;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_nsec += ns;
	if (until.tv_nsec >= NS_PER_SECOND) {
		until.tv_nsec -= NS_PER_SECOND;
		until.tv_sec++;
	}
	pthread_cond_timedwait(&t->changed, lock, &until);
}

void thread_stop(struct thread *t, pthread_mutex_t *lock)
{
	thread_wake(t);
	t->stop = true;
	if (t->created) {
		pthread_mutex_unlock(lock);
		pthread_join(t->id, NULL);
		pthread_mutex_lock(lock);
	}
	pthread_cond_destroy(&t->changed);
}
