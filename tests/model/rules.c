/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "rules.h"

#include "core/prefetch.h"
#include "core/verbs_values.h"
#include "extents.h"
#include "message.h"
#include "world.h"

static bool is_source(const struct driver *d)
{
	return d == &d->world->source_driver;
}

void rules_posted(struct driver *d, const struct nic_wr *wr)
{
	const void *data = (const void *)(uintptr_t)wr->addr;
	struct world *w = d->world;

	/* QEMU has seen to both of these. */
	if (!is_source(d) || w->settings.hostile)
		return;
	if (!wr->message) {
		world_expect(w, wr->length <= w->settings.max_message, "a WRITE of %llu bytes",
			     (unsigned long long)wr->length);
		return;
	}
	/* A message needs a READY that has come, unless it answers to nothing. */
	if (!message_is_whole(data, wr->length) || message_type(data) == WIRE_ERROR)
		return;
	world_trace(w, "shim", "sends %s", wire_type_name(message_type(data)));
	d->messages++;
	world_expect(w, d->qp->error || d->messages <= d->qp->readies,
		     "%s is sent without a credit", wire_type_name(message_type(data)));
}

void rules_completed(struct driver *d, const struct nic_cqe *cqe)
{
	if (cqe->wc.status == VERBS_WC_SUCCESS || d->failed)
		return;
	d->failed = true;
	d->due = conn_count_due(d->conn, CONN_SEND_CQ);
	if (cqe->qp)
		d->failure = cqe->wc.status;
}

void rules_told(struct driver *d, enum conn_cq cq, const struct completion *wc)
{
	struct world *w = d->world;

	if (!is_source(d) || !d->failed || !w->settings.writes ||
	    (cq == CONN_RECV_CQ && !w->settings.one_cq))
		return;
	if (d->due) {
		d->due--;
		return;
	}
	/* Nobody would tell QEMU of their failure any more. */
	world_expect(w, wc->status != VERBS_WC_SUCCESS || wc->opcode != VERBS_WC_RDMA_WRITE,
		     "a WRITE succeeds after the failure");
}

/* Its key, or 0 for one that is just being registered. */
static uint32_t key_of(const struct extent *extent, bool local)
{
	if (!local)
		return extent->value == PREFETCH_NO_RKEY_YET ? 0 : (uint32_t)extent->value;
	if (registration_is_coming(extent->value))
		return 0;
	return ((const struct mr *)(uintptr_t)extent->value)->real.lkey;
}

static void check_map(struct world *w, const struct ram_block *block, const struct extent_map *map)
{
	bool local = map == &block->local;
	uint64_t base = local ? block->local_addr : block->host_addr;

	struct extents_shape shape;
	const char *wrong = extents_check(map, &shape);
	const struct extent *e;

	world_expect(w, !wrong, "%s", wrong);
	for (e = extent_map_first(map, 0); e; e = extent_map_first(map, e->range.end)) {
		struct range r = e->range;
		uint32_t key = key_of(e, local);

		world_expect(w, r.start < r.end && r.end <= block->length,
			     "an extent leaves its block");
		if (!local && w->settings.hostile)
			continue;
		world_expect(w, !key || nic_covers(w, key, base + r.start, r.end - r.start),
			     "an extent is more than its key allows");
	}
}

static uint64_t sum_of_map(const struct extent_map *map)
{
	uint64_t sum = map->count;
	const struct extent *e;

	for (e = extent_map_first(map, 0); e; e = extent_map_first(map, e->range.end))
		sum += e->value;
	return sum;
}

/* Changes whenever an extent comes, goes, or gets its key. */
static uint64_t sum_of(const struct ram_blocks *blocks)
{
	uint64_t sum = 0;

	for (unsigned int b = 0; b < blocks->count; b++) {
		const struct ram_block *block = &blocks->block[b];

		sum += sum_of_map(&block->remote) + sum_of_map(&block->local);
	}
	return sum;
}

static void check_extents(struct driver *d)
{
	const struct ram_blocks *blocks = conn_blocks(d->conn);
	uint64_t sum = sum_of(blocks);

	if (sum == d->extents)
		return;
	d->extents = sum;
	for (unsigned int b = 0; b < blocks->count; b++) {
		check_map(d->world, &blocks->block[b], &blocks->block[b].remote);
		check_map(d->world, &blocks->block[b], &blocks->block[b].local);
	}
}

/* One that was woken may have found nothing any more: that is no reason not to look. */
static bool is_posting(const struct driver *d)
{
	return d->post.busy || (d->poster && conn_has(d->conn, CONN_KIND(CONN_POST_WRITES)));
}

void rules_check(struct driver *d)
{
	struct world *w = d->world;
	/* The thread that posts has not got to it. */
	const char *wrong = is_posting(d) ? NULL : conn_check(d->conn);

	world_expect(w, !wrong, "%s", wrong);
	world_expect(w, w->fault_fired || conn_state(d->conn) != CONN_FAILED,
		     "the connection has failed");
	check_extents(d);
}

/* Of each extent in this process the bytes, by MR; and the MRs that are in no map. */
static void sum_mrs(struct driver *d)
{
	const struct ram_blocks *blocks = conn_blocks(d->conn);
	struct nic_mr *made = d->world->mr;
	const struct extent *e;

	for (unsigned int b = 0; b < blocks->count; b++) {
		const struct extent_map *local = &blocks->block[b].local;

		for (e = extent_map_first(local, 0); e; e = extent_map_first(local, e->range.end))
			made[key_of(e, true)].mapped += e->range.end - e->range.start;
	}
	for (unsigned int i = 0; i < d->handles; i++)
		made[d->handle[i]->real.lkey].private |= d->handle[i]->state == MR_PRIVATE;
	for (unsigned int i = 0; i < d->owns; i++)
		made[d->own[i]].private = true;
}

/* The parts of one WRITE are taken in together. */
static unsigned int parts_max(const struct world *w)
{
	return w->discards.calls ? (unsigned int)(w->guest.chunk_size / DISCARD_GRANULE) +
					   w->settings.chunk_pages
				 : 1;
}

void rules_written(struct driver *d)
{
	struct world *w = d->world;
	struct conn_figures figures;

	if (!w->settings.writes)
		return;
	conn_figures(d->conn, &figures);
	world_expect(w,
		     figures.window_bytes <=
			     w->guest.chunk_size +
				     (figures.order.tails ? ORDER_WINDOW_TAIL : ORDER_WINDOW_BYTES),
		     "the window of bytes is passed");
	world_expect(w, figures.window_writes <= ORDER_WINDOW_WRITES + 1 + parts_max(w),
		     "the window of writes is passed");
}

void rules_check_mrs(struct driver *d)
{
	const struct ram_blocks *blocks = conn_blocks(d->conn);
	struct world *w = d->world;
	const struct extent *e;

	driver_run(d);
	sum_mrs(d);
	for (unsigned int b = 0; b < blocks->count; b++) {
		const struct extent_map *local = &blocks->block[b].local;

		for (e = extent_map_first(local, 0); e; e = extent_map_first(local, e->range.end)) {
			const struct mr *mr = (void *)(uintptr_t)e->value;

			world_expect(w, !mr || w->mr[mr->real.lkey].mapped == mr->mapped,
				     "an MR is not where it is said to be");
		}
	}
	for (unsigned int key = 1; key < w->nic.mrs; key++) {
		const struct nic_mr *mr = &w->mr[key];

		world_expect(w,
			     mr->memory != &w->guest.here || mr->gone || mr->private || mr->mapped,
			     "an MR of which nothing is left is kept");
	}
}
