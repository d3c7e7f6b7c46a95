/* SPDX-License-Identifier: GPL-2.0-or-later */

/* The symbols the module exports: each hands over to a policy elsewhere. */

#include <errno.h>

#include "engine/connection.h"
#include "engine/handle.h"
#include "engine/observed.h"
#include "engine/report.h"
#include "hook/attach.h"
#include "hook/ops.h"
#include "hook/symbols.h"

#define EXPORT __attribute__((visibility("default")))

/* Of a function that this process turns out not to have. */
static int missing(void)
{
	errno = ENOSYS;
	return -1;
}

/* Of a connection that may be a migration. */
static const struct verbs_ops *patch(struct ibv_context *context)
{
	return attach_renew() ? ops_patch(context) : NULL;
}

EXPORT int rdma_create_qp(struct rdma_cm_id *id, struct ibv_pd *pd, struct ibv_qp_init_attr *attr)
{
	const struct verbs_calls *real = symbols_resolve();
	int ret;

	if (!real->create_qp)
		return missing();
	ret = guard_enter() ? connection_create_qp(id, pd, attr, patch)
			    : real->create_qp(id, pd, attr);
	guard_leave();
	return ret;
}

EXPORT void rdma_destroy_qp(struct rdma_cm_id *id)
{
	const struct verbs_calls *real = symbols_resolve();

	if (!real->destroy_qp)
		return;
	if (guard_enter())
		connection_destroy_qp(id);
	else
		real->destroy_qp(id);
	guard_leave();
}

EXPORT int rdma_connect(struct rdma_cm_id *id, struct rdma_conn_param *param)
{
	const struct verbs_calls *real = symbols_resolve();
	int ret;

	if (!real->connect)
		return missing();
	ret = guard_enter() ? connection_connect(id, param) : real->connect(id, param);
	guard_leave();
	return ret;
}

EXPORT int rdma_accept(struct rdma_cm_id *id, struct rdma_conn_param *param)
{
	const struct verbs_calls *real = symbols_resolve();
	int ret;

	if (!real->accept)
		return missing();
	ret = guard_enter() ? connection_accept(id, param) : real->accept(id, param);
	guard_leave();
	return ret;
}

EXPORT int rdma_disconnect(struct rdma_cm_id *id)
{
	const struct verbs_calls *real = symbols_resolve();
	int ret;

	if (!real->disconnect)
		return missing();
	ret = guard_enter() ? connection_disconnect(id) : real->disconnect(id);
	guard_leave();
	return ret;
}

EXPORT int rdma_get_cm_event(struct rdma_event_channel *channel, struct rdma_cm_event **event)
{
	const struct verbs_calls *real = symbols_resolve();
	int ret;

	if (!real->get_cm_event)
		return missing();
	ret = real->get_cm_event(channel, event);
	if (ret)
		return ret;
	if (guard_enter())
		connection_cm_event(*event);
	guard_leave();
	return 0;
}

EXPORT struct ibv_mr *ibv_reg_mr(struct ibv_pd *pd, void *addr, size_t length, int access)
{
	const struct verbs_calls *real = symbols_resolve();
	struct ibv_mr *mr;

	if (!real->reg_mr) {
		missing();
		return NULL;
	}
	mr = guard_enter() ? handle_register(VERBS_REG_MR, pd, addr, length, access)
			   : real->reg_mr(pd, addr, length, access);
	guard_leave();
	return mr;
}

/* verbs.h declares it only inside the macro that calls it. */
EXPORT struct ibv_mr *ibv_reg_mr_iova2(struct ibv_pd *pd, void *addr, size_t length, uint64_t iova,
				       unsigned int access);

EXPORT struct ibv_mr *ibv_reg_mr_iova2(struct ibv_pd *pd, void *addr, size_t length, uint64_t iova,
				       unsigned int access)
{
	const struct verbs_calls *real = symbols_resolve();
	struct ibv_mr *mr;

	if (!real->reg_mr_iova2) {
		missing();
		return NULL;
	}
	/* Addresses of the remote end's own choice cannot be widened. */
	if (guard_enter() && iova == (uintptr_t)addr)
		mr = handle_register(VERBS_REG_MR_IOVA2, pd, addr, length, (int)access);
	else
		mr = real->reg_mr_iova2(pd, addr, length, iova, access);
	guard_leave();
	return mr;
}

EXPORT int ibv_dereg_mr(struct ibv_mr *mr)
{
	const struct verbs_calls *real = symbols_resolve();
	int ret;

	if (!real->dereg_mr)
		return ENOSYS;
	ret = guard_enter() ? handle_deregister(mr) : real->dereg_mr(mr);
	guard_leave();
	return ret;
}

EXPORT int ibv_close_device(struct ibv_context *context)
{
	const struct verbs_calls *real = symbols_resolve();

	if (!real->close_device)
		return missing();
	ops_forget(context);
	return real->close_device(context);
}

/* QEMU ends by exit(), also when it is told to by a signal. */
static void __attribute__((destructor)) process_ends(void)
{
	report_exit();
	observed_exit();
}
