/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RDMACHUNK_ENGINE_PROGRESS_H
#define RDMACHUNK_ENGINE_PROGRESS_H

#include <stdatomic.h>
#include <stdbool.h>

#include "core/conn.h"
#include "engine/thread.h"

struct session;

/*
 * A thread that looks after one CQ while QEMU sleeps on the other, and what it
 * waits for depends on a completion there: on the destination's READY, say, for
 * which a SEND is held back. It is there before anything is promised to QEMU that
 * could need it, and sleeps for as long as nobody does, in many migrations always.
 */
struct progress {
	struct thread thread;
	/* The CQ that QEMU sleeps on, when the thread is wanted. */
	bool wanted;
	enum conn_cq armed;
	/* Which CQ the thread polls, PROGRESS_OF() it, or 0: read without the lock. */
	atomic_uint polls;
};

#define PROGRESS_OF(cq) ((unsigned int)(cq) + 1)

/* With the session's lock held. */
void progress_init(struct session *s);

/* Create the thread, for a connection that is about to become active. What may need
 * it is turned off where that is not possible. */
void progress_start(struct session *s);

/* QEMU sleeps on `armed`. */
void progress_want(struct session *s, enum conn_cq armed);

/* QEMU is awake and looks for itself from now on. Two that poll the same CQ would
 * get its completions out of order. */
void progress_rest(struct session *s);

/* End the thread, if there is one. The lock is released meanwhile. */
void progress_stop(struct session *s);

#endif
