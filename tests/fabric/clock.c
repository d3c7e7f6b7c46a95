// SPDX-License-Identifier: GPL-2.0-or-later
#include "clock.h"

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <time.h>

#define NSEC_PER_SEC 1000000000ull

struct timer {
	struct timer *next;
	uint64_t deadline;
	void (*fn)(void *arg);
	void *arg;
};

static pthread_mutex_t timer_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t timer_wake;
static pthread_cond_t timer_idle;
static struct timer *timers; /* by deadline */
static struct timer *running;
static pthread_t timer_thread;
static bool timer_started;

static struct timespec to_timespec(uint64_t ns)
{
	return (struct timespec){.tv_sec = ns / NSEC_PER_SEC, .tv_nsec = ns % NSEC_PER_SEC};
}

uint64_t fab_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * NSEC_PER_SEC + (uint64_t)ts.tv_nsec;
}

void fab_sleep_until(uint64_t deadline)
{
	struct timespec ts = to_timespec(deadline);

	if (fab_now() >= deadline)
		return;
	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &ts, NULL) == EINTR)
		continue;
}

uint64_t fab_work_begin(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
	return (uint64_t)ts.tv_sec * NSEC_PER_SEC + (uint64_t)ts.tv_nsec;
}

void fab_work_until(uint64_t began, uint64_t ns)
{
	while (fab_work_begin() - began < ns)
		continue;
}

void fab_cond_init(pthread_cond_t *cond)
{
	pthread_condattr_t attr;

	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(cond, &attr);
	pthread_condattr_destroy(&attr);
}

int fab_cond_wait_until(pthread_cond_t *cond, pthread_mutex_t *lock, uint64_t deadline)
{
	struct timespec ts = to_timespec(deadline);

	return pthread_cond_timedwait(cond, lock, &ts);
}

int fab_thread(pthread_t *thread, const char *name, void *(*run)(void *), void *arg)
{
	sigset_t all, old;
	int err;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	err = pthread_create(thread, NULL, run, arg);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (!err)
		pthread_setname_np(*thread, name);
	return err;
}

static void *run_timers(void *unused)
{
	struct timer *t;

	(void)unused;
	/* The default slack of 50 us would swamp the latencies that are modelled. */
	prctl(PR_SET_TIMERSLACK, 1000ul, 0, 0, 0);
	pthread_mutex_lock(&timer_lock);
	for (;;) {
		if (!timers) {
			pthread_cond_wait(&timer_wake, &timer_lock);
			continue;
		}
		if (fab_now() < timers->deadline) {
			fab_cond_wait_until(&timer_wake, &timer_lock, timers->deadline);
			continue;
		}
		t = timers;
		timers = t->next;
		running = t;
		pthread_mutex_unlock(&timer_lock);
		t->fn(t->arg);
		pthread_mutex_lock(&timer_lock);
		running = NULL;
		pthread_cond_broadcast(&timer_idle);
		free(t);
	}
	return NULL;
}

static int start_timers(void)
{
	int err;

	if (timer_started)
		return 0;
	fab_cond_init(&timer_wake);
	fab_cond_init(&timer_idle);
	err = fab_thread(&timer_thread, "fabric-timer", run_timers, NULL);
	timer_started = !err;
	return err;
}

int fab_timer_add(uint64_t deadline, void (*fn)(void *arg), void *arg)
{
	struct timer *t = malloc(sizeof(*t)), **p;
	int err = 0;

	if (!t)
		return ENOMEM;
	*t = (struct timer){.deadline = deadline, .fn = fn, .arg = arg};
	pthread_mutex_lock(&timer_lock);
	err = start_timers();
	if (!err) {
		for (p = &timers; *p && (*p)->deadline <= deadline; p = &(*p)->next)
			continue;
		t->next = *p;
		*p = t;
		pthread_cond_signal(&timer_wake);
	}
	pthread_mutex_unlock(&timer_lock);
	if (err)
		free(t);
	return err;
}

void fab_timer_cancel(void (*fn)(void *arg), void *arg)
{
	struct timer **p, *t;

	pthread_mutex_lock(&timer_lock);
	for (p = &timers; (t = *p);) {
		if (t->fn == fn && t->arg == arg) {
			*p = t->next;
			free(t);
		} else {
			p = &t->next;
		}
	}
	while (running && running->fn == fn && running->arg == arg &&
	       !pthread_equal(pthread_self(), timer_thread))
		pthread_cond_wait(&timer_idle, &timer_lock);
	pthread_mutex_unlock(&timer_lock);
}
