/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "objects.h"

#include <errno.h>
#include <sched.h>
#include <stdlib.h>

/*
 * In a file of its own: ibv_reg_mr() has to reach ibv_reg_mr_iova2() through
 * the PLT, as in rdma-core, whatever the compiler thinks of interposition.
 */
struct ibv_mr *ibv_reg_mr_iova2(struct ibv_pd *pd, void *addr, size_t length, uint64_t iova,
				unsigned int access);

#define PAGE 4096u

static uint32_t last_key = 0x100;

static int held;

/* As long as the test wants the registration to be under way. */
static bool is_to_wait(const void *addr, size_t length)
{
	const char *from = __atomic_load_n(&fake_control.reg_hold_at, __ATOMIC_ACQUIRE);

	if (from && (const char *)addr >= from &&
	    (const char *)addr < from + fake_control.reg_hold_bytes)
		return true;
	return __atomic_load_n(&fake_control.reg_hold, __ATOMIC_ACQUIRE) == length;
}

static void hold(const void *addr, size_t length)
{
	if (!is_to_wait(addr, length))
		return;
	__atomic_add_fetch(&held, 1, __ATOMIC_RELAXED);
	__atomic_add_fetch(&fake_control.reg_held, 1, __ATOMIC_RELAXED);
	while (is_to_wait(addr, length))
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

/* Which pages they are that the MR holds. */
static void pin(struct fake_mr *mr)
{
	uintptr_t first = (uintptr_t)mr->mr.addr / PAGE, end;

	if (!fake_control.page_version)
		return;
	end = ((uintptr_t)mr->mr.addr + mr->mr.length + PAGE - 1) / PAGE;
	mr->version = calloc(end - first, sizeof(*mr->version));
	for (uintptr_t page = first; mr->version && page < end; page++)
		mr->version[page - first] = fake_control.page_version((void *)(page * PAGE));
}

static void put_in_list(struct fake_mr *mr)
{
	pthread_mutex_lock(&fake_wire_lock);
	mr->next = fake_mrs;
	mr->link = &fake_mrs;
	if (mr->next)
		mr->next->link = &mr->next;
	fake_mrs = mr;
	pthread_mutex_unlock(&fake_wire_lock);
}

static void take_from_list(struct fake_mr *mr)
{
	pthread_mutex_lock(&fake_wire_lock);
	*mr->link = mr->next;
	if (mr->next)
		mr->next->link = mr->link;
	pthread_mutex_unlock(&fake_wire_lock);
}

struct ibv_mr *ibv_reg_mr_iova2(struct ibv_pd *pd, void *addr, size_t length, uint64_t iova,
				unsigned int access)
{
	size_t limit, room, pinned;
	int error = fake_fault(FAKE_REG_MR, pd, length);
	struct fake_mr *mr;

	fake_record("ibv_reg_mr_iova2 pd%d length=%zu access=%u iova=%s", fake_index(pd), length,
		    access, iova == (uintptr_t)addr ? "addr" : "other");
	if (error || is_full()) {
		errno = error ? error : ENOMEM;
		return NULL;
	}
	hold(addr, length);
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
	mr->mr.context = pd->context;
	mr->mr.pd = pd;
	mr->mr.addr = addr;
	mr->mr.length = length;
	mr->mr.lkey = __atomic_add_fetch(&last_key, 1, __ATOMIC_RELAXED);
	mr->mr.rkey = mr->mr.lkey + 0x10000;
	mr->access = access;
	pin(mr);
	put_in_list(mr);
	fake_count_mr(1);
	return &mr->mr;
}

int latest_ibv_dereg_mr(struct ibv_mr *mr);
FAKE_LATEST(ibv_dereg_mr);

int latest_ibv_dereg_mr(struct ibv_mr *ibmr)
{
	struct fake_mr *mr = (struct fake_mr *)ibmr;

	fake_record("ibv_dereg_mr length=%zu", ibmr->length);
	if (fake_control.dereg_fails) {
		errno = fake_control.dereg_fails;
		return errno;
	}
	fake_count_mr(-1);
	__atomic_sub_fetch(&fake_control.pinned, ibmr->length, __ATOMIC_RELAXED);
	take_from_list(mr);
	free(mr->version);
	free(mr);
	return 0;
}
