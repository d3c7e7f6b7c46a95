/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "core/send_queue.h"

#include <errno.h>
#include <stdlib.h>

#include "support.h"

/* The first slot that is lent, and how many are. */
#define LENT  (SEND_SLOT_REQUEST + 1)
#define LOANS (SEND_SLOTS - LENT)
_Static_assert(LOANS == 3, "a_completion_retires_all_before_it takes them all");

static uint64_t add(struct send_queue *q, uint64_t wr_id, bool message, int slot)
{
	struct send_record record = {.wr_id = wr_id, .message = message, .slot = slot};
	uint64_t serial = UINT64_MAX;

	ck_assert_int_eq(send_queue_add(q, &record, &serial), 0);
	return serial;
}

START_TEST(each_wr_is_found_by_its_serial)
{
	static struct send_queue q;
	struct send_record record;
	uint64_t serial[3];

	send_queue_init(&q);
	serial[0] = add(&q, 1000, false, SEND_NO_SLOT);
	serial[1] = add(&q, 1000, false, SEND_NO_SLOT); /* QEMU's may be the same */
	serial[2] = add(&q, 2000, true, SEND_NO_SLOT);
	ck_assert_uint_ne(serial[0], serial[1]);
	ck_assert_uint_eq(q.messages, 1);
	ck_assert_int_eq(send_queue_complete(&q, serial[0], &record), 0);
	ck_assert_uint_eq(record.wr_id, 1000);
	ck_assert(!record.message);
	ck_assert_int_eq(send_queue_complete(&q, serial[0], &record), -ENOENT);
	ck_assert_int_eq(send_queue_complete(&q, serial[1], &record), 0);
	ck_assert_uint_eq(q.messages, 1);
	ck_assert_int_eq(send_queue_complete(&q, serial[2], &record), 0);
	ck_assert_uint_eq(record.wr_id, 2000);
	ck_assert(record.message);
	ck_assert_uint_eq(q.messages, 0);
}
END_TEST

START_TEST(a_serial_never_posted_is_refused)
{
	static struct send_queue q;
	struct send_record record = {.wr_id = 5, .slot = 1};
	uint64_t serial;

	send_queue_init(&q);
	ck_assert_int_eq(send_queue_complete(&q, 0, &record), -ENOENT);
	serial = add(&q, 1, false, SEND_NO_SLOT);
	ck_assert_int_eq(send_queue_complete(&q, serial + 1, &record), -ENOENT);
	ck_assert_int_eq(send_queue_complete(&q, serial + SEND_QUEUE_ROOM, &record), -ENOENT);
	ck_assert_int_eq(send_queue_complete(&q, UINT64_MAX, &record), -ENOENT);
	ck_assert_uint_eq(record.wr_id, 5);
	ck_assert_int_eq(send_queue_complete(&q, serial, &record), 0);
}
END_TEST

/* An RC QP executes in order: unsignalled WRs go with the next that completes. */
START_TEST(a_completion_retires_all_before_it)
{
	static struct send_queue q;
	struct send_record record;
	uint64_t last;

	send_queue_init(&q);
	add(&q, 1, true, LENT);
	add(&q, 2, false, SEND_NO_SLOT);
	add(&q, 3, true, LENT + 1);
	last = add(&q, 4, false, SEND_NO_SLOT);
	add(&q, 5, true, LENT + 2);
	ck_assert_uint_eq(q.messages, 3);
	ck_assert_int_eq(send_queue_free_slot(&q), SEND_NO_SLOT);
	ck_assert_int_eq(send_queue_complete(&q, last, &record), 0);
	ck_assert_uint_eq(record.wr_id, 4);
	ck_assert_uint_eq(q.messages, 1);
	ck_assert_int_eq(send_queue_free_slot(&q), LENT);
	ck_assert_int_eq(send_queue_complete(&q, last - 1, &record), -ENOENT);
	ck_assert_int_eq(send_queue_complete(&q, last + 1, &record), 0);
	ck_assert_uint_eq(record.wr_id, 5);
}
END_TEST

START_TEST(a_full_queue_refuses)
{
	static struct send_queue q;
	struct send_record record = {.wr_id = 7, .message = true, .slot = LENT};
	uint64_t serial = 12345;

	send_queue_init(&q);
	for (unsigned int i = 0; i < SEND_QUEUE_ROOM; i++)
		add(&q, i, false, SEND_NO_SLOT);
	ck_assert_int_eq(send_queue_add(&q, &record, &serial), -ENOMEM);
	ck_assert_uint_eq(serial, 12345);
	ck_assert_uint_eq(q.messages, 0);
	ck_assert_int_eq(send_queue_free_slot(&q), LENT);
	ck_assert_int_eq(send_queue_complete(&q, q.oldest, &record), 0);
	ck_assert_uint_eq(record.wr_id, 0);
	add(&q, 99, false, SEND_NO_SLOT);
	ck_assert_int_eq(send_queue_add(&q, &record, &serial), -ENOMEM);
	/* The one that went round the ring has not hurt the oldest. */
	ck_assert_int_eq(send_queue_complete(&q, q.oldest, &record), 0);
	ck_assert_uint_eq(record.wr_id, 1);
}
END_TEST

/* Those for the message that takes the place of QEMU's, and for our own request, are
 * never lent. */
START_TEST(slots_are_taken_and_freed)
{
	static struct send_queue q;
	struct send_record record;

	send_queue_init(&q);
	for (int slot = LENT; slot < SEND_SLOTS; slot++) {
		ck_assert_int_eq(send_queue_free_slot(&q), slot);
		/* Asking does not take it. */
		ck_assert_int_eq(send_queue_free_slot(&q), slot);
		add(&q, (uint64_t)slot, true, slot);
	}
	ck_assert_int_eq(send_queue_free_slot(&q), SEND_NO_SLOT);
	add(&q, 0, true, SEND_SLOT_ORDERED);
	add(&q, 0, true, SEND_SLOT_REQUEST);
	for (int slot = LENT; slot < SEND_SLOTS; slot++) {
		ck_assert_int_eq(send_queue_complete(&q, q.oldest, &record), 0);
		ck_assert_int_eq(record.slot, slot);
		ck_assert_int_eq(send_queue_free_slot(&q), LENT);
	}
	ck_assert_int_eq(send_queue_complete(&q, q.oldest, &record), 0);
	ck_assert_int_eq(record.slot, SEND_SLOT_ORDERED);
	ck_assert_int_eq(send_queue_complete(&q, q.oldest, &record), 0);
	ck_assert_int_eq(record.slot, SEND_SLOT_REQUEST);
	ck_assert_int_eq(send_queue_free_slot(&q), LENT);
}
END_TEST

START_TEST(agrees_with_a_list)
{
	static struct send_queue q;
	static struct send_record records[40000];
	struct random rng = {3};
	uint64_t next = 0, oldest = 0, serial;
	struct send_record record;

	send_queue_init(&q);
	for (int step = 0; step < 40000; step++) {
		if (random_below(&rng, 3)) {
			record = (struct send_record){
				.wr_id = random_next(&rng),
				.length = random_next(&rng),
				.message = random_below(&rng, 2),
				.kind = (int)random_below(&rng, 3),
				.slot = SEND_NO_SLOT,
			};
			if (next - oldest == SEND_QUEUE_ROOM) {
				ck_assert_int_eq(send_queue_add(&q, &record, &serial), -ENOMEM);
				continue;
			}
			ck_assert_int_eq(send_queue_add(&q, &record, &serial), 0);
			ck_assert_uint_eq(serial, next);
			records[next++] = record;
		} else if (oldest < next) {
			serial = oldest + random_below(&rng, next - oldest < 4 ? 1 : 4);
			ck_assert_int_eq(send_queue_complete(&q, serial, &record), 0);
			ck_assert_uint_eq(record.wr_id, records[serial].wr_id);
			ck_assert_uint_eq(record.length, records[serial].length);
			ck_assert_int_eq(record.kind, records[serial].kind);
			ck_assert_int_eq(record.message, records[serial].message);
			oldest = serial + 1;
		}
	}
	if (oldest < next)
		ck_assert_int_eq(send_queue_complete(&q, next - 1, &record), 0);
	ck_assert_uint_eq(q.messages, 0);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("send_queue");
	TCase *tc = tcase_create("send_queue");

	tcase_add_test(tc, each_wr_is_found_by_its_serial);
	tcase_add_test(tc, a_serial_never_posted_is_refused);
	tcase_add_test(tc, a_completion_retires_all_before_it);
	tcase_add_test(tc, a_full_queue_refuses);
	tcase_add_test(tc, slots_are_taken_and_freed);
	tcase_add_test(tc, agrees_with_a_list);
	suite_add_tcase(suite, tc);
	return unit_run(suite);
}
