/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine_mr.h"

#include <errno.h>

#include "world.h"

/* An access flag, IBV_ACCESS_LOCAL_WRITE, in the place of the one that QEMU tries then,
 * IBV_ACCESS_ON_DEMAND: with that nothing is pinned, and nothing is ever stale. */
#define OTHER_ACCESS 1

struct reg_context {
	struct world *w;
	uint64_t asked; /* bytes */
	bool refuse;	/* not with these flags */
};

/* registration_ops.reg: with the session's lock */
static int reg(void *context, uint64_t addr, uint64_t length, int access, void **mr)
{
	const struct reg_context *rc = context;
	struct world *w = rc->w;
	uint32_t key;

	(void)access;
	if (rc->refuse)
		return -ENOTSUP;
	if (length > rc->asked && random_percent(&w->random, w->settings.wide_fail_percent))
		return -ENOMEM;
	if (length == rc->asked && world_fault(w, FAULT_LOCAL_REGISTRATION))
		return -ENOMEM;
	key = nic_register_begin(w, addr, length);
	while (nic_pin(w, key))
		discard_meanwhile(w);
	*mr = (void *)(uintptr_t)key;
	return 0;
}

static uint32_t key_of(const void *mr)
{
	return (uint32_t)(uintptr_t)mr;
}

/* It is in the block's map now; all of it may have gone from there again. */
static void place(struct world *w, uint32_t key, uint64_t mapped)
{
	struct engine_mrs *mrs = &w->engine.mrs;

	mrs->mapped[key] = mapped;
	if (!mapped)
		mrs->stale[mrs->stale_count++] = key;
}

/* registration_ops.cut */
static void cut(void *context, void *mr, uint64_t bytes)
{
	const struct reg_context *rc = context;
	struct world *w = rc->w;
	uint64_t *mapped = &w->engine.mrs.mapped[key_of(mr)];

	world_expect(w, *mapped >= bytes, "more is cut from an MR than it held");
	place(w, key_of(mr), *mapped - bytes);
}

static const struct registration_ops ops = {.reg = reg, .cut = cut};

bool engine_mr_watch(struct world *w, struct ram_block *block)
{
	struct discards *d = &w->discards;

	if (block->watched)
		return true;
	if (d->scarce && random_percent(&d->random, d->scarce)) {
		world_trace(w, "shim", "cannot watch a block");
		block->unmapped = true;
		return false;
	}
	world_expect(w, !discard_map_init(&block->discards, block->length), "no memory");
	block->watched = true;
	return true;
}

/* ahead_wait() */
static void wait_ahead(struct world *w)
{
	world_expect(w, world_step(w), "a registration never ends");
}

/* Sets *lkey and returns 0, or returns a negative errno. */
static int register_as(struct world *w, uint64_t addr, uint64_t length, int access, uint32_t *lkey)
{
	struct discards *d = &w->discards;
	struct reg_context context = {.w = w, .asked = length};
	struct conn *c = &w->engine.conn;
	struct registration made;
	struct ram_block *block;
	struct range want;
	void *mr;
	int ret;

	if (!access && d->refused)
		context.refuse = random_percent(&d->random, d->refused);
	block = conn_register(c, addr, length, &want);
	world_expect(w, block || c->state != CONN_ACTIVE, "guest memory is not known as such");
	if (!block || !engine_mr_watch(w, block)) {
		discard_unwatched(w, addr, length);
		ret = reg(&context, addr, length, access, &mr);
		if (!ret)
			*lkey = key_of(mr);
		return ret;
	}
	while ((ret = registration_get(&ops, &context, &c->policy, block, want,
				       conn_bounds(c, block, want), access, &made)) == -EBUSY)
		wait_ahead(w);
	if (ret)
		return ret;
	if (!made.shared && !made.unshared)
		place(w, key_of(made.mr), made.range.end - made.range.start);
	*lkey = key_of(made.mr);
	return 0;
}

uint32_t engine_register(struct world *w, uint64_t addr, uint64_t length)
{
	uint32_t lkey;
	int ret = register_as(w, addr, length, 0, &lkey);

	/* QEMU asks again. */
	if (ret == -ENOTSUP)
		ret = register_as(w, addr, length, OTHER_ACCESS, &lkey);
	return ret ? 0 : lkey;
}

int engine_mr_renew(struct world *w, struct conn_wr *wr)
{
	struct reg_context context = {.w = w};
	struct conn *c = &w->engine.conn;
	struct ram_block *block;
	struct range where, granules;
	bool made;
	void *mr;
	int ret;

	do {
		block = conn_renew(c, wr->local_addr, wr->length, &where);
		if (!block || !block->watched)
			return 0;
		/* A bit may be set while the part is looked for. A page is one thing here. */
		if ((where.end - where.start) % w->guest.page_size)
			where.end = where.start + wr->length;
		/* Never more than a chunk of QEMU's, which can be registered. */
		granules = discard_map_round(&block->discards, where);
		context.asked = granules.end - granules.start;
		ret = registration_renew(&ops, &context, &c->policy, block, where, &mr, &made);
		if (ret == -EBUSY)
			wait_ahead(w);
	} while (ret == -EBUSY);
	if (ret)
		return -ret;
	if (made) {
		place(w, key_of(mr), extent_map_bytes(&block->local, granules));
		w->engine.mrs.renewed++;
		world_trace(w, "shim", "registers afresh what has been discarded");
	}
	/* The first part of it, perhaps. */
	wr->length = where.end - where.start;
	if (mr)
		wr->lkey = key_of(mr);
	return 0;
}

void engine_mr_sweep(struct world *w)
{
	struct engine *e = &w->engine;

	if (!e->mrs.stale_count || e->poster.busy || conn_writing(&e->conn))
		return;
	while (e->mrs.stale_count) {
		world_trace(w, "shim", "gives back an MR of which all was discarded");
		nic_deregister(w, e->mrs.stale[--e->mrs.stale_count]);
		e->mrs.given_back++;
	}
}

void engine_mr_check(struct world *w)
{
	struct ram_blocks *blocks = conn_blocks(&w->engine.conn);
	struct engine_mrs *mrs = &w->engine.mrs;

	engine_mr_sweep(w);
	world_expect(w, !mrs->stale_count, "an MR of which nothing is left is kept");
	for (unsigned int b = 0; b < blocks->count; b++) {
		const struct extent_map *local = &blocks->block[b].local;

		for (size_t i = 0; i < local->count; i++)
			mrs->mapped[local->extent[i].value] -=
				local->extent[i].range.end - local->extent[i].range.start;
	}
	for (unsigned int key = 1; key < w->nic.mrs; key++)
		world_expect(w, !mrs->mapped[key], "an MR is not where it is said to be");
}

void engine_discarded(struct world *w, unsigned int first, unsigned int count)
{
	engine_mr_report(w, conn_blocks(&w->engine.conn), first, count);
}

void engine_mr_report(struct world *w, struct ram_blocks *blocks, unsigned int first,
		      unsigned int count)
{
	const struct guest *g = &w->guest;
	uint64_t length = count * g->page_size;

	for (unsigned int i = 0; i < g->blocks && i < blocks->count; i++) {
		const struct guest_block *b = &g->block[i];
		uint64_t start = (first - b->first) * g->page_size;

		if (first < b->first || first >= b->first + b->pages || !blocks->block[i].watched)
			continue;
		ram_blocks_discard(blocks, &blocks->block[i],
				   (struct range){start, start + length});
	}
}

bool engine_mr_ahead_pins(const struct world *w)
{
	uint32_t key = w->engine.ahead_key;

	return !key || w->mr[key].pinned < w->mr[key].pages;
}

bool engine_mr_ahead(struct world *w)
{
	struct engine *e = &w->engine;
	struct range range = e->ahead_range;
	uint64_t addr = e->ahead_block->local_addr + range.start;
	uint32_t key = e->ahead_key;
	uint64_t mapped;

	if (!key)
		key = e->ahead_key = nic_register_begin(w, addr, range.end - range.start);
	while (nic_pin(w, key))
		if (discard_interrupts(w))
			return false;
	if (e->locked)
		return false;
	world_trace(w, "ahead", "has registered memory");
	e->ahead_key = 0;
	if (random_percent(&w->random, w->settings.wide_fail_percent)) {
		nic_deregister(w, key);
		key = 0;
	}
	mapped = registration_end(&e->conn.policy, e->ahead_block, range, (void *)(uintptr_t)key);
	if (key)
		place(w, key, mapped);
	return true;
}
