/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/verbs.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "util/error_text.h"
#include "util/log.h"
#include "util/monotonic.h"
#include "util/probes.h"

_Thread_local unsigned int guard_depth;

static const struct verbs_calls *real;

void verbs_init(const struct verbs_calls *calls)
{
	real = calls;
}

const struct verbs_calls *verbs_real(void)
{
	return real;
}

/* `ret` was returned, errno having been 0 before. */
static int negative(int ret)
{
	if (ret == -1 && errno)
		return -errno;
	return ret > 0 ? -ret : ret;
}

int verbs_post_send(const struct verbs_ops *ops, struct ibv_qp *qp, struct ibv_send_wr *wr,
		    struct ibv_send_wr **bad_wr)
{
	int saved_errno = errno, ret;

	errno = 0;
	ret = negative(ops->post_send(qp, wr, bad_wr));
	errno = saved_errno;
	return ret;
}

int verbs_post_recv(const struct verbs_ops *ops, struct ibv_qp *qp, struct ibv_recv_wr *wr,
		    struct ibv_recv_wr **bad_wr)
{
	int saved_errno = errno, ret;

	errno = 0;
	ret = negative(ops->post_recv(qp, wr, bad_wr));
	errno = saved_errno;
	return ret;
}

/*
 * Those below may be called from under a post or a poll as well, which come to us
 * through the device's ops and have not entered the guard.
 */
int verbs_register(enum verbs_register with, struct ibv_pd *pd, void *addr, size_t length,
		   int access, struct ibv_mr **mr)
{
	uint64_t began = monotonic_ns(), took;
	struct ibv_mr *made = NULL;
	int ret;

	guard_enter();
	if (with == VERBS_REG_MR && real->reg_mr)
		made = real->reg_mr(pd, addr, length, access);
	else if (with == VERBS_REG_MR_IOVA2 && real->reg_mr_iova2)
		made = real->reg_mr_iova2(pd, addr, length, (uintptr_t)addr, (unsigned int)access);
	else
		errno = ENOSYS;
	guard_leave();
	ret = made ? 0 : errno ? -errno : -EIO;
	took = monotonic_ns() - began;
	PROBE5(register, addr, length, access, ret, took);
	log_debug("registered %zu bytes at %p, access 0x%x: %s, %" PRIu64 " ns", length, addr,
		  (unsigned int)access, ret ? error_text(-ret) : "done", took);
	if (made)
		*mr = made;
	return ret;
}

int verbs_deregister(struct ibv_mr *mr)
{
	int saved_errno = errno, ret;

	if (!real->dereg_mr)
		return -ENOSYS;
	log_debug("deregistering %zu bytes at %p", mr->length, mr->addr);
	guard_enter();
	errno = 0;
	ret = negative(real->dereg_mr(mr));
	errno = saved_errno;
	guard_leave();
	return ret;
}

void verbs_fail_qp(struct ibv_qp *qp)
{
	struct ibv_qp_attr attr = {.qp_state = IBV_QPS_ERR};

	if (!real->modify_qp)
		return;
	guard_enter();
	real->modify_qp(qp, &attr, IBV_QP_STATE);
	guard_leave();
}

uint64_t verbs_max_message(struct ibv_context *context, uint8_t port)
{
	struct ibv_port_attr attr;
	int ret;

	if (!real->query_port)
		return 0;
	memset(&attr, 0, sizeof(attr));
	guard_enter();
	ret = real->query_port(context, port, (struct _compat_ibv_port_attr *)(void *)&attr);
	guard_leave();
	return ret ? 0 : attr.max_msg_sz;
}
