/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/mr.h"

#include <errno.h>

#include "engine/discard.h"
#include "engine/session.h"

int mr_make(enum verbs_register with, struct ibv_pd *pd, uint64_t addr, uint64_t length, int access,
	    struct mrs_real *real)
{
	struct ibv_mr *mr;
	int ret = verbs_register(with, pd, (void *)(uintptr_t)addr, length, access, &mr);

	/* From core these two say that it is worth while to wait for something of our own. */
	if (ret == -EAGAIN || ret == -EBUSY)
		return -ENOMEM;
	if (ret)
		return ret;
	*real = (struct mrs_real){.mr = mr, .lkey = mr->lkey};
	return 0;
}

int mr_register(void *session, uint64_t addr, uint64_t length, int access, struct mrs_real *real)
{
	const struct session *s = session;

	return mr_make(s->registers, s->qp->pd, addr, length, access, real);
}

/* Core does this only to make room. */
void mr_deregister(void *session, void *real)
{
	struct session *s = session;

	s->gave_back = true;
	verbs_deregister(real);
}

int mr_watch(void *session, struct ram_blocks *blocks, struct ram_block *block)
{
	(void)session;
	return discard_watch(blocks, block);
}
