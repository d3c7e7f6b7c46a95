/* SPDX-License-Identifier: GPL-2.0-or-later */

/*
 * Preloaded to rdmachunk: a busy machine. The first DELAY_TIMES times that a thread has been
 * interrupted, rdmachunk gets no processor for a while.
 */
#include <dlfcn.h>
#include <stdlib.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <time.h>

#define DELAY_NS 40000000

pid_t waitpid(pid_t pid, int *status, int options)
{
	static pid_t (*next)(pid_t pid, int *status, int options);
	struct timespec delay = {.tv_nsec = DELAY_NS};
	static long times;
	pid_t got;

	if (!next)
		*(void **)&next = dlsym(RTLD_NEXT, "waitpid");
	got = next(pid, status, options);
	if (got > 0 && *status >> 16 == PTRACE_EVENT_STOP && times++ < atol(getenv("DELAY_TIMES")))
		while (nanosleep(&delay, &delay))
			;
	return got;
}
