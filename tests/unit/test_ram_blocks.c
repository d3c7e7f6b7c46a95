/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "core/ram_blocks.h"

#include <errno.h>
#include <stdlib.h>

#include "core/wire.h"
#include "message.h"
#include "support.h"

static void list(struct message *m)
{
	message_begin(m, WIRE_RAM_BLOCKS_RESULT, 1);
}

/* Two blocks, the first with an extent in each of its maps. */
static void load_two(struct ram_blocks *blocks)
{
	struct message m;

	list(&m);
	message_put_block(&m, 0x7f0000000000, 0, 128 * MIB);
	message_put_block(&m, 0x7e0000000000, 0x100000000, 64 * KIB);
	ck_assert_int_eq(ram_blocks_load(blocks, m.data, m.len), 0);
	ck_assert_int_eq(extent_map_insert(&blocks->block[0].remote, (struct range){0, MIB}, 1), 0);
	ck_assert_int_eq(extent_map_insert(&blocks->block[0].local, (struct range){0, MIB}, 2), 0);
}

static void check_two(const struct ram_blocks *blocks)
{
	ck_assert_uint_eq(blocks->count, 2);
	ck_assert_uint_eq(blocks->block[0].host_addr, 0x7f0000000000);
	ck_assert_uint_eq(blocks->block[0].offset, 0);
	ck_assert_uint_eq(blocks->block[0].length, 128 * MIB);
	ck_assert_uint_eq(blocks->block[0].remote.count, 1);
	ck_assert_uint_eq(blocks->block[0].local.count, 1);
	ck_assert(!blocks->block[0].local_known);
	ck_assert_uint_eq(blocks->block[1].host_addr, 0x7e0000000000);
	ck_assert_uint_eq(blocks->block[1].offset, 0x100000000);
	ck_assert_uint_eq(blocks->block[1].length, 64 * KIB);
}

START_TEST(loads_the_list_in_order)
{
	struct ram_blocks blocks = {0};

	load_two(&blocks);
	check_two(&blocks);
	ram_blocks_clear(&blocks);
	ck_assert_uint_eq(blocks.count, 0);
	ck_assert_ptr_null(blocks.block);
	/* A cleared table can be used, and cleared, again. */
	load_two(&blocks);
	check_two(&blocks);
	ram_blocks_clear(&blocks);
	ram_blocks_clear(&blocks);
}
END_TEST

START_TEST(what_qemu_has_not_been_through)
{
	struct ram_blocks blocks = {0};

	load_two(&blocks);
	ck_assert_uint_eq(blocks.new_bytes, 128 * MIB + 64 * KIB);
	for (unsigned int i = 0; i < 2; i++) {
		ram_blocks_passed(&blocks, &blocks.block[0]);
		ck_assert(blocks.block[0].passed);
		ck_assert_uint_eq(blocks.new_bytes, 64 * KIB);
	}
	ram_blocks_passed(&blocks, &blocks.block[1]);
	ck_assert_uint_eq(blocks.new_bytes, 0);
	ram_blocks_clear(&blocks);
}
END_TEST

START_TEST(a_new_list_replaces_the_old)
{
	struct ram_blocks blocks = {0};
	struct message m;

	load_two(&blocks);
	list(&m);
	message_put_block(&m, 1, 2, 3);
	ck_assert_int_eq(ram_blocks_load(&blocks, m.data, m.len), 0);
	ck_assert_uint_eq(blocks.count, 1);
	ck_assert_uint_eq(blocks.block[0].length, 3);
	ck_assert_uint_eq(blocks.block[0].remote.count, 0);
	ck_assert_uint_eq(blocks.block[0].local.count, 0);
	list(&m);
	ck_assert_int_eq(ram_blocks_load(&blocks, m.data, m.len), 0);
	ck_assert_uint_eq(blocks.count, 0);
	ram_blocks_clear(&blocks);
}
END_TEST

START_TEST(a_malformed_list_changes_nothing)
{
	struct ram_blocks blocks = {0};
	struct message m;

	load_two(&blocks);
	list(&m);
	message_put_block(&m, 0x1000, 0x1000, MIB);
	for (size_t len = 0; len < m.len; len++) {
		void *msg = exact_copy(m.data, len);

		ck_assert_int_eq(ram_blocks_load(&blocks, msg, len), -EBADMSG);
		free(msg);
	}
	for (uint32_t type = 0; type <= 12; type++) {
		if (type == WIRE_RAM_BLOCKS_RESULT)
			continue;
		m.data[7] = (uint8_t)type;
		ck_assert_int_eq(ram_blocks_load(&blocks, m.data, m.len), -EBADMSG);
	}
	check_two(&blocks);
	ram_blocks_clear(&blocks);
}
END_TEST

START_TEST(refuses_blocks_that_cannot_be)
{
	static const struct {
		uint64_t host_addr, offset, length;
		int ret;
	} cases[] = {
		{0x1000, 0x1000, 0, -EBADMSG},	   {0x1000, UINT64_MAX - 1, 1, 0},
		{0x1000, UINT64_MAX, 1, -EBADMSG}, {UINT64_MAX - 1, 0x1000, 1, 0},
		{UINT64_MAX, 0x1000, 1, -EBADMSG}, {0, 0, UINT64_MAX, 0},
		{1, 0, UINT64_MAX, -EBADMSG},	   {0, 1, UINT64_MAX, -EBADMSG},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct ram_blocks blocks = {0};
		struct message m;

		load_two(&blocks);
		list(&m);
		/* After a good one, so that what was loaded so far must go. */
		message_put_block(&m, 0x1000, 0x1000, MIB);
		message_put_block(&m, cases[i].host_addr, cases[i].offset, cases[i].length);
		ck_assert_int_eq(ram_blocks_load(&blocks, m.data, m.len), cases[i].ret);
		if (cases[i].ret)
			check_two(&blocks);
		ram_blocks_clear(&blocks);
	}
}
END_TEST

START_TEST(finds_the_block_of_a_local_address)
{
	/* Block 0: [10M, 14M). Block 1: unknown. Block 2: [14M, 14M + 64K), adjacent. */
	static const struct {
		uint64_t addr, len;
		int block;
		uint64_t start;
	} cases[] = {
		{10 * MIB, 1, 0, 0},
		{10 * MIB, 4 * MIB, 0, 0},
		{11 * MIB, MIB, 0, MIB},
		{14 * MIB - 1, 1, 0, 4 * MIB - 1},
		{14 * MIB - 1, 2, -1, 0}, /* across two blocks */
		{10 * MIB, 4 * MIB + 1, -1, 0},
		{10 * MIB - 1, 1, -1, 0},
		{10 * MIB - 1, 2, -1, 0},
		{10 * MIB, 0, -1, 0},
		{11 * MIB, UINT64_MAX, -1, 0},
		{14 * MIB, 64 * KIB, 2, 0},
		{14 * MIB + 64 * KIB, 1, -1, 0},
		{0, 1, -1, 0}, /* where an unknown base would be */
		{UINT64_MAX, 1, -1, 0},
	};
	struct ram_blocks blocks = {0};
	struct ram_block *found;
	struct range where;
	struct message m;

	list(&m);
	message_put_block(&m, 0x1000, 0, 4 * MIB);
	message_put_block(&m, 0x1000, 4 * MIB, 4 * MIB);
	message_put_block(&m, 0x1000, 8 * MIB, 64 * KIB);
	ck_assert_int_eq(ram_blocks_load(&blocks, m.data, m.len), 0);
	blocks.block[0].local_addr = 10 * MIB;
	blocks.block[0].local_known = true;
	blocks.block[2].local_addr = 14 * MIB;
	blocks.block[2].local_known = true;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		where = (struct range){5, 6};
		found = ram_blocks_find_local(&blocks, cases[i].addr, cases[i].len, &where);
		if (cases[i].block < 0) {
			ck_assert_ptr_null(found);
			ck_assert_uint_eq(where.start, 5);
			ck_assert_uint_eq(where.end, 6);
		} else {
			ck_assert_ptr_eq(found, &blocks.block[cases[i].block]);
			ck_assert_uint_eq(where.start, cases[i].start);
			ck_assert_uint_eq(where.end, cases[i].start + cases[i].len);
		}
	}
	ram_blocks_clear(&blocks);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("ram_blocks");
	TCase *tc = tcase_create("ram_blocks");

	tcase_add_test(tc, loads_the_list_in_order);
	tcase_add_test(tc, what_qemu_has_not_been_through);
	tcase_add_test(tc, a_new_list_replaces_the_old);
	tcase_add_test(tc, a_malformed_list_changes_nothing);
	tcase_add_test(tc, refuses_blocks_that_cannot_be);
	tcase_add_test(tc, finds_the_block_of_a_local_address);
	suite_add_tcase(suite, tc);
	return unit_run(suite);
}
