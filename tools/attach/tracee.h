/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RDMACHUNK_ATTACH_TRACEE_H
#define RDMACHUNK_ATTACH_TRACEE_H

#include <stddef.h>
#include <stdint.h>

#include "arch.h"
#include "target.h"

/*
 * Functions called on the main thread of a running process, which is stopped for that in its
 * ppoll(2). Each runs as a signal handler would, and ends as one does: the kernel restores all
 * registers and the signal mask from a frame on the thread's stack, and ppoll(2) goes on. All that
 * is needed for that is in place before the thread runs, so that the process goes on as if nothing
 * had been whenever we die. Nothing is ever written to its code, and no trap is set; nor is it
 * run step by step, as the kernel leaves the processor's flag for that behind when a tracer dies.
 *
 * Signals that arrive in the meantime are delivered afterwards; errno is kept.
 */
struct tracee {
	struct arch_state state; /* while it is stopped */
	const struct target *target;
	/* Functions of its C library, by address. */
	uint64_t raise, errno_location;
	uint64_t errno_address; /* of the thread's errno; 0: not known yet, or it cannot be told */
	double kept; /* seconds that the thread was kept from its own work, at most, at a time */
	struct arch_code code;
	pid_t tid;

	/* While it is stopped. */
	int saved_errno;
	double stopped_at; /* seconds */
	/* From the thread's stack: what has been put there, downwards. */
	uint64_t top;
	bool seized, stopped, called, lost; /* traced; in its poll; a call was begun; out of our
					     * hands: it ended or did not return */
	bool errno_kept;
};

/* Find what is needed. 0, or -ENOTSUP when the C library lacks something. Nothing is done to the
 * process. The target outlives it. */
int tracee_open(struct tracee *tracee, const struct target *target);

/*
 * Trace the main thread, and stop it in its ppoll(2), which may take so many seconds. 0;
 * -ETIME when it was elsewhere all the time; -ESRCH when the process has ended; what
 * PTRACE_SEIZE gave; or another negative errno: then it is not traced.
 *
 * Processors are asked for ahead of all other processes while it is stopped, if we may
 * (SCHED_FIFO): the stop is as long as we are kept from ending it.
 */
int tracee_stop(struct tracee *tracee, double seconds);

/* Let it go: it is not traced any more, and goes on as it was. */
void tracee_release(struct tracee *tracee);

/* Copy these bytes to its stack, where they stay until it goes on: *address. 0 or -errno. */
int tracee_put(struct tracee *tracee, const void *data, size_t len, uint64_t *address);

/*
 * Call a function of the stopped thread; *result, unless it is NULL, is what it returned, and 0
 * where that cannot be told (tracee_tells). 0; -EAGAIN when the thread has been stopped for so long
 * already, on a busy machine, that the call would make it too long: nothing has been done, stop it
 * another time; -ETIME when it has not returned after so many seconds: then the thread is let go,
 * and will end the call and go on by itself; -ESRCH.
 */
int tracee_call(struct tracee *tracee, const struct arch_call *call, double seconds,
		uint64_t *result);

/* Can it be told what a function returned? */
bool tracee_tells(const struct tracee *tracee);

/* Learn where the stopped thread has its errno, by a call; once for a process. As tracee_call(). */
int tracee_find_errno(struct tracee *tracee);

/* The stopped thread's errno will be what it is now when it is let go; where it has not been found
 * nothing is done. 0 or -errno. */
int tracee_keep_errno(struct tracee *tracee);

#endif
