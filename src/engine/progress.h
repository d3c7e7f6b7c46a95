/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RDMACHUNK_ENGINE_PROGRESS_H
#define RDMACHUNK_ENGINE_PROGRESS_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "core/conn.h"

struct session;

/*
 * A thread that looks after one CQ while QEMU sleeps on the other, and what it
 * waits for depends on a completion there: on the destination's READY, say, for
 * which a SEND is held back. It is created when first needed, which many
 * migrations never do, and sleeps for as long as nobody needs it.
 */
struct progress {
	pthread_t thread;
	pthread_cond_t changed;
	bool created;
	bool stop;
	/* The CQ that QEMU sleeps on, when the thread is wanted. */
	bool wanted;
	enum conn_cq armed;
	/* Which CQ the thread polls, PROGRESS_OF() it, or 0: read without the lock. */
	atomic_uint polls;
};

#define PROGRESS_OF(cq) ((unsigned int)(cq) + 1)

/* With the session's lock held. */
void progress_init(struct session *s);
void progress_want(struct session *s, enum conn_cq armed);

/* QEMU is awake and looks for itself from now on. Two that poll the same CQ would
 * get its completions out of order. */
void progress_rest(struct session *s);

/* End the thread, if there is one. The lock is released meanwhile. */
void progress_stop(struct session *s);

#endif
