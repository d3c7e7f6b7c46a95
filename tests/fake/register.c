/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "fake.h"

#undef ibv_reg_mr

struct ibv_mr *ibv_reg_mr_iova2(struct ibv_pd *pd, void *addr, size_t length, uint64_t iova,
				unsigned int access);

struct ibv_mr *latest_ibv_reg_mr(struct ibv_pd *pd, void *addr, size_t length, int access);
FAKE_LATEST(ibv_reg_mr);

struct ibv_mr *latest_ibv_reg_mr(struct ibv_pd *pd, void *addr, size_t length, int access)
{
	fake_record("ibv_reg_mr pd%d length=%zu access=%d", fake_index(pd), length, access);
	return ibv_reg_mr_iova2(pd, addr, length, (uintptr_t)addr, (unsigned int)access);
}
