// SPDX-License-Identifier: GPL-2.0-or-later
#include "wait.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* Never drained: once there is a byte in it, every poll that watches it returns. */
static int stop_pipe[2] = {-1, -1};
static volatile sig_atomic_t stop_signal;

#define TICK_MS 1000

static struct {
	void (*call)(void *argument);
	void *argument;
	int64_t due; /* wait_now() */
} tick;

int64_t wait_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static void take_signal(int signal)
{
	int saved = errno;

	stop_signal = signal;
	if (write(stop_pipe[1], "", 1) < 0) {
		/* Full: then it has been readable for long. */
	}
	errno = saved;
}

int wait_catch_signals(void)
{
	struct sigaction action = {.sa_handler = take_signal, .sa_flags = (int)SA_RESETHAND};
	static const int signals[] = {SIGINT, SIGTERM, SIGHUP};

	if (pipe2(stop_pipe, O_CLOEXEC | O_NONBLOCK))
		return errno;
	sigemptyset(&action.sa_mask);
	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++) {
		struct sigaction old;

		/* What nohup(1) or a shell has had ignored stays ignored. */
		if (!sigaction(signals[i], NULL, &old) && old.sa_handler != SIG_IGN)
			sigaction(signals[i], &action, NULL);
	}
	return 0;
}

int wait_stop_signal(void)
{
	return stop_signal;
}

bool wait_over(int64_t deadline)
{
	return stop_signal || wait_now() >= deadline;
}

void wait_set_tick(void (*call)(void *argument), void *argument)
{
	tick.call = call;
	tick.argument = argument;
	tick.due = wait_now() + TICK_MS;
}

/* How long to wait at most, of @left milliseconds. */
static int64_t until_tick(int64_t left)
{
	int64_t now = wait_now();

	if (!tick.call)
		return left;
	if (now >= tick.due) {
		tick.call(tick.argument);
		tick.due = now + TICK_MS;
	}
	return left < tick.due - now ? left : tick.due - now;
}

bool wait_fds(struct pollfd *fds, size_t n, int64_t deadline)
{
	struct pollfd all[WAIT_FDS_MAX + 1];
	int64_t left, part;
	int ready;

	if (n > WAIT_FDS_MAX)
		n = WAIT_FDS_MAX;
	if (n)
		memcpy(all, fds, n * sizeof(*fds));
	/* poll(2) ignores the -1 of a process that takes no signals. */
	all[n] = (struct pollfd){.fd = stop_pipe[0], .events = POLLIN};
	for (;;) {
		left = deadline - wait_now();
		if (left < 0)
			left = 0;
		part = until_tick(left);
		ready = poll(all, n + 1, part > INT_MAX ? INT_MAX : (int)part);
		if (stop_signal)
			return false;
		if (ready > 0)
			break;
		if (!left || (ready < 0 && errno != EINTR))
			return false;
	}
	for (size_t i = 0; i < n; i++)
		fds[i].revents = all[i].revents;
	return true;
}
