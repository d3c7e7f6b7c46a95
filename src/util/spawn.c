/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "util/spawn.h"

#include <signal.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/*
 * QEMU's default of 8 MiB counts against RLIMIT_AS, and against RLIMIT_MEMLOCK with
 * -overcommit mem-lock=on. Ours go a few calls deep, into a provider's at most.
 */
#define STACK_SIZE ((size_t)256 * 1024)

/*
 * QEMU ends itself when it cannot create a thread (util/qemu-thread-posix.c,
 * qemu_thread_create), as it does for each migration. So ours must not be the last
 * that RLIMIT_NPROC or a cgroup allows: so many are left for QEMU.
 */
#define SPARE 4

static void *pass_gate(void *gate)
{
	pthread_mutex_lock(gate);
	pthread_mutex_unlock(gate);
	return (void *)(intptr_t)syscall(SYS_gettid);
}

/* One that has been joined counts against the limits until the kernel is rid of it. */
static void wait_until_gone(pid_t tid)
{
	const struct timespec nap = {.tv_nsec = 20000};

	for (int i = 0; i < 1000 && !syscall(SYS_tgkill, getpid(), tid, 0); i++)
		nanosleep(&nap, NULL);
}

/* While the spare ones exist, which end at once. */
static int create_with_spares(pthread_t *thread, const pthread_attr_t *attr,
			      void *(*run)(void *argument), void *argument)
{
	pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER;
	pthread_attr_t joinable = *attr;
	pthread_t spare[SPARE];
	unsigned int n = 0;
	int error = 0;

	pthread_attr_setdetachstate(&joinable, PTHREAD_CREATE_JOINABLE);
	pthread_mutex_lock(&gate);
	while (!error && n < SPARE) {
		error = pthread_create(&spare[n], &joinable, pass_gate, &gate);
		n += !error;
	}
	if (!error)
		error = pthread_create(thread, attr, run, argument);
	pthread_mutex_unlock(&gate);
	while (n) {
		void *tid;

		pthread_join(spare[--n], &tid);
		wait_until_gone((pid_t)(intptr_t)tid);
	}
	pthread_mutex_destroy(&gate);
	return error;
}

int spawn(pthread_t *thread, pthread_attr_t *attr, void *(*run)(void *argument), void *argument)
{
	sigset_t all, before;
	int error;

	/* Where that is too small it stays as it is. */
	pthread_attr_setstacksize(attr, STACK_SIZE);
	/* QEMU's signals are for QEMU's threads. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	error = create_with_spares(thread, attr, run, argument);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return error;
}
