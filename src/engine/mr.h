/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RDMACHUNK_ENGINE_MR_H
#define RDMACHUNK_ENGINE_MR_H

#include "engine/session.h"

/*
 * Memory registration: QEMU gets one handle per chunk, each a struct ibv_mr of
 * ours with the keys of the real MR that covers it. The real MR goes when its
 * last handle does.
 *
 * A handle may outlive its session: QEMU may deregister in any order.
 */

/* Which function QEMU called, and so which we call. */
enum mr_call {
	MR_CALL_REG_MR,
	MR_CALL_REG_MR_IOVA2,
};

/* Returns and errno as ibv_reg_mr(3). */
struct ibv_mr *mr_register(struct ibv_pd *pd, void *addr, size_t length, int access,
			   enum mr_call call);

/* Returns as ibv_dereg_mr(3). */
int mr_deregister(struct ibv_mr *mr);

/*
 * QEMU posts a WRITE from [addr, addr + *length) with *lkey: makes that the key of an MR
 * that holds what is there now, which QEMU's own may do no more when the memory has been
 * discarded since; and *length what it holds of the WRITE from `addr` on. 0, or a positive
 * errno: the WRITE must not go out. Lock held, released while a registration ahead of QEMU
 * ends.
 */
int mr_renew(struct session *s, uint64_t addr, uint64_t *length, uint32_t *lkey);

/* Give back MRs of which all has been discarded, once no WRITE needs them. Lock held. */
void mr_sweep(struct session *s);

/*
 * Make the registration that is due ahead of QEMU; the session keeps it. Lock
 * held, released meanwhile. False when none is due.
 */
bool mr_register_ahead(struct session *s);

/* The session gives up those that it keeps, which are then QEMU's handles' alone.
 * Lock held. */
void mr_release(struct session *s);

#endif
