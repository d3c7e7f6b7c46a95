/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/verbs.h"

#include <errno.h>

/* `ret` was returned, errno having been 0 before. */
static int positive(int ret)
{
	if (ret >= 0)
		return ret;
	return ret == -1 && errno ? errno : -ret;
}

int verbs_post_send(const struct verbs_ops *ops, struct ibv_qp *qp, struct ibv_send_wr *wr,
		    struct ibv_send_wr **bad_wr)
{
	int saved_errno = errno, ret;

	errno = 0;
	ret = positive(ops->post_send(qp, wr, bad_wr));
	errno = saved_errno;
	return ret;
}

int verbs_post_recv(const struct verbs_ops *ops, struct ibv_qp *qp, struct ibv_recv_wr *wr,
		    struct ibv_recv_wr **bad_wr)
{
	int saved_errno = errno, ret;

	errno = 0;
	ret = positive(ops->post_recv(qp, wr, bad_wr));
	errno = saved_errno;
	return ret;
}
