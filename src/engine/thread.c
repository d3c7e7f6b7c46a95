/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/thread.h"

#include <signal.h>

#include "engine/guard.h"

_Thread_local unsigned int guard_depth;

int thread_create(pthread_t *thread, void *(*run)(void *argument), void *argument)
{
	sigset_t all, before;
	int error;

	/* QEMU's signals are for QEMU's threads. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	error = pthread_create(thread, NULL, run, argument);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return error;
}
