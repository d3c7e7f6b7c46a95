/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RDMACHUNK_ENGINE_HANDLE_H
#define RDMACHUNK_ENGINE_HANDLE_H

#include <stddef.h>

#include "engine/verbs.h"

/*
 * What QEMU gets when it registers guest memory: a handle for each chunk, a struct ibv_mr
 * of ours with the keys of the real MR that covers it.
 *
 * A handle may outlive its session: QEMU may deregister in any order.
 */

/* What one takes, where pointers have 64 bits. */
#define HANDLE_BYTES 64

/* Returns and errno as ibv_reg_mr(3); `with` is the function that QEMU called. */
struct ibv_mr *handle_register(enum verbs_register with, struct ibv_pd *pd, void *addr,
			       size_t length, int access);

/* Returns as ibv_dereg_mr(3). */
int handle_deregister(struct ibv_mr *mr);

#endif
