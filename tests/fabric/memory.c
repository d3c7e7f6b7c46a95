// SPDX-License-Identifier: GPL-2.0-or-later
#include "memory.h"

#include "clock.h"
#include "settings.h"
#include "fault.h"
#include "frames.h"
#include "raw.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#undef ibv_reg_mr
#undef ibv_reg_mr_iova

/* Keys are slot << 8 | generation, so that a stale key never fits the slot's next MR. */
#define KEY_SHIFT 8

struct domain {
	struct ibv_pd base; /* first: what callers hold */
	unsigned int users;
};

struct region {
	struct ibv_mr base; /* first: what callers hold */
	struct pins *pins;
	unsigned int access;
	uint64_t iova;
	unsigned int held;
	bool dying;
};

struct slot {
	struct region *region;
	uint8_t generation;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t released = PTHREAD_COND_INITIALIZER;
static struct slot *slots; /* slot 0 is never used: key 0 is not valid */
static uint32_t slot_count = 1;
static uint32_t slot_room;
static uint32_t next_pd_handle;
static struct memory_counts counts;

struct ibv_pd *ibv_alloc_pd(struct ibv_context *context)
{
	int err = fab_verb(VERB_ALLOC_PD);
	struct domain *pd = err ? NULL : calloc(1, sizeof(*pd));

	if (!pd) {
		errno = err ? err : ENOMEM;
		return NULL;
	}
	pthread_mutex_lock(&lock);
	pd->base.context = context;
	pd->base.handle = ++next_pd_handle;
	counts.live_pds++;
	pthread_mutex_unlock(&lock);
	return &pd->base;
}

int ibv_dealloc_pd(struct ibv_pd *base)
{
	struct domain *pd = (struct domain *)base;
	int err = fab_verb(VERB_DEALLOC_PD);

	if (err)
		return err;
	pthread_mutex_lock(&lock);
	if (pd->users) {
		pthread_mutex_unlock(&lock);
		return EBUSY;
	}
	counts.live_pds--;
	pthread_mutex_unlock(&lock);
	free(pd);
	return 0;
}

void fab_pd_hold(struct ibv_pd *base)
{
	pthread_mutex_lock(&lock);
	((struct domain *)base)->users++;
	pthread_mutex_unlock(&lock);
}

void fab_pd_release(struct ibv_pd *base)
{
	pthread_mutex_lock(&lock);
	((struct domain *)base)->users--;
	pthread_mutex_unlock(&lock);
}

/* As pinning does: every page must exist with the rights asked for, and is there afterwards. */
static int pin(void *addr, size_t length, unsigned int access)
{
	uintptr_t start = (uintptr_t)addr & ~(FAB_PAGE_SIZE - 1);
	size_t span = ((uintptr_t)addr + length - start + FAB_PAGE_SIZE - 1) & ~(FAB_PAGE_SIZE - 1);
	bool writable = access & (IBV_ACCESS_LOCAL_WRITE | IBV_ACCESS_REMOTE_WRITE |
				  IBV_ACCESS_REMOTE_ATOMIC | IBV_ACCESS_MW_BIND);
	unsigned char *present;
	int err = 0;

	if (!length)
		return 0;
	if (fab_config()->populate) {
		/* Reading pins private memory by copying it, too, if it can be written. */
		if (raw_madvise((void *)start, span, MADV_POPULATE_WRITE) == 0)
			return 0;
		if (writable || errno == ENOMEM)
			return EFAULT;
		return raw_madvise((void *)start, span, MADV_POPULATE_READ) == 0 ? 0 : EFAULT;
	}
	present = malloc(span / FAB_PAGE_SIZE);
	if (!present)
		return ENOMEM;
	if (mincore((void *)start, span, present) != 0)
		err = EFAULT;
	free(present);
	return err;
}

static uint64_t pages_in(size_t length)
{
	return (length + FAB_PAGE_SIZE - 1) / FAB_PAGE_SIZE;
}

static uint64_t cost_ns(size_t length)
{
	const struct fabric_config *config = fab_config();
	uint64_t pages = pages_in(length);
	uint64_t knee = config->reg_knee / FAB_PAGE_SIZE;
	uint64_t first = knee && pages > knee ? knee : pages;

	return config->reg_ns + (first * config->reg_page_ps) / 1000 +
	       ((pages - first) * config->reg_page2_ps) / 1000;
}

/* Returns a free slot, 0 when there is none. */
static uint32_t take_slot(void)
{
	struct slot *grown;
	uint32_t i, room;

	for (i = 1; i < slot_count; i++)
		if (!slots[i].region)
			return i;
	if (slot_count >= slot_room) {
		room = slot_room ? 2 * slot_room : 256;
		grown = realloc(slots, room * sizeof(*slots));
		if (!grown)
			return 0;
		slots = grown;
		slot_room = room;
	}
	slots[slot_count] = (struct slot){NULL, 0};
	return slot_count++;
}

static int enter(struct region *mr)
{
	const struct fabric_config *config = fab_config();
	uint32_t slot;
	int err = ENOMEM;

	pthread_mutex_lock(&lock);
	if (counts.live_mrs >= config->max_mr)
		goto out;
	if (config->max_pinned && mr->base.length > config->max_pinned - counts.pinned)
		goto out;
	slot = take_slot();
	if (!slot)
		goto out;
	slots[slot].region = mr;
	slots[slot].generation++;
	mr->base.handle = slot;
	mr->base.lkey = slot << KEY_SHIFT | slots[slot].generation;
	mr->base.rkey = mr->base.lkey;
	((struct domain *)mr->base.pd)->users++;
	counts.pinned += mr->base.length;
	if (counts.pinned > counts.most_pinned)
		counts.most_pinned = counts.pinned;
	if (++counts.live_mrs > counts.most_mrs)
		counts.most_mrs = counts.live_mrs;
	counts.registered += mr->base.length;
	err = 0;
out:
	pthread_mutex_unlock(&lock);
	return err;
}

struct ibv_mr *ibv_reg_mr_iova2(struct ibv_pd *pd, void *addr, size_t length, uint64_t iova,
				unsigned int access)
{
	uint64_t began = fab_now();
	struct region *mr = NULL;
	int err = fab_verb(VERB_REG_MR);

	if (err)
		goto fail;
	access &= ~IBV_ACCESS_OPTIONAL_RANGE;
	err = EINVAL;
	if ((access & (IBV_ACCESS_REMOTE_WRITE | IBV_ACCESS_REMOTE_ATOMIC)) &&
	    !(access & IBV_ACCESS_LOCAL_WRITE))
		goto fail;
	if (length > fab_config()->max_mr_size || (uintptr_t)addr + length < (uintptr_t)addr)
		goto fail;
	err = EOPNOTSUPP;
	if (access & IBV_ACCESS_ON_DEMAND)
		goto fail;
	err = ENOMEM;
	mr = calloc(1, sizeof(*mr));
	if (!mr)
		goto fail;
	mr->base =
		(struct ibv_mr){.context = pd->context, .pd = pd, .addr = addr, .length = length};
	mr->access = access;
	mr->iova = iova;
	err = pin(addr, length, access);
	if (err)
		goto fail;
	mr->pins = fab_pins_new(addr, length);
	err = ENOMEM;
	if (!mr->pins)
		goto fail;
	err = enter(mr);
	if (err)
		goto fail;
	fab_sleep_until(began + cost_ns(length));
	return &mr->base;
fail:
	if (mr && mr->pins)
		fab_pins_free(mr->pins);
	free(mr);
	errno = err;
	return NULL;
}

/* Through the symbol table, as rdma-core's does: who hooks both must be seen to cope. */
struct ibv_mr *ibv_reg_mr(struct ibv_pd *pd, void *addr, size_t length, int access)
{
	return ibv_reg_mr_iova2(pd, addr, length, (uintptr_t)addr, access);
}

struct ibv_mr *ibv_reg_mr_iova(struct ibv_pd *pd, void *addr, size_t length, uint64_t iova,
			       int access)
{
	return ibv_reg_mr_iova2(pd, addr, length, iova, access);
}

int ibv_dereg_mr(struct ibv_mr *base)
{
	const struct fabric_config *config = fab_config();
	struct region *mr = (struct region *)base;
	uint64_t pages = pages_in(base->length), began = fab_now();
	int err = fab_verb(VERB_DEREG_MR);

	if (err)
		return err;
	pthread_mutex_lock(&lock);
	slots[base->handle].region = NULL;
	mr->dying = true;
	while (mr->held)
		pthread_cond_wait(&released, &lock);
	((struct domain *)base->pd)->users--;
	counts.live_mrs--;
	counts.pinned -= base->length;
	pthread_mutex_unlock(&lock);
	fab_pins_free(mr->pins);
	free(mr);
	fab_sleep_until(began + config->dereg_ns + pages * config->dereg_page_ps / 1000);
	return 0;
}

int fab_region_get(const struct ibv_pd *pd, uint32_t key, uint64_t addr, uint64_t length,
		   unsigned int access, struct region **region, struct span *span)
{
	uint32_t slot = key >> KEY_SHIFT;
	struct region *mr;
	int err = EINVAL;

	pthread_mutex_lock(&lock);
	if (!slot || slot >= slot_count)
		goto out;
	mr = slots[slot].region;
	if (!mr || mr->base.lkey != key || mr->base.pd != pd)
		goto out;
	if (addr < mr->iova || addr - mr->iova > mr->base.length ||
	    length > mr->base.length - (addr - mr->iova))
		goto out;
	err = EACCES;
	if ((mr->access & access) != access)
		goto out;
	mr->held++;
	*region = mr;
	*span = (struct span){.pins = mr->pins,
			      .generation = atomic_load(&mr->pins->window.generation),
			      .at = (char *)mr->base.addr + (addr - mr->iova),
			      .length = length};
	err = 0;
out:
	pthread_mutex_unlock(&lock);
	return err;
}

void fab_region_put(struct region *mr)
{
	pthread_mutex_lock(&lock);
	if (!--mr->held && mr->dying)
		pthread_cond_broadcast(&released);
	pthread_mutex_unlock(&lock);
}

void fab_memory_counts(struct memory_counts *out)
{
	pthread_mutex_lock(&lock);
	*out = counts;
	pthread_mutex_unlock(&lock);
}
