/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "core/registration.h"

#include <errno.h>
#include <stdlib.h>

#include "extents.h"
#include "support.h"

#define BASE   UINT64_C(0x7f0000000000)
#define ACCESS 3

/* Registrations that can be made to fail, and an account of those that live. */
struct fake {
	uint64_t too_large; /* fail with `error` above this many bytes; 0: never */
	unsigned int nth;   /* fail this call, counted from 1; 0: none */
	int error;
	unsigned int calls, live;
	uint64_t last_length;
	int last_access;
};

struct fake_mr {
	struct fake *fake;
	uint64_t addr, length;
};

static int fake_reg(void *context, uint64_t addr, uint64_t length, int access, void **mr)
{
	struct fake *fake = context;
	struct fake_mr *made;

	fake->calls++;
	fake->last_length = length;
	fake->last_access = access;
	if ((fake->too_large && length > fake->too_large) || fake->calls == fake->nth)
		return -fake->error;
	made = malloc(sizeof(*made));
	ck_assert_ptr_nonnull(made);
	*made = (struct fake_mr){fake, addr, length};
	fake->live++;
	*mr = made;
	return 0;
}

static const struct registration_ops ops = {.reg = fake_reg};

static void fake_dereg(void *mr)
{
	struct fake_mr *made = mr;

	made->fake->live--;
	free(made);
}

/* What the engine does at the end: every extent's MR goes. */
static void drop_all(struct ram_block *block)
{
	const struct extent *first;

	while ((first = extent_map_first(&block->local, 0))) {
		fake_dereg((void *)(uintptr_t)first->value);
		extent_map_remove(&block->local, first->range.start);
	}
	extent_map_clear(&block->local);
}

static struct ram_block block_of(uint64_t length)
{
	return (struct ram_block){.length = length, .local_addr = BASE, .local_known = true};
}

static struct range mib(uint64_t start, uint64_t end)
{
	return (struct range){start * MIB, end * MIB};
}

/* As far as it may reach where nothing else limits it. */
static struct range whole(const struct ram_block *block)
{
	return (struct range){0, block->length};
}

/* Get it, and check that the MR is what the registration says and covers `want`. */
static struct registration get(struct fake *fake, struct registration_policy *policy,
			       struct ram_block *block, struct range want, int access)
{
	struct registration r = {0};
	const struct fake_mr *mr;

	ck_assert_int_eq(
		registration_get(&ops, fake, policy, block, want, whole(block), access, &r), 0);
	mr = r.mr;
	ck_assert_uint_eq(mr->addr, BASE + r.range.start);
	ck_assert_uint_eq(mr->length, r.range.end - r.range.start);
	ck_assert(range_contains(r.range, want));
	ck_assert_uint_le(r.range.end, block->length);
	if (r.state != REGISTRATION_PRIVATE)
		ck_assert_ptr_eq((void *)(uintptr_t)extent_map_find(&block->local, want)->value,
				 r.mr);
	return r;
}

static void get_within(struct fake *fake, struct registration_policy *policy,
		       struct ram_block *block, struct range want, struct range bounds)
{
	struct registration r;

	ck_assert_int_eq(registration_get(&ops, fake, policy, block, want, bounds, ACCESS, &r), 0);
	ck_assert_uint_eq(r.range.start, bounds.start);
	ck_assert_uint_eq(r.range.end, bounds.end);
}

START_TEST(one_registration_serves_a_region)
{
	struct registration_policy policy = {.shift = 26};
	struct ram_block block = block_of(100 * MIB);
	struct fake fake = {0};
	struct registration r;

	for (uint64_t chunk = 0; chunk < 100; chunk++) {
		r = get(&fake, &policy, &block, mib(chunk, chunk + 1), ACCESS);
		ck_assert_int_eq(r.state, chunk && chunk != 64 ? REGISTRATION_EXISTING
							       : REGISTRATION_MAPPED);
		ck_assert_uint_eq(r.range.start, chunk < 64 ? 0 : 64 * MIB);
		ck_assert_uint_eq(r.range.end, chunk < 64 ? 64 * MIB : 100 * MIB);
	}
	ck_assert_uint_eq(fake.calls, 2);
	ck_assert_int_eq(fake.last_access, ACCESS);
	ck_assert_uint_eq(policy.fallbacks, 0);
	ck_assert_uint_eq(policy.shift, 26);
	drop_all(&block);
	ck_assert_uint_eq(fake.live, 0);
}
END_TEST

/* For every limit: the largest size below it is found, and is remembered. */
START_TEST(halves_to_what_works_and_remembers_it)
{
	struct registration_policy policy = {.shift = 30};
	struct ram_block block = block_of(4 * GIB);
	struct fake fake = {.too_large = UINT64_C(1) << _i, .error = ENOMEM};
	unsigned int shift = (unsigned int)_i;
	struct registration r;

	r = get(&fake, &policy, &block, mib(0, 1), ACCESS);
	ck_assert_uint_eq(r.range.end - r.range.start, UINT64_C(1) << shift);
	ck_assert_uint_eq(fake.calls, 30 - shift + 1);
	ck_assert_uint_eq(policy.fallbacks, 30 - shift);
	/* At QEMU's own chunk nothing wider is worth a try any more. */
	ck_assert_uint_eq(policy.shift, shift > 20 ? shift : 0);

	fake.calls = 0;
	r = get(&fake, &policy, &block, mib(2048, 2049), ACCESS);
	ck_assert_uint_eq(r.range.end - r.range.start, UINT64_C(1) << shift);
	ck_assert_uint_eq(fake.calls, 1);
	ck_assert_uint_eq(policy.fallbacks, 30 - shift);

	/* Also in another block, and for as long as it still works. */
	fake.too_large = 0;
	r = get(&fake, &policy, &block, mib(3072, 3073), ACCESS);
	ck_assert_uint_eq(r.range.end - r.range.start, UINT64_C(1) << shift);
	ck_assert_uint_eq(fake.live, 3);
	drop_all(&block);
	ck_assert_uint_eq(fake.live, 0);
}
END_TEST

/* The chunk itself fails: that is QEMU's to know, and nothing has changed. */
START_TEST(only_the_failure_of_the_chunk_is_returned)
{
	static const int errors[] = {ENOMEM, EINVAL, EFAULT,  EPERM,
				     EAGAIN, EBUSY,  ENOTSUP, EOPNOTSUPP};

	for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
		struct registration_policy policy = {.shift = 30};
		struct ram_block block = block_of(4 * GIB);
		struct fake fake = {.too_large = 1, .error = errors[i]};
		struct registration r = {.mr = &fake};

		ck_assert_int_eq(registration_get(&ops, &fake, &policy, &block, mib(5, 6),
						  whole(&block), ACCESS, &r),
				 -errors[i]);
		ck_assert_ptr_eq(r.mr, &fake);
		ck_assert_uint_eq(fake.last_length, MIB);
		ck_assert_uint_eq(block.local.count, 0);
		ck_assert_uint_eq(policy.shift, 30);
		ck_assert(!policy.access_known);
		ck_assert_uint_eq(fake.live, 0);
	}
}
END_TEST

/* QEMU answers ENOTSUP by asking again with IBV_ACCESS_ON_DEMAND: no smaller
 * size is tried, and the second question is widened as the first would have been. */
START_TEST(not_supported_is_not_a_matter_of_size)
{
	struct registration_policy policy = {.shift = 30};
	struct ram_block block = block_of(4 * GIB);
	struct fake fake = {.too_large = 1, .error = _i};
	struct registration r;

	ck_assert_int_eq(registration_get(&ops, &fake, &policy, &block, mib(5, 6), whole(&block),
					  ACCESS, &r),
			 -_i);
	ck_assert_uint_le(fake.calls, 2);
	ck_assert_uint_eq(policy.fallbacks, 0);
	fake.too_large = 0;
	r = get(&fake, &policy, &block, mib(5, 6), ACCESS | 64);
	ck_assert_uint_eq(r.range.end - r.range.start, GIB);
	ck_assert_int_eq(fake.last_access, ACCESS | 64);
	ck_assert_int_ne(r.state, REGISTRATION_PRIVATE);
	drop_all(&block);
	ck_assert_uint_eq(fake.live, 0);
}
END_TEST

/* Every call of a clean run (five regions), failed in turn: each chunk is still served. */
START_TEST(survives_the_failure_of_any_one_call)
{
	for (unsigned int nth = 1; nth <= 6; nth++) {
		struct registration_policy policy = {.shift = 24};
		struct ram_block block = block_of(70 * MIB + 4096);
		struct fake fake = {.nth = nth, .error = ENOMEM};
		struct random rng = {nth};
		unsigned int shift = policy.shift;
		struct extents_shape shape;

		for (unsigned int i = 0; i < 300; i++) {
			uint64_t chunk = random_below(&rng, 71);
			struct range want = mib(chunk, chunk + 1);
			struct registration r;

			if (want.end > block.length)
				want.end = block.length;
			if (registration_get(&ops, &fake, &policy, &block, want, whole(&block),
					     ACCESS, &r)) {
				/* Only if the call that failed was for the chunk itself. */
				ck_assert_uint_eq(fake.calls, nth);
				ck_assert_uint_eq(fake.last_length, want.end - want.start);
				r = get(&fake, &policy, &block, want, ACCESS);
			}
			ck_assert(range_contains(r.range, want));
			ck_assert_uint_le(policy.shift, shift);
			shift = policy.shift;
		}
		ck_assert_uint_ge(fake.calls, nth > 5 ? 5 : nth);
		ck_assert_uint_eq(fake.live, block.local.count);
		ck_assert_uint_le(policy.fallbacks, 1);
		ck_assert_ptr_null(extents_check(&block.local, &shape));
		drop_all(&block);
		ck_assert_uint_eq(fake.live, 0);
	}
}
END_TEST

START_TEST(a_range_that_clipping_repeats_is_tried_once)
{
	struct registration_policy policy = {.shift = 30};
	struct ram_block block = block_of(4 * MIB);
	struct fake fake = {.too_large = 3 * MIB, .error = EINVAL};
	struct registration r;

	/* 4 MiB at 2^30 to 2^22, then 2 MiB. */
	r = get(&fake, &policy, &block, mib(3, 4), ACCESS);
	ck_assert_uint_eq(fake.calls, 2);
	ck_assert_uint_eq(policy.fallbacks, 1);
	ck_assert_uint_eq(r.range.start, 2 * MIB);
	ck_assert_uint_eq(policy.shift, 21);
	drop_all(&block);
}
END_TEST

START_TEST(a_block_of_one_chunk_says_nothing_about_size)
{
	struct registration_policy policy = {.shift = 30};
	struct ram_block small = block_of(64 * KIB), large = block_of(GIB);
	struct fake fake = {0};

	get(&fake, &policy, &small, (struct range){0, 64 * KIB}, ACCESS);
	ck_assert_uint_eq(fake.calls, 1);
	ck_assert_uint_eq(policy.shift, 30);
	get(&fake, &policy, &large, mib(1, 2), ACCESS);
	ck_assert_uint_eq(fake.last_length, GIB);
	drop_all(&small);
	drop_all(&large);
	ck_assert_uint_eq(fake.live, 0);
}
END_TEST

START_TEST(shift_0_and_20_register_what_was_asked)
{
	static const unsigned int shifts[] = {0, 20};

	for (size_t i = 0; i < 2; i++) {
		struct registration_policy policy = {.shift = shifts[i]};
		struct ram_block block = block_of(GIB);
		struct fake fake = {0};

		get(&fake, &policy, &block, mib(7, 8), ACCESS);
		ck_assert_uint_eq(fake.last_length, MIB);
		/* QEMU's own x-rdma-chunk-size, larger than our regions */
		get(&fake, &policy, &block, mib(64, 128), ACCESS);
		ck_assert_uint_eq(fake.last_length, 64 * MIB);
		ck_assert_uint_eq(fake.calls, 2);
		ck_assert_uint_eq(policy.shift, shifts[i]);
		drop_all(&block);
	}
}
END_TEST

START_TEST(a_gap_is_filled_up_to_its_neighbours)
{
	struct registration_policy policy = {.shift = 20};
	struct ram_block block = block_of(64 * MIB);
	struct registration r;
	struct fake fake = {0};

	get(&fake, &policy, &block, mib(4, 8), ACCESS);
	get(&fake, &policy, &block, mib(16, 17), ACCESS);
	policy.shift = 30;
	r = get(&fake, &policy, &block, mib(10, 11), ACCESS);
	ck_assert_uint_eq(r.range.start, 8 * MIB);
	ck_assert_uint_eq(r.range.end, 16 * MIB);
	r = get(&fake, &policy, &block, mib(3, 4), ACCESS);
	ck_assert_uint_eq(r.range.start, 0);
	ck_assert_uint_eq(r.range.end, 4 * MIB);
	/* A gap of exactly one chunk between two MRs. */
	r = get(&fake, &policy, &block, mib(17, 18), ACCESS);
	ck_assert_uint_eq(r.range.end, 64 * MIB);
	drop_all(&block);
	ck_assert_uint_eq(fake.live, 0);
}
END_TEST

START_TEST(a_partial_overlap_gets_its_own)
{
	struct registration_policy policy = {.shift = 20};
	struct ram_block block = block_of(64 * MIB);
	struct fake fake = {0};
	struct registration r;

	get(&fake, &policy, &block, mib(4, 8), ACCESS);
	policy.shift = 30;
	for (int i = 0; i < 3; i++) {
		r = get(&fake, &policy, &block,
			i == 0	 ? mib(3, 5)
			: i == 1 ? mib(7, 9)
				 : mib(3, 9),
			ACCESS);
		ck_assert_int_eq(r.state, REGISTRATION_PRIVATE);
		ck_assert_uint_eq(fake.last_length, r.range.end - r.range.start);
		ck_assert_uint_eq(block.local.count, 1);
		fake_dereg(r.mr);
	}
	fake.too_large = 1;
	fake.error = ENOMEM;
	ck_assert_int_eq(registration_get(&ops, &fake, &policy, &block, mib(3, 5), whole(&block),
					  ACCESS, &r),
			 -ENOMEM);
	drop_all(&block);
	ck_assert_uint_eq(fake.live, 0);
}
END_TEST

/* Hazard 4: an MR never has other flags than QEMU gave for the memory. */
START_TEST(other_access_flags_share_nothing)
{
	struct registration_policy policy = {.shift = 30};
	struct ram_block block = block_of(64 * MIB);
	struct fake fake = {0};
	struct registration first, other, again;

	first = get(&fake, &policy, &block, mib(0, 1), ACCESS);
	other = get(&fake, &policy, &block, mib(1, 2), 0);
	ck_assert_int_eq(other.state, REGISTRATION_PRIVATE);
	ck_assert_ptr_ne(other.mr, first.mr);
	ck_assert_uint_eq(fake.last_length, MIB);
	ck_assert_int_eq(fake.last_access, 0);
	again = get(&fake, &policy, &block, mib(1, 2), ACCESS);
	ck_assert_int_eq(again.state, REGISTRATION_EXISTING);
	ck_assert_ptr_eq(again.mr, first.mr);
	fake_dereg(other.mr);
	drop_all(&block);
	ck_assert_uint_eq(fake.live, 0);
}
END_TEST

/* Whatever the size of a region, and while it is halved. */
START_TEST(never_beyond_the_bounds)
{
	struct registration_policy policy = {.shift = 30};
	struct ram_block block = block_of(4 * GIB);
	struct fake fake = {0};
	struct registration r;

	ck_assert_int_eq(
		registration_get(&ops, &fake, &policy, &block, mib(5, 6), mib(5, 6), ACCESS, &r),
		0);
	ck_assert_uint_eq(fake.last_length, MIB);
	ck_assert_int_eq(
		registration_get(&ops, &fake, &policy, &block, mib(10, 11), mib(7, 90), ACCESS, &r),
		0);
	ck_assert_uint_eq(r.range.start, 7 * MIB);
	ck_assert_uint_eq(r.range.end, 90 * MIB);
	ck_assert_uint_eq(fake.calls, 2);
	/* [1000M, 1100M) is in two regions; halved to 64M and once more. */
	fake.too_large = 32 * MIB;
	fake.error = ENOMEM;
	ck_assert_int_eq(registration_get(&ops, &fake, &policy, &block, mib(1000, 1001),
					  mib(1000, 1100), ACCESS, &r),
			 0);
	ck_assert_uint_eq(r.range.start, 1000 * MIB);
	ck_assert_uint_eq(r.range.end, 1024 * MIB);
	ck_assert_int_eq(registration_get(&ops, &fake, &policy, &block, mib(1050, 1051),
					  mib(1024, 1100), ACCESS, &r),
			 0);
	ck_assert_uint_eq(r.range.start, 1024 * MIB);
	ck_assert_uint_eq(r.range.end, 1056 * MIB);
	ck_assert_uint_eq(policy.shift, 25);
	drop_all(&block);
	ck_assert_uint_eq(fake.live, 0);
}
END_TEST

/* QEMU's chunk and nothing larger: nothing is to be gained ahead. */
START_TEST(when_only_chunks_work_nothing_is_registered_ahead)
{
	struct registration_policy policy = {.shift = 30, .prefetch = true};
	struct ram_block block = block_of(GIB);
	struct fake fake = {.too_large = 32 * MIB, .error = EINVAL};

	get(&fake, &policy, &block, mib(0, 1), ACCESS);
	ck_assert_uint_eq(policy.shift, 25);
	ck_assert(policy.prefetch && !policy.prefetch_failed);
	fake.too_large = MIB;
	get(&fake, &policy, &block, mib(512, 513), ACCESS);
	ck_assert_uint_eq(policy.shift, 0);
	ck_assert(!policy.prefetch);
	drop_all(&block);
}
END_TEST

/* A device that has room for `room` bytes, and some of it is taken by what is
 * registered ahead. */
struct crowded {
	struct fake fake;
	uint64_t room, taken, ahead;
	unsigned int released;
};

static int crowded_reg(void *context, uint64_t addr, uint64_t length, int access, void **mr)
{
	struct crowded *c = context;
	int ret;

	if (c->taken + c->ahead + length > c->room)
		return -ENOMEM;
	ret = fake_reg(&c->fake, addr, length, access, mr);
	c->taken += ret ? 0 : length;
	return ret;
}

static bool crowded_release(void *context)
{
	struct crowded *c = context;
	bool any = c->ahead;

	c->released++;
	c->ahead = 0;
	return any;
}

static const struct registration_ops crowded_ops = {.reg = crowded_reg, .release = crowded_release};

START_TEST(what_is_registered_ahead_makes_room)
{
	struct registration_policy policy = {.shift = 30, .prefetch = true};
	struct ram_block block = block_of(GIB);
	struct crowded c = {.room = 64 * MIB, .ahead = 40 * MIB};
	struct registration r;

	ck_assert_int_eq(registration_get(&crowded_ops, &c, &policy, &block, mib(0, 1), mib(0, 24),
					  ACCESS, &r),
			 0);
	ck_assert_uint_eq(c.released, 0);
	ck_assert(!policy.prefetch_failed);
	/* The wide one gets its room: it is not halved. */
	ck_assert_int_eq(registration_get(&crowded_ops, &c, &policy, &block, mib(24, 25),
					  mib(24, 48), ACCESS, &r),
			 0);
	ck_assert_uint_eq(r.range.end, 48 * MIB);
	ck_assert_uint_eq(c.released, 1);
	ck_assert_uint_eq(policy.fallbacks, 0);
	/* It is not to be taken again. */
	ck_assert(policy.prefetch_failed);
	/* 16 MiB are left. */
	c.ahead = 16 * MIB;
	ck_assert_int_eq(registration_get(&crowded_ops, &c, &policy, &block, mib(48, 49),
					  mib(48, 49), ACCESS, &r),
			 0);
	ck_assert_uint_eq(c.taken, 49 * MIB);
	/* Nothing is left to be given back: now it is QEMU's failure. */
	c.room = 49 * MIB;
	ck_assert_int_eq(registration_get(&crowded_ops, &c, &policy, &block, mib(60, 61),
					  mib(60, 64), ACCESS, &r),
			 -ENOMEM);
	drop_all(&block);
	ck_assert_uint_eq(c.fake.live, 0);
}
END_TEST

/* The longest MR of a device is no matter of room. */
START_TEST(what_is_registered_ahead_stays_where_room_is_not_the_matter)
{
	static const int errors[] = {EINVAL, ENOTSUP, EOPNOTSUPP};

	for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
		struct registration_policy policy = {.shift = 30, .prefetch = true};
		struct ram_block block = block_of(GIB);
		struct crowded c = {.room = GIB, .ahead = 16 * MIB};
		struct registration r;

		c.fake.too_large = 8 * MIB;
		c.fake.error = errors[i];
		registration_get(&crowded_ops, &c, &policy, &block, mib(0, 1), mib(0, 16), ACCESS,
				 &r);
		ck_assert_uint_eq(c.released, 0);
		ck_assert(!policy.prefetch_failed);
		drop_all(&block);
	}
}
END_TEST

/* For a WRITE from memory that was discarded, too: else the connection would fail. */
START_TEST(what_is_registered_ahead_makes_room_for_a_renewal)
{
	struct registration_policy policy = {
		.shift = 30, .prefetch = true, .access = ACCESS, .access_known = true};
	struct ram_block block = block_of(GIB);
	struct crowded c = {.room = 24 * MIB, .ahead = 24 * MIB};
	bool made;
	void *mr;

	ck_assert_int_eq(discard_map_init(&block.discards, block.length), 0);
	discard_map_set(&block.discards, mib(3, 4));
	ck_assert_int_eq(
		registration_renew(&crowded_ops, &c, &policy, &block, mib(3, 4), &mr, &made), 0);
	ck_assert(made);
	ck_assert_uint_eq(c.released, 1);
	drop_all(&block);
	discard_map_free(&block.discards);
}
END_TEST

START_TEST(what_is_being_registered_is_busy)
{
	struct registration_policy policy = {.shift = 26, .prefetch = true};
	struct ram_block block = block_of(GIB);
	struct registration r = {.mr = &block};
	struct fake fake = {0};
	void *mr;

	get_within(&fake, &policy, &block, mib(0, 1), mib(0, 16));
	ck_assert_int_eq(fake_reg(&fake, BASE + 16 * MIB, 16 * MIB, ACCESS, &mr), 0);
	ck_assert_int_eq(registration_begin(&block, mib(16, 32), mr), 0);
	ck_assert_int_eq(registration_begin(&block, mib(31, 33), mr), -EEXIST);
	for (uint64_t at = 16; at < 32; at += 5) {
		ck_assert_int_eq(registration_get(&ops, &fake, &policy, &block, mib(at, at + 1),
						  whole(&block), ACCESS, &r),
				 REGISTRATION_COMING);
		ck_assert_ptr_eq(r.mr, &block);
	}
	ck_assert_uint_eq(fake.calls, 2);
	/* Its neighbour is not, and is clipped to it; nor is what shares nothing. */
	ck_assert_uint_eq(get(&fake, &policy, &block, mib(40, 41), ACCESS).range.start, 32 * MIB);
	r = get(&fake, &policy, &block, mib(20, 21), ACCESS + 1);
	ck_assert_int_eq(r.state, REGISTRATION_PRIVATE);
	fake_dereg(r.mr);
	r = get(&fake, &policy, &block, mib(15, 17), ACCESS);
	ck_assert_int_eq(r.state, REGISTRATION_PRIVATE);
	fake_dereg(r.mr);

	ck_assert_uint_eq(registration_end(&block, mib(16, 32), mr), 16 * MIB);
	ck_assert(!policy.prefetch_failed);
	r = get(&fake, &policy, &block, mib(20, 21), ACCESS);
	ck_assert_int_eq(r.state, REGISTRATION_EXISTING);
	ck_assert_ptr_eq(r.mr, mr);
	drop_all(&block);
	ck_assert_uint_eq(fake.live, 0);
}
END_TEST

/* Where one has lost a part, because that was discarded, there may be another: neither takes the
 * other's for its own, whichever ends first. */
START_TEST(several_are_told_apart)
{
	struct registration_policy policy = {.shift = 26, .prefetch = true};
	struct ram_block block = block_of(GIB);
	uint64_t one = 0, other = 0;
	struct extent cut;

	ck_assert_int_eq(registration_begin(&block, mib(16, 32), &one), 0);
	ck_assert_int_eq(extent_map_cut(&block.local, mib(20, 24), &cut), 1);
	ck_assert(registration_is_coming(cut.value));
	ck_assert_int_eq(registration_begin(&block, mib(20, 24), &other), 0);
	if (_i & 1)
		registration_fail(&policy, &block, mib(16, 32), &one);
	else
		ck_assert_uint_eq(registration_end(&block, mib(16, 32), &one), 12 * MIB);
	ck_assert(registration_is_coming(extent_map_find(&block.local, mib(20, 24))->value));
	if (_i & 2)
		registration_fail(&policy, &block, mib(20, 24), &other);
	else
		ck_assert_uint_eq(registration_end(&block, mib(20, 24), &other), 4 * MIB);
	ck_assert_uint_eq(extent_map_bytes(&block.local, whole(&block)),
			  (_i & 1 ? 0 : 12 * MIB) + (_i & 2 ? 0 : 4 * MIB));
	extent_map_clear(&block.local);
}
END_TEST

START_TEST(one_ahead_that_fails_leaves_room_and_is_the_last)
{
	struct registration_policy policy = {.shift = 26, .prefetch = true};
	struct ram_block block = block_of(GIB);
	struct fake fake = {0};
	struct registration r;

	get_within(&fake, &policy, &block, mib(0, 1), mib(0, 16));
	ck_assert_int_eq(registration_begin(&block, mib(16, 32), &fake), 0);
	registration_fail(&policy, &block, mib(16, 32), &fake);
	ck_assert(policy.prefetch_failed);
	/* It is not QEMU's failure: its limit stays, and it registers what it needs. */
	ck_assert_uint_eq(policy.shift, 26);
	ck_assert_uint_eq(policy.fallbacks, 0);
	r = get(&fake, &policy, &block, mib(20, 21), ACCESS);
	ck_assert(r.state == REGISTRATION_MAPPED);
	ck_assert_uint_eq(r.range.start, 16 * MIB);
	ck_assert_uint_eq(r.range.end, 64 * MIB);
	drop_all(&block);
	ck_assert_uint_eq(fake.live, 0);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("registration");
	TCase *tc = tcase_create("registration");

	tcase_add_test(tc, one_registration_serves_a_region);
	tcase_add_loop_test(tc, halves_to_what_works_and_remembers_it, 20, 31);
	tcase_add_test(tc, only_the_failure_of_the_chunk_is_returned);
	tcase_add_loop_test(tc, not_supported_is_not_a_matter_of_size, ENOTSUP, ENOTSUP + 1);
	tcase_add_test(tc, survives_the_failure_of_any_one_call);
	tcase_add_test(tc, a_range_that_clipping_repeats_is_tried_once);
	tcase_add_test(tc, a_block_of_one_chunk_says_nothing_about_size);
	tcase_add_test(tc, shift_0_and_20_register_what_was_asked);
	tcase_add_test(tc, a_gap_is_filled_up_to_its_neighbours);
	tcase_add_test(tc, a_partial_overlap_gets_its_own);
	tcase_add_test(tc, other_access_flags_share_nothing);
	tcase_add_test(tc, never_beyond_the_bounds);
	tcase_add_test(tc, when_only_chunks_work_nothing_is_registered_ahead);
	tcase_add_test(tc, what_is_registered_ahead_makes_room);
	tcase_add_test(tc, what_is_registered_ahead_stays_where_room_is_not_the_matter);
	tcase_add_test(tc, what_is_registered_ahead_makes_room_for_a_renewal);
	tcase_add_test(tc, what_is_being_registered_is_busy);
	tcase_add_loop_test(tc, several_are_told_apart, 0, 4);
	tcase_add_test(tc, one_ahead_that_fails_leaves_room_and_is_the_last);
	suite_add_tcase(suite, tc);
	return unit_run(suite);
}
