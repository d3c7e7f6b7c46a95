/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The one device of the fabric, its port, and its asynchronous events.
 */
#ifndef FABRIC_DEVICE_H
#define FABRIC_DEVICE_H

#include <infiniband/verbs.h>

/* The context that every rdma_cm id of the process shares; NULL with errno on failure. */
struct ibv_context *fab_shared_context(void);

/* Raises an asynchronous event on the context; on every open one if it is NULL. */
void fab_async_raise(struct ibv_context *context, enum ibv_event_type type, void *element);

/* The element goes away: events about it that nobody took are dropped. */
void fab_async_forget(const void *element);

#endif
