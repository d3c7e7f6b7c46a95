/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RDMACHUNK_ENGINE_PROGRESS_H
#define RDMACHUNK_ENGINE_PROGRESS_H

#include <pthread.h>
#include <stdbool.h>

struct session;

/*
 * A thread that listens for the destination's READY while QEMU sleeps on the
 * send side and what it waits for is held back until that READY comes. It is
 * created when first needed, which most migrations never do, and sleeps for as
 * long as nobody needs it.
 */
struct progress {
	pthread_t thread;
	pthread_cond_t changed;
	bool created;
	bool wanted;
	bool stop;
};

/* Both with the session's lock held. */
void progress_init(struct session *s);
void progress_want(struct session *s);

/* End the thread, if there is one. The lock is released meanwhile. */
void progress_stop(struct session *s);

#endif
