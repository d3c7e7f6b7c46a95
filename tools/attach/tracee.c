/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tracee.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>

#include "launcher/proc.h"

/* Ignored where nobody handles it, which nobody does: harmless if we are gone. */
#define DONE_SIGNAL SIGURG

#define ALL_SIGNALS UINT64_MAX

/* Between two looks at a thread that is busy elsewhere. */
#define PAUSE_NS 1000000

/* No call is begun in a thread that has been stopped for so many seconds: half of what it may be
 * stopped for, the other half is the call's. */
#define BEGIN_SECONDS 0.01

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
static int pass_on(struct tracee *t, int status)
{
	enum __ptrace_request how = is_group_stop(status) ? PTRACE_LISTEN : PTRACE_CONT;
	long signal = status >> 16 ? 0 : WSTOPSIG(status);

	return ptrace(how, t->tid, NULL, signal) ? -errno : 0;
}

/* Goes on with it until it stops as wanted. */
static int wait_until(struct tracee *t, double end, bool (*is_wanted)(int status))
{
	int status, ret;

	for (;;) {
		ret = wait_stop(t, end, &status);
		if (ret || is_wanted(status))
			return ret;
		ret = pass_on(t, status);
		if (ret)
			return ret;
	}
}

/* Stopped anywhere. */
static int interrupt(struct tracee *t, double end)
{
	return ptrace(PTRACE_INTERRUPT, t->tid, NULL, NULL) ? -errno
							    : wait_until(t, end, is_interrupt);
}

/* Ahead of all others, and as before. Whoever may not waits longer for a processor. */
static void hurry(bool on)
{
	static struct sched_param before;
	static int policy = -1;
	const struct sched_param first = {.sched_priority = 1};

	if (on && policy < 0 && sched_getparam(0, &before) == 0) {
		policy = sched_getscheduler(0);
		sched_setscheduler(0, SCHED_FIFO, &first);
	} else if (!on && policy >= 0) {
		sched_setscheduler(0, policy, &before);
		policy = -1;
	}
}

/* Ctrl-Z at a moment at which the thread is stopped would stop QEMU for as long as us. */
static void hold_job_control(bool on)
{
	static sigset_t before;
	sigset_t stops;

	sigemptyset(&stops);
	sigaddset(&stops, SIGTSTP);
	sigaddset(&stops, SIGTTIN);
	sigaddset(&stops, SIGTTOU);
	if (on)
		sigprocmask(SIG_BLOCK, &stops, &before);
	else
		sigprocmask(SIG_SETMASK, &before, NULL);
}

int tracee_open(struct tracee *t, const struct target *target)
{
	const struct target_module *libc = target_module(target, "libc.so.");

	memset(t, 0, sizeof(*t));
	t->tid = target->pid;
	t->target = target;
	if (!arch_supported || !libc)
		return -ENOTSUP;
	t->raise = target_symbol(target, libc, "raise");
	t->errno_location = target_symbol(target, libc, "__errno_location");
	if (!arch_find_code(target, &t->code) || !t->raise || !t->errno_location)
		return -ENOTSUP;
	return 0;
}

/* Writes a frame below `top`, and what functions need to come to it: *place. */
static int put_frame(struct tracee *t, const struct arch_start *start, uint64_t vector,
		     uint64_t top, uint64_t *place)
{
	unsigned char frame[ARCH_LANDING + ARCH_FRAME_MAX] __attribute__((aligned(16)));

	*place = arch_frame_place(top);
	arch_landing(frame, &t->code);
	arch_frame(frame + ARCH_LANDING, &t->state, vector, &t->code, start);
	return target_write(t->target, *place - ARCH_LANDING, frame,
			    ARCH_LANDING + arch_frame_size());
}

/* Frames above one another on the stack: the call, the signal that tells of its end, and the way
 * back. Sets the address of the first. */
static int put_frames(struct tracee *t, const struct arch_call *call, uint64_t result,
		      uint64_t *first)
{
	const uint64_t done = UINT64_C(1) << (DONE_SIGNAL - 1);
	struct arch_start tell = {.call = {t->raise, {DONE_SIGNAL}}, .mask = t->state.mask & ~done};
	struct arch_start begin = {.call = *call, .mask = ALL_SIGNALS, .result = result};
	uint64_t vector = (t->top - arch_vector_size(&t->state)) & ~UINT64_C(63);
	int ret = 0;

	if (arch_vector_size(&t->state))
		ret = target_write(t->target, vector, t->state.vector, t->state.vector_len);
	if (!ret)
		ret = put_frame(t, NULL, vector, vector, &tell.next);
	if (!ret)
		ret = put_frame(t, &tell, vector, tell.next - ARCH_LANDING, &begin.next);
	if (!ret)
		ret = put_frame(t, &begin, vector, begin.next - ARCH_LANDING, first);
	return ret;
}

/* It is none of ours any more, and ends by itself what it does. */
static void let_go(struct tracee *t)
{
	if (!t->lost && interrupt(t, now() + 1) == 0)
		ptrace(PTRACE_DETACH, t->tid, NULL, NULL);
	t->lost = true;
}

static bool is_done(int status)
{
	return !(status >> 16) && WSTOPSIG(status) == DONE_SIGNAL;
}

/* Runs it to the signal. */
static int run(struct tracee *t, double end)
{
	return ptrace(PTRACE_CONT, t->tid, NULL, NULL) ? -errno : wait_until(t, end, is_done);
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

int tracee_call(struct tracee *t, const struct arch_call *call, double seconds, uint64_t *result)
{
	double end = now() + seconds;
	uint64_t first, place = 0, none = 0;
	int ret = 0;

	if (result)
		*result = 0;
	if (result && tracee_tells(t))
		ret = tracee_put(t, &none, sizeof(none), &place);
	if (!ret)
		ret = put_frames(t, call, place, &first);
	if (!ret && !t->called && now() - t->stopped_at > BEGIN_SECONDS)
		ret = -EAGAIN;
	if (!ret)
		ret = arch_enter(t->tid, &t->code, first);
	if (ret)
		return ret;
	t->called = true;
	ret = run(t, end);
	if (ret)
		let_go(t);
	else if (place)
		ret = target_read(t->target, place, result, sizeof(*result));
	return ret;
}

bool tracee_tells(const struct tracee *t)
{
	return t->code.store != 0;
}

int tracee_find_errno(struct tracee *t)
{
	const struct arch_call location = {t->errno_location, {0}};

	return tracee_call(t, &location, 1, &t->errno_address);
}

int tracee_keep_errno(struct tracee *t)
{
	int ret;

	if (!t->errno_address)
		return 0;
	ret = target_read(t->target, t->errno_address, &t->saved_errno, sizeof(t->saved_errno));
	t->errno_kept = !ret;
	return ret;
}

/* How long the thread has waited for a processor since it began, in seconds; 0 when the kernel does
 * not count that. */
static double waited(const struct tracee *t)
{
	FILE *file = proc_open(t->tid, "schedstat");
	unsigned long long ran, wait = 0;

	if (file && fscanf(file, "%llu %llu", &ran, &wait) != 2)
		wait = 0;
	if (file)
		fclose(file);
	return (double)wait / 1e9;
}

/* Stopped where it holds no lock. It is told to stop when it next has a processor: while it waits
 * for one, as it would for anything else, it is not stopped. */
static int stop_in_poll(struct tracee *t, double end)
{
	const struct timespec nap = {.tv_nsec = PAUSE_NS};
	double before;
	int ret;

	for (;;) {
		before = waited(t);
		t->stopped_at = now();
		ret = interrupt(t, end);
		t->stopped_at += waited(t) - before;
		if (ret)
			return ret;
		ret = arch_save(t->tid, &t->state);
		if (ret != -EAGAIN)
			return ret;
		if (ptrace(PTRACE_CONT, t->tid, NULL, NULL))
			return -errno;
		if (now() > end)
			return -ETIME;
		nanosleep(&nap, NULL);
	}
}

int tracee_stop(struct tracee *t, double seconds)
{
	int ret;

	t->stopped = t->called = t->lost = t->errno_kept = false;
	hold_job_control(true);
	if (ptrace(PTRACE_SEIZE, t->tid, NULL, NULL)) {
		ret = -errno;
		hold_job_control(false);
		return ret;
	}
	t->seized = true;
	hurry(true);
	ret = stop_in_poll(t, now() + seconds);
	t->stopped = !ret;
	if (ret)
		tracee_release(t);
	else
		t->top = arch_stack(&t->state);
	return ret;
}

void tracee_release(struct tracee *t)
{
	double kept;

	if (!t->seized)
		return;
	if (!t->lost && t->errno_kept)
		target_write(t->target, t->errno_address, &t->saved_errno, sizeof(t->saved_errno));
	if (!t->lost && !t->stopped && interrupt(t, now() + 1))
		t->lost = true;
	if (!t->lost)
		ptrace(PTRACE_DETACH, t->tid, NULL, NULL);
	kept = t->stopped ? now() - t->stopped_at : 0;
	hurry(false);
	t->kept = kept > t->kept ? kept : t->kept;
	t->seized = t->stopped = false;
	hold_job_control(false);
}
