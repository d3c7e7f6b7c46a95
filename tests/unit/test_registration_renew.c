/* SPDX-License-Identifier: GPL-2.0-or-later */

/* Registrations under which memory is discarded. */
#include "core/registration.h"

#include <errno.h>
#include <stdlib.h>

#include "support.h"

#define BASE   UINT64_C(0x7f0000000000)
#define ACCESS 3
#define MRS    64

/* MRs by number, from 1; each knows how much of it is still of use. */
struct fake {
	struct ram_block block;
	struct registration_policy policy;
	uint64_t length[MRS], mapped[MRS];
	uint64_t addr[MRS];
	unsigned int made;
	int error; /* of the next one */
	/* Discarded while the next one is being made. */
	struct range meanwhile;
};

static struct range mib(uint64_t start, uint64_t end)
{
	return (struct range){start * MIB, end * MIB};
}

/* An MR is aligned. */
static void *mr_of(unsigned int number)
{
	return (void *)(uintptr_t)(number * 8);
}

static uintptr_t number_of(const void *mr)
{
	return (uintptr_t)mr / 8;
}

static int fake_reg(void *context, uint64_t addr, uint64_t length, int access, void **mr)
{
	struct fake *fake = context;
	unsigned int number;

	ck_assert_int_eq(access, ACCESS);
	discard_map_set(&fake->block.discards, fake->meanwhile);
	fake->meanwhile = (struct range){0, 0};
	if (fake->error)
		return -fake->error;
	number = ++fake->made;
	ck_assert_uint_lt(number, MRS);
	fake->addr[number] = addr;
	fake->length[number] = fake->mapped[number] = length;
	*mr = mr_of(number);
	return 0;
}

static void fake_cut(void *context, void *mr, uint64_t bytes)
{
	struct fake *fake = context;
	uintptr_t number = number_of(mr);

	ck_assert_uint_ge(number, 1);
	ck_assert_uint_le(number, fake->made);
	ck_assert_uint_ge(fake->mapped[number], bytes);
	fake->mapped[number] -= bytes;
}

static const struct registration_ops ops = {.reg = fake_reg, .cut = fake_cut};

static void open_block(struct fake *fake, uint64_t length)
{
	*fake = (struct fake){
		.block = {.length = length, .local_addr = BASE, .local_known = true},
		.policy = {.shift = 26, .access = ACCESS, .access_known = true},
	};
	ck_assert_int_eq(discard_map_init(&fake->block.discards, length), 0);
}

static void close_block(struct fake *fake)
{
	extent_map_clear(&fake->block.local);
	discard_map_free(&fake->block.discards);
}

static uintptr_t get(struct fake *fake, struct range want, bool shared)
{
	struct registration r;

	ck_assert_int_eq(registration_get(&ops, fake, &fake->policy, &fake->block, want,
					  (struct range){0, fake->block.length}, ACCESS, &r),
			 0);
	ck_assert_int_eq(r.state == REGISTRATION_EXISTING, shared);
	ck_assert(range_contains(r.range, want));
	return number_of(r.mr);
}

/* The number of the MR; 0: QEMU's own is right. */
static uintptr_t renew(struct fake *fake, struct range want, bool expected)
{
	bool made;
	void *mr;

	ck_assert_int_eq(
		registration_renew(&ops, fake, &fake->policy, &fake->block, want, &mr, &made), 0);
	ck_assert_int_eq(made, expected);
	return number_of(mr);
}

static void discard(struct fake *fake, uint64_t at)
{
	discard_map_set(&fake->block.discards, (struct range){at, at + 4096});
}

START_TEST(a_write_gets_the_mr_of_what_is_there_now)
{
	struct fake fake;

	open_block(&fake, 128 * MIB);
	ck_assert_uint_eq(get(&fake, mib(5, 6), false), 1);
	ck_assert_uint_eq(fake.length[1], 64 * MIB);
	ck_assert_uint_eq(renew(&fake, mib(5, 6), false), 1);
	discard(&fake, 5 * MIB + 8192);
	ck_assert_uint_eq(renew(&fake, (struct range){5 * MIB, 5 * MIB + 4096}, true), 2);
	ck_assert_uint_eq(fake.length[2], MIB);
	ck_assert_uint_eq(fake.addr[2], BASE + 5 * MIB);
	ck_assert_uint_eq(fake.mapped[1], 63 * MIB);
	/* The same again, its neighbours, and the next discard. */
	ck_assert_uint_eq(renew(&fake, mib(5, 6), false), 2);
	ck_assert_uint_eq(renew(&fake, mib(4, 5), false), 1);
	ck_assert_uint_eq(renew(&fake, mib(6, 7), false), 1);
	discard(&fake, 6 * MIB - 4096);
	ck_assert_uint_eq(renew(&fake, mib(5, 6), true), 3);
	ck_assert_uint_eq(fake.mapped[2], 0);
	ck_assert_uint_eq(fake.mapped[1], 63 * MIB);
	close_block(&fake);
}
END_TEST

/* A chunk that QEMU registers after the discard, in a region of before. */
START_TEST(a_chunk_is_not_served_from_before)
{
	struct fake fake;

	open_block(&fake, 128 * MIB);
	ck_assert_uint_eq(get(&fake, mib(0, 1), false), 1);
	discard(&fake, 9 * MIB);
	ck_assert_uint_eq(get(&fake, mib(9, 10), false), 2);
	ck_assert_uint_eq(fake.length[2], MIB);
	ck_assert_uint_eq(get(&fake, mib(9, 10), true), 2);
	ck_assert_uint_eq(get(&fake, mib(10, 11), true), 1);
	close_block(&fake);
}
END_TEST

/* The NIC may have pinned the old page. */
START_TEST(a_discard_while_it_is_registered_counts)
{
	struct fake fake;

	open_block(&fake, 128 * MIB);
	fake.meanwhile = mib(3, 4);
	ck_assert_uint_eq(get(&fake, mib(0, 1), false), 1);
	fake.meanwhile = mib(3, 4);
	ck_assert_uint_eq(renew(&fake, mib(3, 4), true), 2);
	ck_assert_uint_eq(renew(&fake, mib(3, 4), true), 3);
	ck_assert_uint_eq(renew(&fake, mib(3, 4), false), 3);
	close_block(&fake);
}
END_TEST

START_TEST(what_was_discarded_before_it_was_registered_does_not)
{
	struct fake fake;

	open_block(&fake, 128 * MIB);
	discard_map_set(&fake.block.discards, mib(0, 128));
	ck_assert_uint_eq(get(&fake, mib(0, 1), false), 1);
	ck_assert_uint_eq(renew(&fake, mib(20, 21), false), 1);
	close_block(&fake);
}
END_TEST

START_TEST(a_failure_sends_nothing_and_forgets_nothing)
{
	struct fake fake;
	bool made;
	void *mr;

	open_block(&fake, 128 * MIB);
	get(&fake, mib(0, 1), false);
	discard(&fake, 0);
	fake.error = ENOMEM;
	for (int i = 0; i < 2; i++)
		ck_assert_int_eq(registration_renew(&ops, &fake, &fake.policy, &fake.block,
						    mib(0, 1), &mr, &made),
				 -ENOMEM);
	fake.error = 0;
	ck_assert_uint_eq(renew(&fake, mib(0, 1), true), 2);
	close_block(&fake);
}
END_TEST

/* With larger chunks one WRITE reaches over what several MRs serve. */
START_TEST(a_write_over_two_gets_one)
{
	struct fake fake;

	open_block(&fake, 128 * MIB);
	get(&fake, mib(0, 32), false);
	discard(&fake, 4 * MIB);
	ck_assert_uint_eq(renew(&fake, mib(4, 5), true), 2);
	ck_assert_uint_eq(renew(&fake, (struct range){3 * MIB + 4096, 6 * MIB}, true), 3);
	ck_assert_uint_eq(fake.addr[3], BASE + 3 * MIB);
	ck_assert_uint_eq(fake.length[3], 3 * MIB);
	ck_assert_uint_eq(fake.mapped[2], 0);
	ck_assert_uint_eq(renew(&fake, mib(3, 6), false), 3);
	ck_assert_uint_eq(renew(&fake, mib(2, 3), false), 1);
	close_block(&fake);
}
END_TEST

START_TEST(a_write_over_two_can_be_taken_apart)
{
	struct fake fake;

	open_block(&fake, 128 * MIB);
	get(&fake, mib(0, 32), false);
	ck_assert_uint_eq(registration_part(&fake.block, mib(0, 40)), 40 * MIB);
	discard(&fake, 4 * MIB);
	discard(&fake, 5 * MIB);
	ck_assert_uint_eq(registration_part(&fake.block, (struct range){3 * MIB + 1, 10 * MIB}),
			  4 * MIB);
	ck_assert_uint_eq(registration_part(&fake.block, mib(4, 10)), 6 * MIB);
	ck_assert_uint_eq(registration_part(&fake.block, (struct range){4 * MIB, 5 * MIB + 1}),
			  5 * MIB + 1);
	ck_assert_uint_eq(registration_part(&fake.block, mib(6, 10)), 10 * MIB);
	/* Nothing is discarded any more, but it is in three MRs. */
	ck_assert_uint_eq(renew(&fake, mib(4, 6), true), 2);
	ck_assert_uint_eq(registration_part(&fake.block, mib(3, 10)), 4 * MIB);
	ck_assert_uint_eq(registration_part(&fake.block, mib(4, 10)), 6 * MIB);
	ck_assert_uint_eq(registration_part(&fake.block, mib(6, 100)), 64 * MIB);
	/* in front of what the map has, and behind it */
	ck_assert_uint_eq(registration_part(&fake.block, mib(70, 100)), 100 * MIB);
	ck_assert_uint_eq(get(&fake, mib(90, 91), false), 3);
	ck_assert_uint_eq(fake.addr[3], BASE + 64 * MIB);
	extent_map_remove(&fake.block.local, 0);
	ck_assert_uint_eq(registration_part(&fake.block, mib(3, 10)), 4 * MIB);
	close_block(&fake);
}
END_TEST

/* There is no room: what an MR still serves is served anew when it is needed. */
START_TEST(one_that_is_given_up_serves_nothing)
{
	struct fake fake;

	open_block(&fake, 128 * MIB);
	get(&fake, mib(0, 1), false);
	get(&fake, mib(64, 65), false);
	discard(&fake, 4 * MIB);
	ck_assert_uint_eq(renew(&fake, mib(4, 5), true), 3);
	ck_assert_uint_eq(registration_give_up(&fake.block, mib(0, 64), mr_of(1)), 63 * MIB);
	ck_assert_uint_eq(renew(&fake, mib(4, 5), false), 3);
	ck_assert_uint_eq(renew(&fake, mib(64, 65), false), 2);
	ck_assert_uint_eq(renew(&fake, mib(3, 4), true), 4);
	ck_assert_uint_eq(renew(&fake, mib(63, 64), true), 5);
	ck_assert_uint_eq(fake.length[5], MIB);
	ck_assert_uint_eq(registration_give_up(&fake.block, mib(0, 64), mr_of(1)), 0);
	close_block(&fake);
}
END_TEST

/* Renewed again and again it takes the place of itself. */
START_TEST(what_was_renewed_keeps_its_extent)
{
	struct fake fake;

	open_block(&fake, 128 * MIB);
	get(&fake, mib(0, 1), false);
	for (unsigned int i = 0; i < 20; i++) {
		discard(&fake, 7 * MIB);
		ck_assert_uint_eq(renew(&fake, mib(7, 8), true), 2 + i);
		ck_assert_uint_eq(fake.block.local.count, 3);
		ck_assert_uint_eq(fake.mapped[1 + i], i ? 0 : 63 * MIB);
	}
	close_block(&fake);
}
END_TEST

/* QEMU's own MR, which the map does not have, is right until something is discarded. */
START_TEST(one_of_its_own_is_replaced_as_well)
{
	struct registration r;
	struct fake fake;

	open_block(&fake, 128 * MIB);
	get(&fake, mib(64, 65), false);
	extent_map_clear(&fake.block.local);
	ck_assert_uint_eq(renew(&fake, mib(64, 65), false), 0);
	discard(&fake, 64 * MIB);
	ck_assert_uint_eq(renew(&fake, mib(64, 65), true), 2);
	ck_assert_uint_eq(renew(&fake, mib(64, 65), false), 2);
	/* One that goes leaves a doubt. */
	registration_forget(&fake.block, mib(64, 65), mr_of(2));
	ck_assert_uint_eq(renew(&fake, mib(64, 65), true), 3);
	ck_assert_int_eq(registration_get(&ops, &fake, &fake.policy, &fake.block, mib(64, 65),
					  (struct range){0, fake.block.length}, ACCESS, &r),
			 0);
	ck_assert_int_eq(r.state, REGISTRATION_EXISTING);
	close_block(&fake);
}
END_TEST

#define AHEAD mr_of(5)

START_TEST(one_ahead_loses_what_was_needed_meanwhile)
{
	struct fake fake;
	bool made;
	void *mr;

	open_block(&fake, 128 * MIB);
	get(&fake, mib(64, 65), false);
	ck_assert_int_eq(registration_begin(&fake.block, mib(0, 8), AHEAD), 0);
	/* Nobody knows what it pins. */
	ck_assert_int_eq(
		registration_renew(&ops, &fake, &fake.policy, &fake.block, mib(2, 3), &mr, &made),
		REGISTRATION_COMING);
	discard(&fake, 2 * MIB);
	ck_assert_uint_eq(renew(&fake, mib(2, 3), true), 2);
	ck_assert_uint_eq(registration_end(&fake.block, mib(0, 8), AHEAD), 7 * MIB);
	fake.made = 5;
	fake.mapped[5] = 7 * MIB;
	ck_assert_uint_eq(renew(&fake, mib(2, 3), false), 2);
	ck_assert_uint_eq(renew(&fake, mib(3, 4), false), 5);
	/* What was discarded and not needed waits. */
	discard(&fake, 7 * MIB);
	ck_assert_uint_eq(renew(&fake, mib(7, 8), true), 6);
	ck_assert_uint_eq(fake.mapped[5], 6 * MIB);
	close_block(&fake);
}
END_TEST

START_TEST(one_ahead_that_fails_leaves_a_doubt)
{
	struct fake fake;

	open_block(&fake, 128 * MIB);
	discard(&fake, 2 * MIB);
	ck_assert_int_eq(registration_begin(&fake.block, mib(0, 8), AHEAD), 0);
	registration_fail(&fake.policy, &fake.block, mib(0, 8), AHEAD);
	ck_assert_uint_eq(renew(&fake, mib(2, 3), true), 1);
	close_block(&fake);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("registration_renew");
	TCase *tc = tcase_create("registration_renew");

	tcase_add_test(tc, a_write_gets_the_mr_of_what_is_there_now);
	tcase_add_test(tc, a_chunk_is_not_served_from_before);
	tcase_add_test(tc, a_discard_while_it_is_registered_counts);
	tcase_add_test(tc, what_was_discarded_before_it_was_registered_does_not);
	tcase_add_test(tc, a_failure_sends_nothing_and_forgets_nothing);
	tcase_add_test(tc, a_write_over_two_gets_one);
	tcase_add_test(tc, a_write_over_two_can_be_taken_apart);
	tcase_add_test(tc, one_that_is_given_up_serves_nothing);
	tcase_add_test(tc, what_was_renewed_keeps_its_extent);
	tcase_add_test(tc, one_of_its_own_is_replaced_as_well);
	tcase_add_test(tc, one_ahead_loses_what_was_needed_meanwhile);
	tcase_add_test(tc, one_ahead_that_fails_leaves_a_doubt);
	suite_add_tcase(suite, tc);
	return unit_run(suite);
}
