/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "core/write_queue.h"

#include <errno.h>
#include <string.h>

#include "support.h"

#define LOCAL  UINT64_C(0x7f0000000000)
#define REMOTE UINT64_C(0x550000000000)

static struct write_queue q;

static struct write write_of(uint64_t at, uint64_t length)
{
	return (struct write){
		.wr_id = at,
		.local_addr = LOCAL + at,
		.remote_addr = REMOTE + at,
		.length = length,
		.lkey = 1,
		.rkey = 2,
	};
}

static void setup(void)
{
	memset(&q, 0, sizeof(q));
}

START_TEST(writes_leave_in_order)
{
	struct write w;

	for (uint64_t i = 0; i < 5; i++) {
		w = write_of(i * MIB, 4096);
		ck_assert_int_eq(write_queue_push(&q, &w, GIB), 0);
	}
	ck_assert_uint_eq(q.count, 5);
	for (unsigned int i = 0; i < 5; i++)
		ck_assert_uint_eq(write_queue_at(&q, i)->local_addr, LOCAL + i * MIB);
	write_queue_drop(&q, 2);
	ck_assert_uint_eq(q.count, 3);
	ck_assert_uint_eq(write_queue_at(&q, 0)->wr_id, 2 * MIB);
	write_queue_drop(&q, 0);
	write_queue_drop(&q, 3);
	ck_assert_uint_eq(q.count, 0);
}
END_TEST

START_TEST(a_write_that_continues_the_newest_becomes_part_of_it)
{
	struct write w;

	for (uint64_t i = 3; i < 9; i++) {
		w = write_of(i * MIB, MIB);
		ck_assert_int_eq(write_queue_push(&q, &w, GIB), 0);
	}
	ck_assert_uint_eq(q.count, 1);
	ck_assert_uint_eq(write_queue_at(&q, 0)->wr_id, 3 * MIB);
	ck_assert_uint_eq(write_queue_at(&q, 0)->local_addr, LOCAL + 3 * MIB);
	ck_assert_uint_eq(write_queue_at(&q, 0)->remote_addr, REMOTE + 3 * MIB);
	ck_assert_uint_eq(write_queue_at(&q, 0)->length, 6 * MIB);
}
END_TEST

/* Each differs in one thing from the write that continues [0, 4096). */
static const struct {
	const char *what;
	struct write write;
} strangers[] = {
	{"a gap here", {1, LOCAL + 4097, REMOTE + 4096, 4096, 1, 2, false, false}},
	{"a gap there", {1, LOCAL + 4096, REMOTE + 4097, 4096, 1, 2, false, false}},
	{"over its end here", {1, LOCAL + 4095, REMOTE + 4096, 4096, 1, 2, false, false}},
	{"over its end there", {1, LOCAL + 4096, REMOTE + 4095, 4096, 1, 2, false, false}},
	{"the same once more", {1, LOCAL, REMOTE, 4096, 1, 2, false, false}},
	{"before it", {1, LOCAL - 4096, REMOTE - 4096, 4096, 1, 2, false, false}},
	{"another MR here", {1, LOCAL + 4096, REMOTE + 4096, 4096, 3, 2, false, false}},
	{"another MR there", {1, LOCAL + 4096, REMOTE + 4096, 4096, 1, 3, false, false}},
	{"more than one WR may have", {1, LOCAL + 4096, REMOTE + 4096, 4097, 1, 2, false, false}},
};
#define STRANGERS ((int)(sizeof(strangers) / sizeof(strangers[0])))

START_TEST(a_stranger_stays_alone)
{
	struct write first = write_of(0, 4096), next = write_of(4096, 4096);

	ck_assert_int_eq(write_queue_push(&q, &first, 8192), 0);
	ck_assert_int_eq(write_queue_push(&q, &strangers[_i].write, 8192), 0);
	ck_assert_msg(q.count == 2, "%s", strangers[_i].what);
	ck_assert_uint_eq(write_queue_at(&q, 0)->length, 4096);
	ck_assert_mem_eq(write_queue_at(&q, 1), &strangers[_i].write, sizeof(struct write));
	/* Only the newest is continued: order is kept. */
	ck_assert_int_eq(write_queue_push(&q, &next, 8192), 0);
	ck_assert_uint_eq(write_queue_at(&q, 0)->length, 4096);
}
END_TEST

START_TEST(a_merged_write_has_a_limit)
{
	struct write w;

	for (uint64_t i = 0; i < 10; i++) {
		w = write_of(i * 4096, 4096);
		ck_assert_int_eq(write_queue_push(&q, &w, 3 * 4096 + 1), 0);
	}
	ck_assert_uint_eq(q.count, 4);
	for (unsigned int i = 0; i < 4; i++)
		ck_assert_uint_eq(write_queue_at(&q, i)->length, i < 3 ? 3 * 4096 : 4096);
	/* One that is longer by itself is taken as it is. */
	w = write_of(GIB, GIB);
	ck_assert_int_eq(write_queue_push(&q, &w, MIB), 0);
	ck_assert_uint_eq(write_queue_at(&q, 4)->length, GIB);
}
END_TEST

START_TEST(nothing_is_merged_with_a_limit_of_zero)
{
	struct write w;

	for (uint64_t i = 0; i < 10; i++) {
		w = write_of(i * 4096, i ? 4096 : 0);
		w.local_addr -= i ? 4096 : 0;
		w.remote_addr -= i ? 4096 : 0;
		ck_assert_int_eq(write_queue_push(&q, &w, 0), 0);
	}
	ck_assert_uint_eq(q.count, 10);
}
END_TEST

START_TEST(empty_writes_are_not_merged_with_a_limit_of_zero)
{
	struct write w = write_of(0, 0);

	ck_assert_int_eq(write_queue_push(&q, &w, 0), 0);
	ck_assert_int_eq(write_queue_push(&q, &w, 0), 0);
	ck_assert_uint_eq(q.count, 2);
}
END_TEST

START_TEST(an_emptied_queue_forgets_its_newest)
{
	struct write first = write_of(0, 4096), next = write_of(4096, 4096);

	ck_assert_int_eq(write_queue_push(&q, &first, GIB), 0);
	write_queue_drop(&q, 1);
	ck_assert_int_eq(write_queue_push(&q, &next, GIB), 0);
	ck_assert_uint_eq(q.count, 1);
	ck_assert_uint_eq(write_queue_at(&q, 0)->length, 4096);
}
END_TEST

START_TEST(a_full_queue_refuses_all_but_what_continues)
{
	struct write w;

	q.head = WRITE_QUEUE_ROOM - 3;
	for (uint64_t i = 0; i < WRITE_QUEUE_ROOM; i++) {
		w = write_of(i * MIB, 4096);
		ck_assert_int_eq(write_queue_push(&q, &w, GIB), 0);
	}
	w = write_of(GIB * 4, 4096);
	ck_assert_int_eq(write_queue_push(&q, &w, GIB), -ENOMEM);
	w = write_of((WRITE_QUEUE_ROOM - 1) * MIB + 4096, 4096);
	ck_assert_int_eq(write_queue_push(&q, &w, GIB), 0);
	ck_assert_uint_eq(q.count, WRITE_QUEUE_ROOM);
	for (unsigned int i = 0; i < WRITE_QUEUE_ROOM; i++)
		ck_assert_uint_eq(write_queue_at(&q, i)->wr_id, i * MIB);
	ck_assert_uint_eq(write_queue_at(&q, WRITE_QUEUE_ROOM - 1)->length, 8192);
	write_queue_drop(&q, 1);
	w = write_of(GIB * 4, 4096);
	ck_assert_int_eq(write_queue_push(&q, &w, GIB), 0);
}
END_TEST

START_TEST(overlaps_are_found_to_the_byte)
{
	struct write w = write_of(MIB, 4096);
	const uint64_t start = REMOTE + MIB, end = start + 4096;

	ck_assert(!write_queue_overlaps(&q, (struct range){0, UINT64_MAX}));
	ck_assert_int_eq(write_queue_push(&q, &w, GIB), 0);
	w = write_of(5 * MIB, 4096);
	ck_assert_int_eq(write_queue_push(&q, &w, GIB), 0);
	ck_assert(write_queue_overlaps(&q, (struct range){start, end}));
	ck_assert(write_queue_overlaps(&q, (struct range){start - 1, start + 1}));
	ck_assert(write_queue_overlaps(&q, (struct range){end - 1, end}));
	ck_assert(write_queue_overlaps(&q, (struct range){start + 1, start + 2}));
	ck_assert(write_queue_overlaps(&q, (struct range){start - 1, end + 1}));
	ck_assert(!write_queue_overlaps(&q, (struct range){start - 1, start}));
	ck_assert(!write_queue_overlaps(&q, (struct range){end, end + 1}));
	/* It is the destination's addresses that count. */
	ck_assert(!write_queue_overlaps(&q, (struct range){LOCAL, LOCAL + 8 * MIB}));
	ck_assert(write_queue_overlaps(&q, (struct range){REMOTE + 5 * MIB, REMOTE + 6 * MIB}));
	write_queue_drop(&q, 1);
	ck_assert(!write_queue_overlaps(&q, (struct range){start, end}));
	ck_assert(write_queue_overlaps(&q, (struct range){REMOTE + 5 * MIB, REMOTE + 6 * MIB}));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("write_queue");
	TCase *tc = tcase_create("write_queue");

	tcase_add_checked_fixture(tc, setup, NULL);
	tcase_add_test(tc, writes_leave_in_order);
	tcase_add_test(tc, a_write_that_continues_the_newest_becomes_part_of_it);
	tcase_add_loop_test(tc, a_stranger_stays_alone, 0, STRANGERS);
	tcase_add_test(tc, a_merged_write_has_a_limit);
	tcase_add_test(tc, nothing_is_merged_with_a_limit_of_zero);
	tcase_add_test(tc, empty_writes_are_not_merged_with_a_limit_of_zero);
	tcase_add_test(tc, an_emptied_queue_forgets_its_newest);
	tcase_add_test(tc, a_full_queue_refuses_all_but_what_continues);
	tcase_add_test(tc, overlaps_are_found_to_the_byte);
	suite_add_tcase(suite, tc);
	return unit_run(suite);
}
