/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "destination_mr.h"

#include <errno.h>

#include "world.h"

/* QEMU's flags there; the source's are 0. */
#define ACCESS 7

void destination_mr_init(struct world *w)
{
	struct destination_mr *d = &w->destination_mr;
	struct random *r = &w->discards.random;
	struct conn_options options = {.ahead = random_percent(r, 80)};

	if (!w->discards.destination)
		return;
	d->on = true;
	options.shift = w->settings.chunk_shift + random_below(r, 6);
	conn_init(&d->conn, false, &options);
	conn_start(&d->conn, CONN_DESTINATION, w->settings.max_message);
}

void destination_mr_clear(struct world *w)
{
	if (w->destination_mr.on)
		conn_clear(&w->destination_mr.conn);
}

void destination_mr_list(struct world *w, const void *message, size_t len)
{
	struct destination_mr *d = &w->destination_mr;
	struct conn_wr wr = {.message = true, .data = message, .length = len};
	struct source_reply own;

	/* What goes out there goes as it is, and is left to the simulated QEMU. */
	if (d->on)
		world_expect(w, !conn_post_send(&d->conn, &wr, &own), "a list is not taken");
}

static int reg(void *context, uint64_t addr, uint64_t length, int access, void **mr)
{
	struct world *w = context;
	uint32_t key = nic_register_begin(w, addr, length);

	(void)access;
	while (nic_pin(w, key))
		discard_step(w);
	*mr = (void *)(uintptr_t)key;
	return 0;
}

static bool is_under_way(const struct world *w, unsigned int first, uint64_t length)
{
	for (unsigned int i = 0; i < length / w->guest.page_size; i++)
		if (w->destination_mr.under_way[first + i])
			return true;
	return false;
}

bool destination_mr_register(struct world *w, uint64_t addr, uint64_t length, uint32_t *rkey)
{
	static const struct registration_ops ops = {.reg = reg};
	unsigned int first = (unsigned int)guest_page_there(&w->guest, addr);
	struct destination_mr *d = &w->destination_mr;
	struct registration made;
	struct ram_block *block;
	struct range want;
	int ret;

	if (!d->on) {
		*rkey = nic_register(w, addr, length);
		return true;
	}
	/* It is the same QEMU, and discards nothing that it is about to write to. */
	if (is_under_way(w, first, length))
		return false;
	block = conn_register(&d->conn, addr, length, &want);
	world_expect(w, block, "guest memory is not known as such");
	for (unsigned int i = 0; i < length / w->guest.page_size; i++)
		d->asked[first + i] = true;
	if (!engine_mr_watch(w, block)) {
		*rkey = nic_register(w, addr, length);
		return true;
	}
	d->locked = true;
	ret = registration_get(&ops, w, &d->conn.policy, block, want,
			       conn_bounds(&d->conn, block, want), ACCESS, &made);
	d->locked = false;
	world_expect(w, !ret || ret == -EBUSY, "the destination cannot register");
	if (!ret)
		*rkey = (uint32_t)(uintptr_t)made.mr;
	return !ret;
}

/* With the lock. */
static void begin_ahead(struct world *w)
{
	struct destination_mr *d = &w->destination_mr;

	if (!conn_register_ahead(&d->conn, &d->block, &d->range) ||
	    registration_begin(d->block, d->range))
		return;
	d->ahead_key = nic_register_begin(w, d->block->local_addr + d->range.start,
					  d->range.end - d->range.start);
}

/* With the lock. */
static void end_ahead(struct world *w)
{
	struct destination_mr *d = &w->destination_mr;

	world_trace(w, "dahead", "has registered memory");
	registration_end(&d->conn.policy, d->block, d->range, (void *)(uintptr_t)d->ahead_key);
	d->ahead_key = 0;
}

void destination_mr_step(struct world *w)
{
	struct destination_mr *d = &w->destination_mr;

	while (d->ahead_key && nic_pin(w, d->ahead_key))
		if (discard_interrupts(w))
			return;
	if (d->locked)
		return;
	d->locked = true;
	if (d->ahead_key)
		end_ahead(w);
	else
		begin_ahead(w);
	d->locked = false;
}

void destination_mr_discarded(struct world *w, unsigned int first, unsigned int count)
{
	engine_mr_report(w, conn_blocks(&w->destination_mr.conn), first, count);
}
