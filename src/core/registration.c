/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "core/registration.h"

#include <errno.h>

#include "core/ahead.h"
#include "core/widen.h"

/* Below this nothing is gained over QEMU's own chunk. */
#define SHIFT_FLOOR 20

static int try_range(const struct registration_ops *ops, void *context,
		     const struct ram_block *block, struct range range, int access,
		     struct registration *out)
{
	void *mr;
	int ret = ops->reg(context, block->local_addr + range.start, range.end - range.start,
			   access, &mr);

	if (ret)
		return ret;
	*out = (struct registration){.mr = mr, .range = range};
	return 0;
}

/*
 * The caller answers these by asking again in another way (QEMU adds
 * IBV_ACCESS_ON_DEMAND): a smaller size cannot help.
 */
static bool size_matters(int error)
{
	return error != -ENOTSUP && error != -EOPNOTSUPP;
}

/* From policy->shift down; leaves in *shift the size that worked, 0 for `want`. */
static int halve(const struct registration_ops *ops, void *context,
		 struct registration_policy *policy, const struct ram_block *block,
		 struct range want, int access, unsigned int *shift, struct registration *out)
{
	struct range wide, previous = {0, 0};
	int ret;

	for (; *shift > SHIFT_FLOOR; (*shift)--) {
		if (!widen_range(&block->local, block->length, want, *shift, &wide))
			break;
		if (wide.start == want.start && wide.end == want.end)
			break;
		/* Clipping can make two sizes the same range: once is enough. */
		if (wide.start == previous.start && wide.end == previous.end)
			continue;
		previous = wide;
		ret = try_range(ops, context, block, wide, access, out);
		if (!ret)
			return 0;
		if (!size_matters(ret))
			break;
		policy->fallbacks++;
	}
	if (previous.end && *shift <= SHIFT_FLOOR)
		*shift = 0;
	return try_range(ops, context, block, want, access, out);
}

int registration_get(const struct registration_ops *ops, void *context,
		     struct registration_policy *policy, struct ram_block *block, struct range want,
		     int access, struct registration *registration)
{
	const struct extent *extent;
	unsigned int first = policy->shift, shift;
	struct registration made;
	struct range gap;
	int ret;

	if (policy->access_known && policy->access != access)
		goto unshared;
	extent = extent_map_find(&block->local, want);
	if (extent && !extent->value)
		return -EBUSY;
	if (extent) {
		*registration = (struct registration){
			.mr = (void *)(uintptr_t)extent->value,
			.range = extent->range,
			.shared = true,
		};
		return 0;
	}
	if (!extent_map_gap(&block->local, (struct range){0, block->length}, want, &gap))
		goto unshared;

	if (policy->ahead)
		first = ahead_shift(&block->local, first);
	shift = first;
	ret = halve(ops, context, policy, block, want, access, &shift, &made);
	if (ret)
		return ret;
	if (shift < first)
		policy->shift = shift;
	if (!policy->shift)
		policy->ahead = false;
	policy->access = access;
	policy->access_known = true;
	made.unshared = extent_map_insert(&block->local, made.range, (uintptr_t)made.mr) != 0;
	*registration = made;
	return 0;

unshared:
	ret = try_range(ops, context, block, want, access, &made);
	if (ret)
		return ret;
	made.unshared = true;
	*registration = made;
	return 0;
}

int registration_begin(struct ram_block *block, struct range range)
{
	return extent_map_insert(&block->local, range, 0);
}

void registration_end(struct registration_policy *policy, struct ram_block *block,
		      struct range range, void *mr)
{
	if (mr) {
		extent_map_set(&block->local, range.start, (uintptr_t)mr);
		return;
	}
	extent_map_remove(&block->local, range.start);
	policy->ahead_failed = true;
}
