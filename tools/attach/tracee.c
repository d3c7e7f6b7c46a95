/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tracee.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>

/* Ignored where nobody handles it, which nobody does: harmless if we are gone. */
#define DONE_SIGNAL SIGURG

#define ALL_SIGNALS UINT64_MAX

/* Between two looks at a thread that is busy elsewhere. */
#define PAUSE_NS 1000000

static double now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static void wake(int number)
{
	(void)number;
}

/* waitpid() ends with EINTR now and then, so that there is an end to waiting. */
static void set_timer(bool on)
{
	const struct sigaction action = {.sa_handler = wake};
	const struct itimerval often = {{0, on ? 10000 : 0}, {0, on ? 10000 : 0}};

	sigaction(SIGALRM, &action, NULL);
	setitimer(ITIMER_REAL, &often, NULL);
}

/* Until the thread stops: *status. 0, -ETIME or -ESRCH. */
static int wait_stop(struct tracee *t, double end, int *status)
{
	pid_t got;

	set_timer(true);
	while ((got = waitpid(t->tid, status, __WALL)) < 0 && errno == EINTR && now() < end)
		;
	set_timer(false);
	if (got == t->tid && WIFSTOPPED(*status))
		return 0;
	if (got < 0 && errno == EINTR)
		return -ETIME;
	t->lost = true;
	return -ESRCH;
}

/* By PTRACE_INTERRUPT, rather than for a signal. */
static bool is_interrupt(int status)
{
	return status >> 16 == PTRACE_EVENT_STOP && WSTOPSIG(status) == SIGTRAP;
}

/* All of the process was stopped, by SIGSTOP or its like. */
static bool is_group_stop(int status)
{
	return status >> 16 == PTRACE_EVENT_STOP && WSTOPSIG(status) != SIGTRAP;
}

/* Go on after a stop that is none of ours; a signal is delivered. */
static int pass_on(struct tracee *t, int status, enum __ptrace_request how)
{
	long signal = status >> 16 ? 0 : WSTOPSIG(status);

	if (is_group_stop(status))
		how = PTRACE_LISTEN;
	return ptrace(how, t->tid, NULL, signal) ? -errno : 0;
}

/* Stopped anywhere. */
static int interrupt(struct tracee *t, double end)
{
	int status, ret;

	if (ptrace(PTRACE_INTERRUPT, t->tid, NULL, NULL))
		return -errno;
	for (;;) {
		ret = wait_stop(t, end, &status);
		if (ret)
			return ret;
		if (is_interrupt(status))
			return 0;
		ret = pass_on(t, status, PTRACE_CONT);
		if (ret)
			return ret;
	}
}

int tracee_open(struct tracee *t, const struct target *target)
{
	const struct target_module *libc = target_module(target, "libc.so.");

	memset(t, 0, sizeof(*t));
	t->tid = target->pid;
	t->target = target;
	if (!arch_supported || !libc)
		return -ENOTSUP;
	t->sigreturn = arch_sigreturn(target);
	t->raise = target_symbol(target, libc, "raise");
	t->errno_location = target_symbol(target, libc, "__errno_location");
	if (!t->sigreturn || !t->raise || !t->errno_location)
		return -ENOTSUP;
	return ptrace(PTRACE_SEIZE, t->tid, NULL, NULL) ? -errno : 0;
}

/* Frames above one another on the stack: the call, the signal that tells of its end, and the way
 * back. Sets the address of the first two. */
static int put_frames(struct tracee *t, const struct arch_call *call, uint64_t *first,
		      uint64_t *second)
{
	const uint64_t done = UINT64_C(1) << (DONE_SIGNAL - 1);
	const struct arch_call tell = {t->raise, {DONE_SIGNAL}};
	unsigned char frame[ARCH_FRAME_MAX] __attribute__((aligned(16)));
	uint64_t vector, last;
	int ret;

	vector = (t->top - arch_vector_size(&t->state)) & ~UINT64_C(63);
	last = arch_frame_place(vector);
	*second = arch_frame_place(last);
	*first = arch_frame_place(*second);
	ret = arch_vector_size(&t->state)
		      ? target_write(t->target, vector, t->state.vector, t->state.vector_len)
		      : 0;
	arch_frame(frame, &t->state, vector, NULL, 0, t->sigreturn, 0);
	if (!ret)
		ret = target_write(t->target, last, frame, arch_frame_size());
	arch_frame(frame, &t->state, vector, &tell, t->state.mask & ~done, t->sigreturn, last);
	if (!ret)
		ret = target_write(t->target, *second, frame, arch_frame_size());
	arch_frame(frame, &t->state, vector, call, ALL_SIGNALS, t->sigreturn, *second);
	if (!ret)
		ret = target_write(t->target, *first, frame, arch_frame_size());
	return ret;
}

/* It is none of ours any more, and ends by itself what it does. */
static void let_go(struct tracee *t)
{
	if (!t->lost && interrupt(t, now() + 1) == 0)
		ptrace(PTRACE_DETACH, t->tid, NULL, NULL);
	t->lost = true;
}

/* Runs it to the signal. */
static int run(struct tracee *t, double end)
{
	int status, ret;

	if (ptrace(PTRACE_CONT, t->tid, NULL, NULL))
		return -errno;
	for (;;) {
		ret = wait_stop(t, end, &status);
		if (ret)
			return ret;
		if (!(status >> 16) && WSTOPSIG(status) == DONE_SIGNAL)
			return 0;
		ret = pass_on(t, status, PTRACE_CONT);
		if (ret)
			return ret;
	}
}

/* Runs it, instruction by instruction, until the function has returned. */
static int step(struct tracee *t, uint64_t next, double end, uint64_t *result)
{
	int status = 0, ret = 0;

	while (!ret) {
		ret = pass_on(t, status, PTRACE_SINGLESTEP);
		if (!ret)
			ret = wait_stop(t, end, &status);
		if (!ret && now() > end)
			ret = -ETIME;
		if (ret || status >> 16 || WSTOPSIG(status) != SIGTRAP)
			continue;
		status = 0;
		ret = arch_returned(t->tid, t->sigreturn, next, result);
	}
	return ret < 0 ? ret : 0;
}

static int call(struct tracee *t, const struct arch_call *what, double seconds, uint64_t *result)
{
	double end = now() + seconds;
	uint64_t first, second;
	int ret;

	ret = put_frames(t, what, &first, &second);
	if (!ret)
		ret = arch_enter(t->tid, t->sigreturn, first);
	if (ret)
		return ret;
	ret = result ? step(t, second, end, result) : run(t, end);
	if (ret)
		let_go(t);
	return ret;
}

int tracee_call(struct tracee *t, const struct arch_call *what, double seconds)
{
	return call(t, what, seconds, NULL);
}

int tracee_call_result(struct tracee *t, const struct arch_call *what, double seconds,
		       uint64_t *result)
{
	return call(t, what, seconds, result);
}

int tracee_put(struct tracee *t, const void *data, size_t len, uint64_t *address)
{
	uint64_t at = (t->top - len) & ~UINT64_C(15);
	int ret = target_write(t->target, at, data, len);

	if (ret)
		return ret;
	t->top = at;
	*address = at;
	return 0;
}

static int save_errno(struct tracee *t)
{
	const struct arch_call location = {t->errno_location, {0}};
	int ret = tracee_call_result(t, &location, 1, &t->errno_address);

	if (!ret)
		ret = target_read(t->target, t->errno_address, &t->saved_errno,
				  sizeof(t->saved_errno));
	return ret;
}

int tracee_stop(struct tracee *t, double seconds)
{
	const struct timespec nap = {.tv_nsec = PAUSE_NS};
	double end = now() + seconds;
	int ret;

	for (;;) {
		t->stopped_at = now();
		ret = interrupt(t, end);
		if (ret)
			return ret;
		ret = arch_save(t->tid, &t->state);
		if (ret != -EAGAIN)
			break;
		if (ptrace(PTRACE_CONT, t->tid, NULL, NULL))
			return -errno;
		if (now() > end)
			return -ETIME;
		nanosleep(&nap, NULL);
	}
	t->stopped = true;
	t->top = arch_stack(&t->state);
	return ret ? ret : save_errno(t);
}

void tracee_close(struct tracee *t)
{
	if (!t->lost && t->errno_address)
		target_write(t->target, t->errno_address, &t->saved_errno, sizeof(t->saved_errno));
	if (!t->lost && !t->stopped && interrupt(t, now() + 1))
		t->lost = true;
	if (!t->lost)
		ptrace(PTRACE_DETACH, t->tid, NULL, NULL);
	if (t->stopped)
		t->kept = now() - t->stopped_at;
	t->lost = true;
}
