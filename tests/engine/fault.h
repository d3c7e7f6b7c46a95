/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RDMACHUNK_TESTS_ENGINE_FAULT_H
#define RDMACHUNK_TESTS_ENGINE_FAULT_H

#include <pthread.h>
#include <stdbool.h>

#include "../model/random.h"

/* What goes wrong in a migration, and when. */

enum fault_kind {
	FAULT_NONE,
	FAULT_REG_MR, /* one registration fails */
	FAULT_WIDE,   /* all but those of a chunk do, from one on: QEMU does not notice */
	FAULT_CREATE_QP,
	FAULT_POST_SEND,
	FAULT_POST_RECV,
	FAULT_WIRE,
	FAULT_MEMORY, /* one allocation of the module's fails */
	FAULT_KINDS
};

struct fault {
	enum fault_kind kind;
	int countdown; /* it is the call after so many */
	int error;     /* a positive errno */
	bool happened; /* and QEMU may have been told */
};

const char *fault_name(enum fault_kind kind);

void fault_choose(struct fault *f, struct random *r);

/* Calls for the object, a PD or a QP, are the migration's, until fault_forget(). */
void fault_watch(const void *object, struct fault *f);
void fault_forget(const struct fault *f);

/* The thread's next rdma_create_qp() is. */
void fault_watch_thread(struct fault *f);

/* Allocations are the migration's, which is alone; NULL: nobody's. */
void fault_watch_memory(struct fault *f);

/* All of the stand-in's calls are asked for from now on; so are threads of the module's, of which
 * one in `threads` cannot be created (0: all can). */
void fault_begin(unsigned int threads);

/* pthread_create() for the program itself: works. */
int fault_own_thread(pthread_t *thread, void *(*run)(void *argument), void *argument);

#endif
