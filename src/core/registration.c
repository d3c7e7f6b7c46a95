/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "core/registration.h"

#include <errno.h>

#include "core/verbs_values.h"
#include "core/widen.h"

/* Below this nothing is gained over QEMU's own chunk. */
#define SHIFT_FLOOR 20

/*
 * An MR for `range`. `only`: no other MR there is used for a WRITE after this, so that
 * what was discarded before does not matter any more.
 */
static int try_range(const struct registration_ops *ops, void *context, struct ram_block *block,
		     struct range range, int access, bool only, struct registration *out)
{
	bool discarded = false;
	void *mr;
	int ret;

	/* Before the NIC pins: what is discarded from then on counts. */
	if (only)
		discarded = discard_map_reset(&block->discards, range);
	ret = ops->reg(context, block->local_addr + range.start, range.end - range.start, access,
		       &mr);
	if (ret) {
		if (discarded)
			discard_map_set(&block->discards, range);
		return ret;
	}
	*out = (struct registration){.mr = mr, .range = range};
	return 0;
}

/*
 * Something in `range` has been discarded: no MR made before serves it any more.
 * Without memory to split an extent, its rest beyond the range goes as well, and counts
 * as discarded.
 */
static void drop(const struct registration_ops *ops, void *context, struct ram_block *block,
		 struct range range)
{
	struct extent cut;
	int ret;

	while ((ret = extent_map_cut(&block->local, range, &cut))) {
		if (ret < 0) {
			struct range whole = {range.start, UINT64_MAX};

			extent_map_next(&block->local, range.start, &whole);
			discard_map_set(&block->discards, (struct range){range.end, whole.end});
			block->unmapped = true;
			range.end = whole.end;
			continue;
		}
		/* One that is being registered is told at its end. */
		if (!registration_is_coming(cut.value) && ops->cut)
			ops->cut(context, (void *)(uintptr_t)cut.value,
				 cut.range.end - cut.range.start);
	}
}

/*
 * The caller answers these by asking again in another way (QEMU adds
 * IBV_ACCESS_ON_DEMAND): a smaller size cannot help.
 */
static bool size_matters(int error)
{
	return error != -ENOTSUP && error != -EOPNOTSUPP;
}

/*
 * What is registered ahead is given back where it takes the room: it is of use only if
 * QEMU comes to it, and then it can be registered again.
 */
static int try_with_release(const struct registration_ops *ops, void *context,
			    struct registration_policy *policy, struct ram_block *block,
			    struct range range, int access, bool only, struct registration *out)
{
	int ret = try_range(ops, context, block, range, access, only, out);

	/* EINVAL is the device's longest MR, and no matter of room. */
	if (!ret || !size_matters(ret) || ret == -EINVAL)
		return ret;
	policy->prefetch_failed = true;
	if (!ops->release || !ops->release(context))
		return ret;
	return try_range(ops, context, block, range, access, only, out);
}

/* The region of 2^shift bytes around `want`, clipped to what is free in `bounds`. */
static bool widen_within(const struct ram_block *block, struct range want, struct range bounds,
			 unsigned int shift, struct range *wide)
{
	if (!widen_range(&block->local, block->length, want, shift, wide))
		return false;
	if (wide->start < bounds.start)
		wide->start = bounds.start;
	if (wide->end > bounds.end)
		wide->end = bounds.end;
	return wide->start != want.start || wide->end != want.end;
}

/* From *shift down; leaves there the size that worked, 0 for `want`. */
static int halve(const struct registration_ops *ops, void *context,
		 struct registration_policy *policy, struct ram_block *block, struct range want,
		 struct range bounds, int access, unsigned int *shift, struct registration *out)
{
	struct range wide, previous = {0, 0};
	int ret;

	for (; *shift > SHIFT_FLOOR; (*shift)--) {
		if (!widen_within(block, want, bounds, *shift, &wide))
			break;
		/* Clipping can make two sizes the same range: once is enough. */
		if (wide.start == previous.start && wide.end == previous.end)
			continue;
		previous = wide;
		ret = try_with_release(ops, context, policy, block, wide, access, !block->unmapped,
				       out);
		if (!ret)
			return 0;
		if (!size_matters(ret))
			break;
		policy->fallbacks++;
	}
	if (previous.end && *shift <= SHIFT_FLOOR)
		*shift = 0;
	return try_with_release(ops, context, policy, block, want, access, !block->unmapped, out);
}

int registration_get(const struct registration_ops *ops, void *context,
		     struct registration_policy *policy, struct ram_block *block, struct range want,
		     struct range bounds, int access, struct registration *registration)
{
	const struct extent *extent;
	unsigned int first = policy->shift, shift = first;
	struct registration made;
	struct range gap;
	int ret;

	if (access & VERBS_ACCESS_ON_DEMAND)
		block->on_demand = true;
	if (policy->access_known && policy->access != access)
		goto private;
	if (discard_map_test(&block->discards, want))
		drop(ops, context, block, discard_map_round(&block->discards, want));
	extent = extent_map_find(&block->local, want);
	if (extent && registration_is_coming(extent->value))
		return REGISTRATION_COMING;
	if (extent) {
		*registration = (struct registration){
			.state = REGISTRATION_EXISTING,
			.mr = (void *)(uintptr_t)extent->value,
			.range = extent->range,
		};
		return 0;
	}
	if (!extent_map_gap(&block->local, (struct range){0, block->length}, want, &gap))
		goto private;

	ret = halve(ops, context, policy, block, want, bounds, access, &shift, &made);
	if (ret)
		return ret;
	if (shift < first)
		policy->shift = shift;
	if (!policy->shift)
		policy->prefetch = false;
	policy->access = access;
	policy->access_known = true;
	made.state = REGISTRATION_MAPPED;
	if (extent_map_insert(&block->local, made.range, (uintptr_t)made.mr)) {
		made.state = REGISTRATION_PRIVATE;
		block->unmapped = true;
	}
	*registration = made;
	return 0;

      private:
	ret = try_with_release(ops, context, policy, block, want, access, false, &made);
	if (ret)
		return ret;
	made.state = REGISTRATION_PRIVATE;
	block->unmapped = true;
	*registration = made;
	return 0;
}

uint64_t registration_part(const struct ram_block *block, struct range want)
{
	struct range granule =
		discard_map_round(&block->discards, (struct range){want.start, want.start + 1});
	bool discarded = discard_map_test(&block->discards, granule);
	uint64_t end = want.end;
	struct range extent;

	for (uint64_t at = granule.end; at < end; at += DISCARD_GRANULE)
		if (discard_map_test(&block->discards, (struct range){at, at + 1}) != discarded)
			end = at;
	if (discarded || !extent_map_next(&block->local, want.start, &extent))
		return end;
	if (extent.start > want.start)
		return extent.start < end ? extent.start : end;
	return extent.end < end ? extent.end : end;
}

/* The fresh MR for `range` takes its place in the map, and what was there leaves it. */
static int supersede(const struct registration_ops *ops, void *context, struct ram_block *block,
		     struct range range, void *mr)
{
	const struct extent *extent = extent_map_find(&block->local, range);
	void *old;

	/* Mostly what is renewed was renewed before, and nothing has to move. */
	if (!extent || registration_is_coming(extent->value) ||
	    extent->range.start != range.start || extent->range.end != range.end) {
		drop(ops, context, block, range);
		return extent_map_insert(&block->local, range, (uintptr_t)mr);
	}
	old = (void *)(uintptr_t)extent->value;
	extent_map_set(&block->local, range.start, (uintptr_t)mr);
	if (ops->cut)
		ops->cut(context, old, range.end - range.start);
	return 0;
}

int registration_renew(const struct registration_ops *ops, void *context,
		       struct registration_policy *policy, struct ram_block *block,
		       struct range want, void **mr, bool *made)
{
	struct range granules = discard_map_round(&block->discards, want), gap;
	struct registration fresh;
	const struct extent *extent;
	int ret;

	*mr = NULL;
	*made = false;
	if (!discard_map_test(&block->discards, want)) {
		extent = extent_map_find(&block->local, want);
		if (extent && registration_is_coming(extent->value))
			return REGISTRATION_COMING;
		if (extent)
			*mr = (void *)(uintptr_t)extent->value;
		/* Where there is none, QEMU has an MR of its own. A WRITE from two or
		 * more needs one that holds all of it. */
		if (extent || extent_map_gap(&block->local, want, want, &gap))
			return 0;
	}
	ret = try_with_release(ops, context, policy, block, granules, policy->access, true, &fresh);
	if (ret)
		return ret;
	*mr = fresh.mr;
	*made = true;
	/* Else it serves this WRITE, but nobody would find it for the next, for which
	 * QEMU's own is as wrong. */
	if (supersede(ops, context, block, granules, fresh.mr)) {
		discard_map_set(&block->discards, granules);
		block->unmapped = true;
	}
	return 0;
}

uint64_t registration_give_up(struct ram_block *block, struct range range, const void *mr)
{
	uint64_t at = range.start, bytes = 0;
	struct range part;

	while (extent_map_next(&block->local, at, &part) && part.start < range.end) {
		if (extent_map_find(&block->local, part)->value == (uintptr_t)mr) {
			discard_map_set(&block->discards, part);
			bytes += part.end - part.start;
		}
		at = part.end;
	}
	extent_map_remove_value(&block->local, range, (uintptr_t)mr);
	return bytes;
}

void registration_forget(struct ram_block *block, struct range range, const void *mr)
{
	extent_map_remove_value(&block->local, range, (uintptr_t)mr);
	/* Of an MR that QEMU has for a part of it, and that the map does not show, we
	 * no longer know whether it is stale. */
	discard_map_set(&block->discards, range);
}

/* The value of an extent until its MR is there. */
static uint64_t coming(const void *mr)
{
	return (uintptr_t)mr | 1;
}

int registration_begin(struct ram_block *block, struct range range, const void *mr)
{
	int ret = extent_map_insert(&block->local, range, coming(mr));

	if (!ret && !block->unmapped)
		discard_map_reset(&block->discards, range);
	return ret;
}

uint64_t registration_end(struct ram_block *block, struct range range, const void *mr)
{
	return extent_map_replace(&block->local, range, coming(mr), (uintptr_t)mr);
}

void registration_fail(struct registration_policy *policy, struct ram_block *block,
		       struct range range, const void *mr)
{
	extent_map_remove_value(&block->local, range, coming(mr));
	/* As in registration_forget(). */
	discard_map_set(&block->discards, range);
	policy->prefetch_failed = true;
}
