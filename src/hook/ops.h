/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RDMACHUNK_HOOK_OPS_H
#define RDMACHUNK_HOOK_OPS_H

#include "engine/verbs.h"

/*
 * ibv_post_send(), ibv_post_recv(), ibv_poll_cq() and ibv_req_notify_cq() are
 * inline calls through context->ops, so the table of the context itself is patched, once. The
 * context is shared by every QP on the device: all but ours pass straight on.
 */

/* Patch a context and return what its table held before; NULL when that is not
 * possible. Thread safe. What is returned is valid until ops_forget(). */
const struct verbs_ops *ops_patch(struct ibv_context *context);

/* The context is about to be closed, and its address may serve another: put back
 * what its table held. */
void ops_forget(struct ibv_context *context);

/*
 * Put back what the tables of all that are patched held. A hook that another thread calls late
 * still finds what is behind it; each may be patched again.
 */
void ops_restore_all(void);

#endif
