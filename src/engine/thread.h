/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RDMACHUNK_ENGINE_THREAD_H
#define RDMACHUNK_ENGINE_THREAD_H

#include <pthread.h>
#include <stdbool.h>

/*
 * A thread of our own in QEMU's process: no signal is ever delivered to it, none of
 * its calls of verbs is QEMU's, its stack is small. It works under a lock, its
 * session's, and lets that go to wait; all functions are called with the lock held.
 */
struct thread {
	pthread_t id;
	pthread_cond_t changed; /* there may be work, or it is to stop */
	bool created;
	bool stop;
	const char *name;
	void (*run)(void *argument);
	void *argument;
};

/* Nothing is created yet. */
void thread_init(struct thread *t);

/* Create it: run(argument), without the lock, until thread->stop. `name`, of 15
 * characters at most, is what ps(1) shows. Returns 0 or a positive errno; without a
 * thread all the other functions do nothing, or what they can. */
int thread_start(struct thread *t, const char *name, void (*run)(void *argument), void *argument);

/* Something has changed. */
void thread_wake(struct thread *t);

/* Wait until something has, or for `ns` nanoseconds, less than a second, at most. The
 * lock is released meanwhile. Any thread may wait. */
void thread_wait(struct thread *t, pthread_mutex_t *lock);
void thread_nap(struct thread *t, pthread_mutex_t *lock, long ns);

/* End the thread, if there is one, and what thread_init() made. The lock is released
 * meanwhile. */
void thread_stop(struct thread *t, pthread_mutex_t *lock);

#endif
