/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "fake.h"

#include <errno.h>
#include <sched.h>
#include <stdlib.h>

/*
 * In a file of its own: ibv_reg_mr() has to reach ibv_reg_mr_iova2() through
 * the PLT, as in rdma-core, whatever the compiler thinks of interposition.
 */
struct ibv_mr *ibv_reg_mr_iova2(struct ibv_pd *pd, void *addr, size_t length, uint64_t iova,
				unsigned int access);

static uint32_t last_key = 0x100;

static int held;

/* As long as the test wants the registration to be under way. */
static void hold(size_t length)
{
	if (__atomic_load_n(&fake_control.reg_hold, __ATOMIC_RELAXED) != length)
		return;
	__atomic_add_fetch(&held, 1, __ATOMIC_RELAXED);
	__atomic_add_fetch(&fake_control.reg_held, 1, __ATOMIC_RELAXED);
	while (__atomic_load_n(&fake_control.reg_hold, __ATOMIC_ACQUIRE) == length)
		sched_yield();
	__atomic_add_fetch(&held, -1, __ATOMIC_RELAXED);
}

static bool is_full(void)
{
	int limit = __atomic_load_n(&fake_control.mr_limit, __ATOMIC_RELAXED);
	struct fake_live live;

	fake_get_live(&live);
	return limit && live.mrs + __atomic_load_n(&held, __ATOMIC_RELAXED) >= limit;
}

struct ibv_mr *ibv_reg_mr_iova2(struct ibv_pd *pd, void *addr, size_t length, uint64_t iova,
				unsigned int access)
{
	size_t limit, room, pinned;
	struct ibv_mr *mr;

	fake_record("ibv_reg_mr_iova2 pd%d length=%zu access=%u iova=%s", fake_index(pd), length,
		    access, iova == (uintptr_t)addr ? "addr" : "other");
	if (is_full()) {
		errno = ENOMEM;
		return NULL;
	}
	hold(length);
	limit = __atomic_load_n(&fake_control.reg_limit, __ATOMIC_RELAXED);
	room = __atomic_load_n(&fake_control.pin_limit, __ATOMIC_RELAXED);
	pinned = __atomic_add_fetch(&fake_control.pinned, length, __ATOMIC_RELAXED);
	if ((limit && length > limit) || (room && pinned > room)) {
		__atomic_sub_fetch(&fake_control.pinned, length, __ATOMIC_RELAXED);
		__atomic_add_fetch(&fake_control.reg_failed, 1, __ATOMIC_RELAXED);
		errno = ENOMEM;
		return NULL;
	}
	mr = calloc(1, sizeof(*mr));
	if (!mr)
		return NULL;
	mr->context = pd->context;
	mr->pd = pd;
	mr->addr = addr;
	mr->length = length;
	mr->lkey = __atomic_add_fetch(&last_key, 1, __ATOMIC_RELAXED);
	mr->rkey = mr->lkey + 0x10000;
	fake_count_mr(1);
	return mr;
}

int latest_ibv_dereg_mr(struct ibv_mr *mr);
FAKE_LATEST(ibv_dereg_mr);

int latest_ibv_dereg_mr(struct ibv_mr *mr)
{
	fake_record("ibv_dereg_mr length=%zu", mr->length);
	fake_count_mr(-1);
	__atomic_sub_fetch(&fake_control.pinned, mr->length, __ATOMIC_RELAXED);
	free(mr);
	return 0;
}
