/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "core/mrs.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

void mrs_init(struct mrs *s, const struct mrs_ops *ops, unsigned int shift, bool prefetch)
{
	s->ops = *ops;
	s->policy.shift = shift;
	s->policy.prefetch = prefetch;
}

static void unlink_mr(struct mr *mr)
{
	*mr->link = mr->next;
	if (mr->next)
		mr->next->link = mr->link;
}

static void link_mr(struct mr **list, struct mr *mr)
{
	mr->next = *list;
	mr->link = list;
	if (mr->next)
		mr->next->link = &mr->next;
	*list = mr;
}

static void move(struct mr **list, struct mr *mr)
{
	unlink_mr(mr);
	link_mr(list, mr);
}

static void count_made(struct mrs *s, const struct mr *mr)
{
	struct mrs_counters *counters = &s->counters;

	counters->made++;
	counters->pinned += mr->length;
	if (counters->pinned > counters->pinned_peak)
		counters->pinned_peak = counters->pinned;
	if (mr->length > counters->largest)
		counters->largest = mr->length;
}

/* Without a real MR as yet. NULL when there is no memory. */
static struct mr *new_mr(struct mrs *s, struct ram_block *block)
{
	struct mr *mr = calloc(1, sizeof(*mr));

	if (!mr)
		return NULL;
	mr->owner = s;
	mr->block = block;
	return mr;
}

/* Its real MR has been made. */
static void adopt(struct mrs *s, struct mr *mr, const struct mrs_real *real, uint64_t length)
{
	mr->real = *real;
	mr->length = length;
	link_mr(&s->live, mr);
	count_made(s, mr);
}

struct reg_context {
	struct mrs *mrs;
	struct ram_block *block;
};

/* registration_ops.reg */
static int reg(void *context, uint64_t addr, uint64_t length, int access, void **made)
{
	const struct reg_context *rc = context;
	struct mrs *s = rc->mrs;
	struct mr *mr = new_mr(s, rc->block);
	struct mrs_real real;
	int ret;

	if (!mr)
		return -ENOMEM;
	ret = s->ops.reg(s->ops.context, addr, length, access, &real);
	if (ret) {
		free(mr);
		return ret;
	}
	adopt(s, mr, &real, length);
	*made = mr;
	return 0;
}

/* Nothing of it is in a map any more. What a destination has registered, and QEMU knows of,
 * the source may use for as long as it likes. */
static void unmap(struct mrs *s, struct mr *mr)
{
	if (!s->source && mr->needed) {
		mr->state = MR_PRIVATE;
		return;
	}
	mr->state = MR_STALE;
	move(&s->stale, mr);
}

/* It is in its block's map now, at `range`: so many bytes of it. */
static void place(struct mrs *s, struct mr *mr, struct range range, uint64_t mapped)
{
	mr->range = range;
	mr->mapped = mapped;
	mr->state = MR_MAPPED;
	if (!mapped)
		unmap(s, mr);
}

/* registration_ops.cut */
static void cut(void *context, void *which, uint64_t bytes)
{
	const struct reg_context *rc = context;
	struct mr *mr = which;

	mr->mapped -= bytes;
	if (!mr->mapped)
		unmap(rc->mrs, mr);
}

/* Nobody uses it: out of the map and the lists. Returns its real MR, or NULL when that has
 * been given back. */
static void *bury(struct mr *mr)
{
	void *real = mr->state == MR_GONE ? NULL : mr->real.mr;

	if (mr->owner) {
		if (real)
			mr->owner->counters.pinned -= mr->length;
		if (mr->mapped)
			registration_forget(mr->block, mr->range, mr);
		unlink_mr(mr);
	}
	free(mr);
	return real;
}

void *mrs_put(struct mr *mr)
{
	mr->users--;
	/* A stale one goes when no WRITE uses it. */
	if (mr->users || (mr->owner && (mr->kept || mr->state == MR_STALE)))
		return NULL;
	return bury(mr);
}

/* registration_ops.release */
static bool release_unneeded(void *context)
{
	const struct reg_context *rc = context;
	struct mrs *s = rc->mrs;
	struct mr *mr, *next;
	bool any = false;

	for (mr = s->live; mr; mr = next) {
		next = mr->next;
		if (!mr->kept || mr->needed || mr->state != MR_MAPPED)
			continue;
		s->ops.dereg(s->ops.context, bury(mr));
		any = true;
	}
	return any;
}

static const struct registration_ops ops = {
	.reg = reg,
	.cut = cut,
	.release = release_unneeded,
};

/* What there is no room for. */
struct room_for {
	const struct ram_block *block;
	struct range range;
};

/* A part of what the extent's MR holds has been discarded, noticed by now or not. */
static bool is_partly_stale(const struct room_for *want, const struct ram_block *block,
			    const struct extent *extent)
{
	const struct mr *mr = (void *)(uintptr_t)extent->value;

	(void)want;
	return mr->mapped < mr->range.end - mr->range.start ||
	       discard_map_test(&block->discards, extent->range);
}

/* It may hold what QEMU will never ask for: what had data when it was made. */
static bool is_wide(const struct room_for *want, const struct ram_block *block,
		    const struct extent *extent)
{
	const struct mr *mr = (void *)(uintptr_t)extent->value;

	(void)want;
	(void)block;
	return mr->range.end - mr->range.start > DISCARD_GRANULE;
}

/* Nobody needs it once what is wanted has an MR of its own. */
static bool is_superseded(const struct room_for *want, const struct ram_block *block,
			  const struct extent *extent)
{
	return want->block == block && extent->range.start < want->range.end &&
	       extent->range.end > want->range.start;
}

/*
 * An MR keeps all its pages, those too that are the guest's no more. Give up those of
 * which this is so: what they hold is registered again, piece by piece, as it is needed.
 * Where the NIC follows the memory nothing is pinned.
 */
static void give_up(struct mrs *s, struct ram_blocks *blocks, const struct room_for *want,
		    bool (*which)(const struct room_for *want, const struct ram_block *block,
				  const struct extent *extent))
{
	struct reg_context context = {.mrs = s};

	for (unsigned int i = 0; i < blocks->count; i++) {
		struct ram_block *block = &blocks->block[i];
		const struct extent *extent;
		uint64_t at = 0;

		while (!block->on_demand && (extent = extent_map_first(&block->local, at))) {
			struct mr *mr = (void *)(uintptr_t)extent->value;
			uint64_t bytes;

			at = extent->range.end;
			if (registration_is_coming(extent->value) || !which(want, block, extent))
				continue;
			bytes = registration_give_up(block, mr->range, mr);
			if (!bytes)
				continue;
			/* Of those before it some may be gone, or share what counts as
			 * discarded now. */
			at = discard_map_round(&block->discards, mr->range).start;
			cut(&context, mr, bytes);
		}
	}
	/* A WRITE's lkey may be of one of these from now on. */
	atomic_store(&blocks->discarded, true);
}

/* Give up what is pinned and of no use to the guest any more, or else what may be of none, or
 * else what is there already of what is wanted. False when there is no such thing; else it is
 * stale now. */
static bool make_room(struct mrs *s, struct ram_blocks *blocks, const struct room_for *want)
{
	if (!s->source)
		return false;
	if (!s->stale)
		give_up(s, blocks, want, is_partly_stale);
	if (!s->stale)
		give_up(s, blocks, want, is_wide);
	if (!s->stale)
		give_up(s, blocks, want, is_superseded);
	return s->stale != NULL;
}

/*
 * A registration has failed for now, or while one ahead of QEMU, which may have taken
 * the room, is under way: those have to end first. Or there is something to be given
 * back, when no WRITE uses it. Returns CONN_AGAIN, or `error` when neither helps.
 */
static int wait_for_room(struct mrs *s, struct ram_blocks *blocks, const struct room_for *want,
			 int error, bool last)
{
	if (error == REGISTRATION_COMING || (s->coming && s->policy.prefetch_failed)) {
		s->waits = CONN_WAITS_FOR_PREFETCH;
		return CONN_AGAIN;
	}
	if (last || error == -EINVAL || error == -ENOTSUP || error == -EOPNOTSUPP ||
	    !make_room(s, blocks, want))
		return error;
	s->waits = CONN_WAITS_FOR_WRITES;
	return CONN_AGAIN;
}

enum conn_wait mrs_waits(const struct mrs *s)
{
	return s->waits;
}

int mrs_watch(struct mrs *s, struct ram_blocks *blocks, struct ram_block *block)
{
	int ret = block->watched ? 0 : s->ops.watch(s->ops.context, blocks, block);

	if (ret)
		block->unmapped = true;
	return ret;
}

int mrs_get(struct mrs *s, struct ram_blocks *blocks, struct ram_block *block,
	    const struct mrs_want *want, struct mr **mr)
{
	struct reg_context context = {s, block};
	struct registration found;
	int ret;

	ret = registration_get(&ops, &context, &s->policy, block, want->range, want->bounds,
			       want->access, &found);
	if (ret)
		ret = wait_for_room(s, blocks, &(struct room_for){block, want->range}, ret,
				    want->last);
	s->counters.asked += ret != CONN_AGAIN;
	if (ret)
		return ret;
	*mr = found.mr;
	(*mr)->needed = true;
	(*mr)->users++;
	if (found.state == REGISTRATION_MAPPED)
		place(s, *mr, found.range, found.range.end - found.range.start);
	return 0;
}

int mrs_renew(struct mrs *s, struct ram_blocks *blocks, struct ram_block *block, struct range where,
	      bool last, struct mr **mr)
{
	struct reg_context context = {s, block};
	bool made;
	void *found;
	int ret;

	ret = registration_renew(&ops, &context, &s->policy, block, where, &found, &made);
	if (ret)
		return wait_for_room(
			s, blocks,
			&(struct room_for){block, discard_map_round(&block->discards, where)}, ret,
			last);
	*mr = found;
	if (!found)
		return 0;
	(*mr)->needed = true;
	if (!made)
		return 0;
	where = discard_map_round(&block->discards, where);
	(*mr)->kept = true;
	/* Nothing, when there was no memory for its extent: then it is for this WRITE
	 * alone. */
	place(s, *mr, where, extent_map_bytes(&block->local, where));
	s->counters.renewed++;
	return 0;
}

struct mr *mrs_begin(struct mrs *s, struct ram_block *block, struct range range)
{
	struct mr *mr = new_mr(s, block);

	if (!mr)
		return NULL;
	if (registration_begin(block, range, mr)) {
		free(mr);
		return NULL;
	}
	mr->range = range;
	link_mr(&s->coming, mr);
	s->comings++;
	return mr;
}

void mrs_end(struct mrs *s, struct mr *mr, const struct mrs_real *real)
{
	struct range range = mr->range;
	uint64_t mapped;

	unlink_mr(mr);
	s->comings--;
	/* Who waits for it looks again, though it may be for another. */
	if (s->waits == CONN_WAITS_FOR_PREFETCH)
		s->waits = CONN_WAITS_FOR_NOTHING;
	if (!real) {
		registration_fail(&s->policy, mr->block, range, mr);
		free(mr);
		return;
	}
	mapped = registration_end(mr->block, range, mr);
	adopt(s, mr, real, range.end - range.start);
	mr->kept = true;
	s->counters.prefetched++;
	place(s, mr, range, mapped);
}

void *mrs_take_stale(struct mrs *s)
{
	struct mr *mr = s->stale;
	void *real;

	if (!mr)
		return NULL;
	mr->kept = false;
	if (!mr->users)
		return bury(mr);
	real = mr->real.mr;
	mr->state = MR_GONE;
	s->counters.pinned -= mr->length;
	move(&s->live, mr);
	return real;
}

void mrs_clear(struct mrs *s)
{
	struct mr *mr, *next;

	for (mr = s->coming; mr; mr = next) {
		next = mr->next;
		free(mr);
	}
	s->coming = NULL;
	s->comings = 0;
}

void *mrs_take_last(struct mrs *s)
{
	struct mr *mr;

	while ((mr = s->stale ? s->stale : s->live)) {
		if (!mr->users)
			return bury(mr);
		unlink_mr(mr);
		mr->owner = NULL;
	}
	return NULL;
}
