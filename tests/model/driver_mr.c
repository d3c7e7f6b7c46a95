/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "driver_mr.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "world.h"

#define PREFETCH (CONN_KIND(CONN_SCAN) | CONN_KIND(CONN_REGISTER))

static void *mr_of(uint32_t key)
{
	return (void *)(uintptr_t)key;
}

static bool is_source(const struct driver *d)
{
	return d == &d->world->source_driver;
}

/* The source's registrations fail as the seed says: the device's longest MR is too short, or there
 * is no room, for this one or for any. */
static int fails(struct driver *d, uint64_t length)
{
	struct world *w = d->world;
	bool none = w->settings.fault == FAULT_LOCAL_REGISTRATION && w->fault_fired;

	if (d->hooks)
		return -d->hooks->reg(d->hooks->context, length);
	if (!is_source(d))
		return 0;
	if (d->refuse)
		return -ENOTSUP;
	if (none || (length <= d->asked && world_fault(w, FAULT_LOCAL_REGISTRATION)))
		return -ENOMEM;
	if (d->limit && d->pinned + length > d->limit)
		return d->beyond ? d->beyond : -ENOMEM;
	if (length > d->asked && random_percent(&w->random, w->settings.wide_fail_percent))
		return w->seed & 4 ? -EINVAL : -ENOMEM;
	return 0;
}

static void count(struct driver *d, uint64_t length)
{
	d->registered++;
	d->pinned += length;
}

/* mrs_ops.reg: with the session's lock */
static int reg(void *context, uint64_t addr, uint64_t length, int access, struct mrs_real *real)
{
	struct driver *d = context;
	struct world *w = d->world;
	int ret = fails(d, length);
	uint32_t key;

	(void)access;
	if (ret)
		return ret;
	key = nic_register_begin(w, addr, length);
	count(d, length);
	while (nic_pin(w, key))
		discard_meanwhile(w, d);
	if (d->hooks)
		d->hooks->registered(d->hooks->context);
	*real = (struct mrs_real){mr_of(key), key};
	return 0;
}

/* Of a batch that a thread posts the NIC may have taken some. */
static bool is_being_posted(const struct driver *d, uint32_t key)
{
	const struct worker *p = &d->post;

	for (unsigned int i = p->result.posted; p->busy && i < p->action.post.count; i++)
		if (p->action.post.wr[i].lkey == key)
			return true;
	return false;
}

static void take_back(struct driver *d, uint32_t key)
{
	nic_deregister(d->world, key);
	d->registered--;
	d->pinned -= d->world->mr[key].length;
}

void driver_mr_give_back(struct driver *d, void *mr)
{
	uint32_t key = (uint32_t)(uintptr_t)mr;

	world_expect(d->world, !nic_uses(d->qp, key), "an MR goes that a WRITE on the wire uses");
	world_expect(d->world, !is_being_posted(d, key), "an MR goes that a WRITE is to use");
	take_back(d, key);
}

void driver_mr_give_back_last(struct driver *d, void *mr)
{
	if (d->qp->error)
		take_back(d, (uint32_t)(uintptr_t)mr);
	else
		driver_mr_give_back(d, mr);
}

void driver_mr_put(struct driver *d, unsigned int which)
{
	struct mr *mr = d->handle[which];
	void *real;

	d->handle[which] = d->handle[--d->handles];
	real = mrs_put(mr);
	if (real)
		take_back(d, (uint32_t)(uintptr_t)real);
}

void driver_mr_put_handles(struct driver *d)
{
	void *mr;

	while (d->handles)
		if ((mr = mrs_put(d->handle[--d->handles])))
			driver_mr_give_back_last(d, mr);
	while (d->owns)
		driver_mr_give_back_last(d, mr_of(d->own[--d->owns]));
}

static void dereg(void *context, void *real)
{
	driver_mr_give_back(context, real);
}

/* mrs_ops.watch, which may fail */
static int watch(void *context, struct ram_blocks *blocks, struct ram_block *block)
{
	struct driver *d = context;
	struct world *w = d->world;
	struct discards *discards = &w->discards;

	world_expect(w, blocks == conn_blocks(d->conn), "a block of nobody's is watched");
	if (d->hooks && !d->hooks->can_watch(d->hooks->context, block))
		return -ENOMEM;
	if (discards->scarce && random_percent(&discards->random, discards->scarce)) {
		world_trace(w, "shim", "cannot watch a block");
		return -ENOMEM;
	}
	world_expect(w, !discard_map_init(&block->discards, block->length), "no memory");
	block->watched = true;
	return 0;
}

struct mrs_ops driver_mr_ops(struct driver *d)
{
	return (struct mrs_ops){.reg = reg, .dereg = dereg, .watch = watch, .context = d};
}

static int ask(struct driver *d, const struct conn_registration *want, struct mr **mr)
{
	int ret;

	d->inside = true;
	ret = conn_register(d->conn, want, mr);
	d->inside = false;
	return ret;
}

int driver_register(struct driver *d, uint64_t addr, uint64_t length, int access, uint32_t *lkey)
{
	struct conn_registration want = {.addr = addr, .length = length, .access = access};
	struct discards *discards = &d->world->discards;
	struct mrs_real real;
	struct mr *mr;
	int ret;

	d->asked = length;
	d->waits = 0;
	d->refuse = !access && discards->refused &&
		    random_percent(&discards->random, discards->refused);
	while ((ret = ask(d, &want, &mr)) == CONN_AGAIN && is_source(d))
		driver_wait(d);
	if (ret)
		goto out;
	if (mr) {
		*lkey = mr->real.lkey;
		d->handle[d->handles++] = mr;
		goto out;
	}
	if (is_source(d))
		discard_unwatched(d->world, addr, length);
	ret = reg(d, addr, length, access, &real);
	if (ret)
		goto out;
	*lkey = real.lkey;
	d->own[d->owns++] = real.lkey;
out:
	d->refuse = false;
	driver_run(d);
	return ret;
}

/* Does what is registered ahead of QEMU fail? */
static int fails_ahead(struct driver *d, const struct conn_action *action)
{
	struct world *w = d->world;

	if (d->hooks)
		return d->hooks->reg(d->hooks->context, action->memory.length);
	return is_source(d) && (random_percent(&w->random, w->settings.wide_fail_percent) ||
				(d->limit && d->pinned > d->limit))
		       ? ENOMEM
		       : 0;
}

static unsigned int threads(const struct driver *d)
{
	return d->threads ? d->threads : 1;
}

/* The thread that has taken this action; NULL when a test has. */
static struct worker *worker_of(struct driver *d, const struct conn_action *action)
{
	for (unsigned int i = 0; i < threads(d); i++)
		if (action == &d->prefetch[i].action)
			return &d->prefetch[i];
	return NULL;
}

void driver_mr_register(struct driver *d, const struct conn_action *action,
			struct conn_result *result)
{
	struct worker *p = worker_of(d, action);
	struct world *w = d->world;
	uint32_t key = p ? p->pinning : 0;

	if (!key) {
		key = nic_register(w, action->memory.addr, action->memory.length);
		count(d, action->memory.length);
	}
	if (p)
		p->pinning = 0;
	world_trace(w, is_source(d) ? "ahead" : "dahead", "has registered memory");
	result->error = fails_ahead(d, action);
	if (result->error) {
		driver_mr_give_back(d, mr_of(key));
		return;
	}
	result->mr = (struct mrs_real){mr_of(key), key};
	result->ns = p ? w->clock - p->since : 0;
	if (d->hooks)
		d->hooks->registered(d->hooks->context);
}

/* Only what a discard has taken out of one registration may be in another that is under way. */
static void check_once(struct driver *d, const struct worker *p)
{
	const struct nic_mr *mr = d->world->mr;

	for (unsigned int i = 0; i < threads(d); i++) {
		const struct nic_mr *other = &mr[d->prefetch[i].pinning];

		world_expect(d->world,
			     d->world->discards.pace || p == &d->prefetch[i] ||
				     !d->prefetch[i].pinning ||
				     other->addr + other->length <= mr[p->pinning].addr ||
				     mr[p->pinning].addr + mr[p->pinning].length <= other->addr,
			     "memory is registered twice at once");
	}
}

/* The lock may be let go between what is done here and what is below. */
static void take(struct driver *d, struct worker *p)
{
	d->inside = true;
	p->busy = conn_next(d->conn, PREFETCH, &p->action);
	d->inside = false;
	if (!p->busy || p->action.kind != CONN_REGISTER)
		return;
	p->since = d->world->clock;
	p->pinning = nic_register_begin(d->world, p->action.memory.addr, p->action.memory.length);
	check_once(d, p);
	count(d, p->action.memory.length);
}

static void finish(struct driver *d, struct worker *p)
{
	struct conn_result result = {.posted = 0};

	while (p->pinning && nic_pin(d->world, p->pinning))
		;
	if (!p->busy)
		return;
	driver_perform(d, &p->action, &result);
	driver_time(d);
	conn_done(d->conn, &p->action, &result);
	p->busy = false;
}

void driver_mr_finish(struct driver *d)
{
	for (unsigned int i = 0; i < threads(d); i++)
		finish(d, &d->prefetch[i]);
}

static bool is_locked(const struct driver *d)
{
	return d->locked || d->inside;
}

static bool can_act(struct driver *d, const struct worker *p)
{
	if (is_locked(d))
		return p->pinning && nic_pins(d->world, p->pinning);
	return p->busy || conn_has(d->conn, PREFETCH);
}

bool driver_can_prefetch(struct driver *d)
{
	for (unsigned int i = 0; i < threads(d); i++)
		if (can_act(d, &d->prefetch[i]))
			return true;
	return false;
}

/* A thread that chance has chosen, or the next that can. */
static struct worker *choose(struct driver *d)
{
	unsigned int n = threads(d), first = 0;

	if (n > 1)
		first = random_below(&d->world->random, n);
	for (unsigned int i = 0; i < n; i++)
		if (can_act(d, &d->prefetch[(first + i) % n]))
			return &d->prefetch[(first + i) % n];
	return NULL;
}

void driver_prefetch(struct driver *d)
{
	struct worker *p = choose(d);

	if (!p)
		return;
	while (p->pinning && nic_pin(d->world, p->pinning))
		if (discard_interrupts(d->world))
			return;
	if (is_locked(d))
		return;
	if (!p->busy) {
		take(d, p);
		return;
	}
	d->inside = true;
	finish(d, p);
	d->inside = false;
	driver_run(d);
}

bool driver_is_prefetching(const struct driver *d)
{
	for (unsigned int i = 0; i < threads(d); i++)
		if (d->prefetch[i].busy)
			return true;
	return false;
}

bool driver_is_pinning(const struct driver *d)
{
	for (unsigned int i = 0; i < threads(d); i++)
		if (d->prefetch[i].pinning)
			return true;
	return false;
}

uint32_t driver_pinning(const struct driver *d, struct random *r)
{
	unsigned int n = threads(d), first = 0;

	if (n > 1)
		first = random_below(r, n);
	for (unsigned int i = 0; i < n; i++)
		if (d->prefetch[(first + i) % n].pinning)
			return d->prefetch[(first + i) % n].pinning;
	return 0;
}

void driver_mr_discarded(struct driver *d, unsigned int first, unsigned int count)
{
	struct ram_blocks *blocks = conn_blocks(d->conn);
	const struct guest *g = &d->world->guest;
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
