/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RDMACHUNK_ENGINE_AHEAD_H
#define RDMACHUNK_ENGINE_AHEAD_H

#include <pthread.h>
#include <stdbool.h>

#include "core/data_run.h"
#include "engine/thread.h"

struct session;

/*
 * A thread that looks for the next data in guest memory, has it registered at
 * the destination, and registers it here, while QEMU goes on with what is
 * registered already. It is created when first needed. Without it everything
 * works as well, when QEMU asks.
 */
struct ahead {
	struct thread thread;
	pthread_cond_t done; /* a registration has ended */
	bool idle;
};

/* The memory of this process. */
extern const struct guest_memory ahead_memory;

/* All with the session's lock held. */
void ahead_init(struct session *s);

/* Something has changed: start what is due now. */
void ahead_poke(struct session *s);

/* Wait until a registration ahead of QEMU has ended. The lock is released
 * meanwhile. */
void ahead_wait(struct session *s);
void ahead_done(struct session *s);

/* End the thread, if there is one. The lock is released meanwhile. */
void ahead_stop(struct session *s);

#endif
