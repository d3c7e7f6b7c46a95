/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RDMACHUNK_ENGINE_POSTER_H
#define RDMACHUNK_ENGINE_POSTER_H

#include <stdbool.h>
#include <stdint.h>

#include "core/post_cost.h"
#include "engine/thread.h"

struct session;

/*
 * A thread that posts WRITEs in QEMU's place, for a provider whose post_send()
 * does the NIC's work before it returns: software RDMA. QEMU goes on meanwhile,
 * and what it posts gathers to be merged. With an adapter post_send() takes less
 * than a microsecond, and the thread is never created.
 */
struct poster {
	struct thread thread;
	bool tried; /* to create the thread */
	struct post_cost cost;
	/* It is in post_send(), without the lock: nobody else may post meanwhile. */
	bool busy;
};

/* All with the session's lock held. */
void poster_init(struct session *s);

/* Around a call of post_send() with WRITEs. The second may create the thread. */
uint64_t poster_begin(const struct session *s);
void poster_end(struct session *s, uint64_t began);

/* There are WRITEs to be posted. True when the thread does that. */
bool poster_takes(struct session *s);

/* The send queue is full: wait until something may have changed. The lock is
 * released meanwhile. */
void poster_nap(struct session *s);

/* End the thread, if there is one. The lock is released meanwhile. */
void poster_stop(struct session *s);

#endif
