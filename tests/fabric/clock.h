/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Monotonic time, waits with absolute deadlines, quiet threads, and deferred actions.
 * All times are nanoseconds of CLOCK_MONOTONIC, which both ends of a connection share.
 */
#ifndef FABRIC_CLOCK_H
#define FABRIC_CLOCK_H

#include <pthread.h>
#include <stdint.h>

uint64_t fab_now(void);

/* Sleeps (never spins) until the deadline; returns at once when it has passed. */
void fab_sleep_until(uint64_t deadline);

/* Works, as software does that takes its time, until the thread has had `ns` nanoseconds of the
 * processor since fab_work_begin() returned `began`. */
uint64_t fab_work_begin(void);
void fab_work_until(uint64_t began, uint64_t ns);

/* A condition variable whose timed waits take CLOCK_MONOTONIC deadlines. */
void fab_cond_init(pthread_cond_t *cond);

/* Waits on cond until deadline at the latest; returns 0 or ETIMEDOUT. */
int fab_cond_wait_until(pthread_cond_t *cond, pthread_mutex_t *lock, uint64_t deadline);

/*
 * Starts a thread that receives no signals, so that the host program's handlers run where it
 * expects them. Returns 0 or an errno value.
 */
int fab_thread(pthread_t *thread, const char *name, void *(*run)(void *), void *arg);

/*
 * Runs fn(arg) on the timer thread at the deadline. fn must not block for long. Returns 0 or
 * ENOMEM.
 */
int fab_timer_add(uint64_t deadline, void (*fn)(void *arg), void *arg);

/*
 * Forgets every action pending for (fn, arg) and waits for one that is running. Not to be called
 * with a lock held that fn takes.
 */
void fab_timer_cancel(void (*fn)(void *arg), void *arg);

#endif
