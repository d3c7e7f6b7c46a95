/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RDMACHUNK_ENGINE_WORKER_H
#define RDMACHUNK_ENGINE_WORKER_H

#include <pthread.h>
#include <stdbool.h>

/*
 * A thread of our own in QEMU's process: no signal is ever delivered to it, none of
 * its calls of verbs is QEMU's, its stack is small. It does one kind of work, a piece
 * at a time, under a lock, its session's, and lets that go to wait. All functions are
 * called with the lock held.
 */

enum worker_next {
	WORKER_AGAIN, /* there may be more */
	WORKER_NAP,   /* nothing has come that will: look again in a moment */
	WORKER_WAIT,  /* until worker_wake() */
};

struct worker_job {
	/* What ps(1) shows, 15 characters at most. */
	const char *name;
	unsigned int kinds; /* of action: CONN_KIND() of core/conn.h */
	/* Do one piece, if there is any. The lock is held, and may be let go meanwhile. */
	enum worker_next (*work)(void *argument, unsigned int kinds);
};

enum worker_state {
	WORKER_NONE, /* not created yet */
	WORKER_RUNS,
	WORKER_ENDS, /* it has been told to */
	WORKER_OVER, /* it could not be created, or has ended: there will be none */
};

struct worker {
	enum worker_state state;
	const struct worker_job *job;
	void *argument;
	pthread_mutex_t *lock;
	pthread_t thread;
	pthread_cond_t woken;
	bool sleeps;
	bool called; /* created or woken, and it has not looked for work yet */
};

/* `lock` guards the worker and all that its work is about. No thread is created yet. */
void worker_init(struct worker *w, const struct worker_job *job, pthread_mutex_t *lock,
		 void *argument);

/* WORKER_NONE -> WORKER_RUNS; when there can be no thread -> WORKER_OVER, and the negative
 * errno is returned. */
int worker_start(struct worker *w);

/* There is work. Nothing happens when there is no thread. */
void worker_wake(struct worker *w);

/* WORKER_RUNS -> WORKER_ENDS, WORKER_NONE -> WORKER_OVER: it does no more pieces. */
void worker_end(struct worker *w);

/* -> WORKER_OVER: end the thread, if there is one, and what worker_init() made. The lock
 * is released meanwhile. */
void worker_stop(struct worker *w);

#endif
