/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RDMACHUNK_ENGINE_MR_H
#define RDMACHUNK_ENGINE_MR_H

#include "core/mrs.h"
#include "engine/verbs.h"

/* Real registrations, as core has them made: which MR lives how long is core's business. */

/* A session's, its lock held. */
int mr_register(void *session, uint64_t addr, uint64_t length, int access, struct mrs_real *real);
void mr_deregister(void *session, void *real);
int mr_watch(void *session, struct ram_blocks *blocks, struct ram_block *block);

/* The same as the first, without any lock. */
int mr_make(enum verbs_register with, struct ibv_pd *pd, uint64_t addr, uint64_t length, int access,
	    struct mrs_real *real);

#endif
