/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/thread.h"

#include <signal.h>
#include <string.h>
#include <time.h>

#include "engine/guard.h"

/*
 * QEMU's default of 8 MiB counts against RLIMIT_AS, and against RLIMIT_MEMLOCK with
 * -overcommit mem-lock=on. Ours go a few calls deep, into a provider's at most.
 */
#define STACK_SIZE (256u * 1024)

/*
 * QEMU ends itself when it cannot create a thread (util/qemu-thread-posix.c,
 * qemu_thread_create), as it does for each migration. So ours must not be the last
 * that RLIMIT_NPROC or a cgroup allows: so many are left for QEMU.
 */
#define SPARE 4

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

static void *pass_gate(void *gate)
{
	pthread_mutex_lock(gate);
	pthread_mutex_unlock(gate);
	return NULL;
}

/* While the spare ones exist, which end at once. */
static int create_with_spares(struct thread *t, const pthread_attr_t *attr)
{
	pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER;
	pthread_t spare[SPARE];
	unsigned int n = 0;
	int error = 0;

	pthread_mutex_lock(&gate);
	while (!error && n < SPARE) {
		error = pthread_create(&spare[n], attr, pass_gate, &gate);
		n += !error;
	}
	if (!error)
		error = pthread_create(&t->id, attr, begin, t);
	pthread_mutex_unlock(&gate);
	while (n)
		pthread_join(spare[--n], NULL);
	pthread_mutex_destroy(&gate);
	return error;
}

static int create(struct thread *t)
{
	sigset_t all, before;
	pthread_attr_t attr;
	int error = pthread_attr_init(&attr);

	if (error)
		return error;
	/* Where that is too small it stays as it is. */
	pthread_attr_setstacksize(&attr, STACK_SIZE);
	/* QEMU's signals are for QEMU's threads. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	error = create_with_spares(t, &attr);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
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
		pthread_cond_signal(&t->changed);
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
