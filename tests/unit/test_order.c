/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "core/order.h"

#include <errno.h>

#include "core/discard_map.h"
#include "core/posting.h"
#include "core/verbs_values.h"
#include "qp.h"

/*
 * Writes: what QEMU is told of them and when, and how they reach the NIC. The
 * order among writes, zero runs and messages is test_order_messages.c's.
 */

static struct qp n;

#define WINDOW	    ORDER_WINDOW_FIRST /* nobody tells the time */
#define EACH_ALONE  (MIB + 4096)       /* a distance at which nothing continues anything */
#define IN_PROGRESS 2		       /* WRs that keep a NIC busy */

/* `count` writes of `length` bytes, none continuing another; all accepted. */
static void write_many(uint64_t first, unsigned int count, uint64_t length)
{
	for (uint64_t i = 0; i < count; i++)
		ck_assert_int_eq(qp_write(&n, first + i, (first + i) * EACH_ALONE, length), 0);
}

static void expect_successes(uint64_t first, unsigned int count)
{
	for (uint64_t i = 0; i < count; i++)
		qp_expect(&n, first + i, VERBS_WC_SUCCESS);
	ck_assert_uint_eq(n.due.count, 0);
}

START_TEST(within_the_window_a_write_is_complete_at_once)
{
	struct completion c;

	qp_init(&n, GIB);
	ck_assert_int_eq(qp_write(&n, 42, 0, MIB), 0);
	ck_assert_uint_eq(qp_in_flight(&n), 1);
	ck_assert(completion_queue_pop(&n.due, &c));
	ck_assert_uint_eq(c.wr_id, 42);
	ck_assert_uint_eq(c.status, VERBS_WC_SUCCESS);
	ck_assert_uint_eq(c.opcode, VERBS_WC_RDMA_WRITE);
	/* Once is enough. */
	ck_assert(qp_complete(&n));
	ck_assert_uint_eq(n.due.count, 0);
	ck_assert_uint_eq(n.order.window_bytes, 0);
	ck_assert_uint_eq(n.order.in_flight, 0);
	ck_assert_uint_eq(n.order.counters.withheld, 0);
}
END_TEST

/*
 * Of a WRITE that has been taken in in part the rest must find room: QEMU would wait for a
 * completion, and none is due. Its longest has the length of its largest chunk, 1 GiB, and
 * each granule may need a part of its own.
 */
START_TEST(the_parts_of_a_write_find_room_behind_a_full_window)
{
	const unsigned int parts = GIB / DISCARD_GRANULE + 1;
	struct write part = {.wr_id = 7, .length = DISCARD_GRANULE};

	qp_init(&n, GIB);
	write_many(0, ORDER_WINDOW_WRITES, 4096);
	for (unsigned int i = 0; i < parts; i++) {
		part.local_addr = QP_LOCAL + GIB + i * DISCARD_GRANULE;
		part.remote_addr = QP_REMOTE + GIB + i * DISCARD_GRANULE;
		part.lkey = i + 1;
		part.later = i > 0;
		part.goes_on = i + 1 < parts;
		ck_assert_int_eq(order_write(&n.order, &part, &n.due), 0);
	}
	/* What the NIC would not take after all comes on top. */
	ck_assert_uint_le(n.order.writes.count + ORDER_BATCH, WRITE_QUEUE_ROOM);
}
END_TEST

/*
 * The NIC took some of a batch, none of them signalled. Nothing of them will be heard of, so
 * the rest may not wait until there are fewer.
 */
START_TEST(silent_writes_on_the_wire_hold_nothing_back)
{
	const unsigned int count = 11, taken = 7;
	struct order_out out[ORDER_BATCH];
	struct order *t = &n.order;

	qp_init(&n, GIB);
	/* One goes by itself, signalled. */
	write_many(0, 1, MIB);
	ck_assert_uint_eq(t->in_flight, 1);
	for (uint64_t i = 1; i <= count; i++)
		ck_assert_int_eq(order_write(t,
					     &(struct write){.wr_id = i,
							     .local_addr = i * EACH_ALONE,
							     .remote_addr = i * EACH_ALONE,
							     .length = 4096},
					     &n.due),
				 0);
	ck_assert_uint_eq(order_batch(t, out), count);
	order_posted(t, out, count);
	ck_assert_int_eq(order_take_back(t, out, taken, count), 0);
	ck_assert(order_stall(t, t->completions));
	ck_assert_uint_eq(order_batch(t, out), 0);
	order_completed(t, 0, &(struct completion){.opcode = VERBS_WC_RDMA_WRITE}, &n.due);
	ck_assert_uint_eq(t->in_flight, taken);
	ck_assert_uint_eq(order_batch(t, out), count - taken);
}
END_TEST

/* RDMACHUNK_WRITES=off: write for write, as without us. */
START_TEST(switched_off_each_write_is_a_signalled_wr_of_its_own)
{
	struct completion c;

	qp_init(&n, 0);
	for (uint64_t i = 0; i < 100; i++) {
		ck_assert_int_eq(qp_write(&n, 7 + i, i * 4096, 4096), 0);
		ck_assert_uint_eq(n.given, i + 1);
		ck_assert_uint_eq(n.batches, i + 1);
		ck_assert(n.wr[i].signaled);
		ck_assert_int_eq(n.wr[i].kind, ORDER_WRITE);
		ck_assert_uint_eq(n.wr[i].write.local_addr, QP_LOCAL + i * 4096);
		ck_assert_uint_eq(n.wr[i].write.remote_addr, QP_REMOTE + i * 4096);
		ck_assert_uint_eq(n.wr[i].write.length, 4096);
		ck_assert_uint_eq(n.wr[i].write.lkey, 1);
		ck_assert_uint_eq(n.wr[i].write.rkey, 2);
	}
	ck_assert_uint_eq(n.due.count, 0);
	for (uint64_t i = 0; i < 100; i++) {
		ck_assert(qp_complete(&n));
		ck_assert(completion_queue_pop(&n.due, &c));
		ck_assert_uint_eq(c.wr_id, 7 + i);
		ck_assert_uint_eq(c.opcode, VERBS_WC_RDMA_WRITE);
		ck_assert_uint_eq(n.due.count, 0);
	}
}
END_TEST

/* A write that fails is its own, too. */
START_TEST(switched_off_each_failure_is_told)
{
	qp_init(&n, 0);
	write_many(0, 5, 4096);
	ck_assert(qp_complete(&n));
	qp_fail(&n, 12);
	qp_expect(&n, 0, VERBS_WC_SUCCESS);
	qp_expect(&n, 1, 12);
	for (uint64_t i = 2; i < 5; i++)
		qp_expect(&n, i, VERBS_WC_WR_FLUSH_ERR);
	ck_assert_int_eq(qp_write(&n, 5, 0, 4096), 0);
	qp_fail(&n, VERBS_WC_WR_FLUSH_ERR);
	qp_expect(&n, 5, VERBS_WC_WR_FLUSH_ERR);
	ck_assert_uint_eq(n.due.count, 0);
}
END_TEST

/* Beyond the window one write is accepted and its completion kept back; only then
 * is there something for QEMU to wait for, and only then may it be told to. */
static void check_window(uint64_t window, unsigned int count, uint64_t length)
{
	struct order_counters before;

	write_many(0, count, length);
	expect_successes(0, count);
	write_many(count, 1, length);
	ck_assert_uint_eq(n.due.count, 0);
	ck_assert_uint_eq(n.order.counters.withheld, 1);
	before = n.order.counters;
	for (int i = 0; i < 3; i++)
		ck_assert_int_eq(qp_write(&n, 999999, GIB, length), -ENOMEM);
	ck_assert_mem_eq(&before, &n.order.counters, sizeof(before));
	qp_flush(&n);
	/* Until half of it is done QEMU stays where it is. */
	for (;;) {
		ck_assert_uint_ge(n.order.window_bytes, qp_bytes(&n));
		ck_assert(qp_complete(&n));
		if (n.due.count)
			break;
		ck_assert(n.order.window_bytes > window / 2 ||
			  qp_in_flight(&n) + n.order.writes.count > ORDER_WINDOW_WRITES / 2);
	}
	qp_expect(&n, count, VERBS_WC_SUCCESS);
	ck_assert_uint_le(n.order.window_bytes, window / 2);
	ck_assert_uint_le(qp_in_flight(&n) + n.order.writes.count, ORDER_WINDOW_WRITES / 2);
	write_many(count + 1, 1, length);
	expect_successes(count + 1, 1);
}

START_TEST(the_window_is_bounded_in_bytes)
{
	qp_init(&n, GIB);
	check_window(WINDOW, (unsigned int)(WINDOW / MIB), MIB);
}
END_TEST

START_TEST(the_window_is_bounded_in_writes)
{
	qp_init(&n, GIB);
	check_window(WINDOW, ORDER_WINDOW_WRITES, 4096);
}
END_TEST

/* The wire has shown to be as fast as that, in bytes a second, when QEMU's WRITEs have `length`. */
static void check_window_of(uint64_t per_second, uint64_t length, uint64_t window)
{
	qp_init(&n, GIB);
	n.order.rate.per_second = per_second;
	write_many(0, 1, length);
	while (qp_complete(&n))
		;
	expect_successes(0, 1);
	ck_assert_uint_eq(n.order.window, window);
	check_window(window, (unsigned int)(window / length), length);
}

/* What the wire takes in 5 ms: all of it is downtime when the guest is stopped. */
START_TEST(the_window_is_5_ms_of_the_rate)
{
	const uint64_t wire = UINT64_C(12500000000); /* 100 Gbit/s */

	ck_assert_uint_eq(ORDER_WINDOW_NS, 5000000);
	check_window_of(wire, MIB, 62500000);
	check_window_of(wire / 4, MIB, 62500000 / 4);
	/* Never more than 64 MiB, */
	check_window_of(4 * wire, MIB, 64 * MIB);
	check_window_of(wire / 48, 40 * MIB, 64 * MIB);
	/* never less than 2 MiB or two of QEMU's WRITEs: while one is on the wire, QEMU makes
	 * the next. */
	check_window_of(wire / 48, 64 * KIB, 2 * MIB);
	check_window_of(wire / 48, MIB, 2 * MIB);
	check_window_of(wire / 48, 3 * MIB, 6 * MIB);
	/* 8 MiB while nothing is known of the wire */
	check_window_of(0, MIB, 8 * MIB);
	check_window_of(0, 5 * MIB, 10 * MIB);
}
END_TEST

/* At the tail of the first pass QEMU may be as far ahead as stock QEMU. */
START_TEST(the_window_at_the_tail)
{
	qp_init(&n, GIB);
	order_set_tail(&n.order, true);
	order_set_tail(&n.order, true);
	ck_assert_uint_eq(n.order.counters.tails, 1);
	check_window(512 * MIB, 256, 2 * MIB);
	/* What is too much when that has ended goes first. */
	order_set_tail(&n.order, false);
	ck_assert_uint_gt(n.order.window_bytes, WINDOW);
	write_many(300, 1, MIB);
	ck_assert_uint_eq(n.due.count, 0);
	while (!n.due.count) {
		ck_assert_uint_gt(n.order.window_bytes, WINDOW / 2);
		ck_assert(qp_complete(&n));
	}
	qp_expect(&n, 300, VERBS_WC_SUCCESS);
	ck_assert_uint_le(n.order.window_bytes, WINDOW / 2);
}
END_TEST

/* WRITEs are merged to none that is longer than before, for messages wait for those on the wire. */
START_TEST(merged_writes_at_the_tail)
{
	uint64_t longest = 0;

	qp_init(&n, GIB);
	order_set_tail(&n.order, true);
	for (uint64_t i = 0; i < 100; i++)
		ck_assert_int_eq(qp_write(&n, i, i * MIB, MIB), 0);
	expect_successes(0, 100);
	while (qp_complete(&n))
		;
	for (unsigned int i = 0; i < n.given; i++)
		longest = n.wr[i].write.length > longest ? n.wr[i].write.length : longest;
	ck_assert_uint_eq(longest, WINDOW);
	ck_assert_uint_eq(n.order.window_bytes, 0);
}
END_TEST

/* What a message that is posted now has to wait for. */
START_TEST(the_queue_is_what_is_on_the_wire)
{
	qp_init(&n, GIB);
	write_many(0, IN_PROGRESS, MIB);
	ck_assert_uint_eq(order_queue_ns(&n.order), 0);
	n.order.rate.per_second = 100 * MIB;
	ck_assert_uint_eq(order_queue_ns(&n.order), IN_PROGRESS * 10000000);
	/* It has not been posted: it comes after the message. */
	write_many(IN_PROGRESS, 1, MIB);
	ck_assert_uint_eq(n.order.writes.count, 1);
	ck_assert_uint_eq(order_queue_ns(&n.order), IN_PROGRESS * 10000000);
	ck_assert(qp_complete(&n));
	ck_assert_uint_eq(order_queue_ns(&n.order), IN_PROGRESS * 10000000);
	qp_fail(&n, 12);
	ck_assert_uint_eq(order_queue_ns(&n.order), 0);
}
END_TEST

/* Nor does what the NIC would not take after all. */
START_TEST(what_is_taken_back_is_not_on_the_wire)
{
	struct order_out out[ORDER_BATCH];
	struct order *t = &n.order;

	qp_init(&n, GIB);
	t->rate.per_second = 100 * MIB;
	ck_assert_int_eq(order_write(t, &(struct write){.wr_id = 1, .length = MIB}, &n.due), 0);
	ck_assert_int_eq(order_write(t,
				     &(struct write){.wr_id = 2,
						     .local_addr = EACH_ALONE,
						     .remote_addr = EACH_ALONE,
						     .length = 2 * MIB},
				     &n.due),
			 0);
	ck_assert_uint_eq(order_batch(t, out), 2);
	order_posted(t, out, 2);
	ck_assert_uint_eq(order_queue_ns(t), 30000000);
	ck_assert_int_eq(order_take_back(t, out, 1, 2), 0);
	ck_assert_uint_eq(order_queue_ns(t), 10000000);
	ck_assert_int_eq(order_take_back(t, out, 0, 1), 0);
	ck_assert_uint_eq(order_queue_ns(t), 0);
}
END_TEST

/* The largest write there is, alone and longer than the window. */
START_TEST(a_write_longer_than_the_window_completes_for_real)
{
	qp_init(&n, GIB);
	ck_assert_int_eq(qp_write(&n, 1, 0, GIB), 0);
	ck_assert_uint_eq(n.due.count, 0);
	ck_assert_uint_eq(qp_in_flight(&n), 1);
	ck_assert_int_eq(qp_write(&n, 2, 2 * GIB, 4096), -ENOMEM);
	ck_assert(qp_complete(&n));
	qp_expect(&n, 1, VERBS_WC_SUCCESS);
	ck_assert_int_eq(qp_write(&n, 2, 2 * GIB, 4096), 0);
	qp_expect(&n, 2, VERBS_WC_SUCCESS);
}
END_TEST

/* The window at half and QEMU as fast as the wire: what is kept back is bounded. */
START_TEST(withheld_completions_are_bounded)
{
	uint64_t wr_id = 0, done = 0;
	struct completion c;

	qp_init(&n, GIB);
	while (!n.order.withheld.count)
		write_many(wr_id++, 1, 4096);
	while (completion_queue_pop(&n.due, &c))
		done++;
	qp_flush(&n);
	while (qp_in_flight(&n) + n.order.writes.count > 400)
		ck_assert(qp_complete(&n));
	for (int i = 0; i < 3000 && n.given < QP_ROOM - 100; i++) {
		uint64_t busy = qp_in_flight(&n) + n.order.writes.count;
		int ret = 0;

		while (busy++ < 400 && !ret) {
			ret = qp_write(&n, wr_id, wr_id * EACH_ALONE, 4096);
			expect(!ret || ret == -ENOMEM, "only what QEMU waits out", wr_id);
			expect(!ret || n.due.count || n.order.withheld.count,
			       "something to wait for", wr_id);
			wr_id += !ret;
		}
		qp_flush(&n);
		expect(qp_complete(&n), "completes", wr_id);
		while (completion_queue_pop(&n.due, &c))
			expect(c.wr_id == done++, "each once and in order", c.wr_id);
	}
	while (qp_complete(&n))
		;
	while (completion_queue_pop(&n.due, &c))
		expect(c.wr_id == done++, "each once and in order", c.wr_id);
	ck_assert_uint_eq(done, wr_id);
}
END_TEST

START_TEST(while_little_is_in_flight_nothing_waits)
{
	qp_init(&n, GIB);
	for (uint64_t i = 0; i < IN_PROGRESS; i++) {
		write_many(i, 1, 4096);
		ck_assert_uint_eq(n.given, i + 1);
		ck_assert(n.wr[i].signaled);
	}
	/* It has enough to do now. */
	write_many(10, 3, 4096);
	ck_assert_uint_eq(n.given, IN_PROGRESS);
	ck_assert_uint_eq(n.order.writes.count, 3);
	/* Less: all that has gathered goes, in one call. */
	ck_assert(qp_complete(&n));
	ck_assert_uint_eq(n.given, IN_PROGRESS + 3);
	ck_assert_uint_eq(n.last_batch, 3);
	ck_assert_uint_eq(n.batches, IN_PROGRESS + 1);
	ck_assert_uint_eq(n.order.counters.doorbells, IN_PROGRESS + 1);
}
END_TEST

START_TEST(a_busy_nic_gets_merged_writes)
{
	const uint64_t each = MIB / 2;

	qp_init(&n, 4 * each);
	write_many(1000, IN_PROGRESS, 4096);
	for (uint64_t i = 0; i < 10; i++)
		ck_assert_int_eq(qp_write(&n, i, i * each, each), 0);
	ck_assert_uint_eq(n.given, IN_PROGRESS);
	ck_assert(qp_complete(&n));
	ck_assert_uint_eq(n.given, IN_PROGRESS + 3);
	ck_assert_uint_eq(n.last_batch, 3);
	for (uint64_t i = 0; i < 3; i++) {
		const struct write *w = &n.wr[IN_PROGRESS + i].write;

		ck_assert_uint_eq(w->local_addr, QP_LOCAL + i * 4 * each);
		ck_assert_uint_eq(w->remote_addr, QP_REMOTE + i * 4 * each);
		ck_assert_uint_eq(w->length, i < 2 ? 4 * each : 2 * each);
	}
	ck_assert_uint_eq(n.order.counters.writes, 10 + IN_PROGRESS);
	ck_assert_uint_eq(n.order.counters.write_wrs, 3 + IN_PROGRESS);
	ck_assert_uint_eq(n.order.counters.write_bytes, 10 * each + IN_PROGRESS * 4096);
}
END_TEST

/* Random dirty pages do not merge, but they share a doorbell and completions. */
START_TEST(scattered_writes_go_in_batches_with_few_completions)
{
	unsigned int signaled = 0;

	qp_init(&n, GIB);
	write_many(1000, IN_PROGRESS, 4096);
	write_many(0, ORDER_BATCH - 1, 4096);
	ck_assert_uint_eq(n.batches, IN_PROGRESS);
	write_many(2000, 1, 4096);
	ck_assert_uint_eq(n.batches, IN_PROGRESS + 1);
	ck_assert_uint_eq(n.last_batch, ORDER_BATCH);
	for (unsigned int i = IN_PROGRESS; i < n.given; i++)
		signaled += n.wr[i].signaled;
	ck_assert_uint_eq(signaled, 2);
	ck_assert_uint_eq(n.order.counters.signaled, IN_PROGRESS + 2);
	ck_assert_uint_eq(n.order.counters.wrs, IN_PROGRESS + ORDER_BATCH);
	ck_assert_uint_eq(n.order.in_flight, IN_PROGRESS + ORDER_BATCH);
	/* One completion frees what went unsignalled before it. */
	ck_assert(qp_complete(&n));
	ck_assert(qp_complete(&n));
	ck_assert_uint_eq(n.order.in_flight, ORDER_BATCH);
	ck_assert(qp_complete(&n));
	ck_assert_uint_eq(n.order.in_flight, ORDER_BATCH / 2);
	ck_assert_uint_eq(n.order.window_bytes, ORDER_BATCH / 2 * 4096);
	ck_assert(qp_complete(&n));
	ck_assert_uint_eq(n.order.in_flight, 0);
	ck_assert_uint_eq(n.order.window_bytes, 0);
	ck_assert(!qp_complete(&n));
}
END_TEST

/* QEMU sleeps: the writes it waits for must be on their way. */
START_TEST(a_flush_holds_nothing_back)
{
	qp_init(&n, GIB);
	write_many(0, IN_PROGRESS + 5, 4096);
	ck_assert_uint_eq(n.given, IN_PROGRESS);
	qp_flush(&n);
	ck_assert_uint_eq(n.given, IN_PROGRESS + 5);
	/* For once: what comes after gathers as before. */
	write_many(100, 5, 4096);
	ck_assert_uint_eq(n.given, IN_PROGRESS + 5);
}
END_TEST

/* Of what fills the send queue QEMU may know nothing: it is to wait only for a write of its own. */
START_TEST(qemu_waits_for_a_write_only_when_one_will_complete)
{
	qp_init(&n, 0);
	n.order.in_flight = ORDER_SEND_QUEUE;
	ck_assert_int_eq(qp_write(&n, 1, 0, 4096), 0);
	ck_assert_uint_eq(n.given, 0);
	ck_assert_int_eq(qp_write(&n, 2, GIB, 4096), -ENOMEM);
	n.order.in_flight = 0;
	qp_ready(&n);
	ck_assert_uint_eq(n.given, 1);
	ck_assert(qp_complete(&n));
	qp_expect(&n, 1, VERBS_WC_SUCCESS);
}
END_TEST

/* Messages have room when writes have filled the send queue. */
START_TEST(writes_leave_room_for_messages)
{
	unsigned int writes;

	qp_init(&n, 0);
	for (writes = 0; !qp_write(&n, writes, writes * EACH_ALONE, 4096); writes++)
		ck_assert_uint_lt(writes, ORDER_SEND_QUEUE);
	ck_assert_uint_lt(writes, ORDER_SEND_QUEUE);
	ck_assert_uint_ge(writes, ORDER_SEND_QUEUE - 16);
	ck_assert_uint_eq(qp_in_flight(&n), writes);
	n.order.credits = 1;
	ck_assert_int_eq(qp_zero(&n, GIB, 4096), 0);
	ck_assert_int_eq(qp_ordered(&n, 2000, false), 0);
	ck_assert_uint_eq(n.given, writes + 1);
	qp_ready(&n);
	ck_assert_uint_eq(n.given, writes + 2);
	ck_assert_int_eq(qp_at(&n, writes)->kind, ORDER_ZERO);
	ck_assert_int_eq(qp_at(&n, writes + 1)->kind, ORDER_MESSAGE);
	/* QEMU waits for any write, and there is one to come. */
	ck_assert_int_eq(qp_write(&n, 1, GIB, 4096), -ENOMEM);
	ck_assert(qp_complete(&n));
	qp_expect(&n, 0, VERBS_WC_SUCCESS);
}
END_TEST

START_TEST(merged_writes_leave_room_too)
{
	qp_init(&n, GIB);
	write_many(0, ORDER_WINDOW_WRITES, 4096);
	qp_flush(&n);
	ck_assert_uint_lt(qp_in_flight(&n), ORDER_SEND_QUEUE);
	ck_assert_uint_gt(qp_in_flight(&n) + ORDER_BATCH, ORDER_SEND_QUEUE);
	ck_assert_int_eq(qp_ordered(&n, 2000, true), 0);
	ck_assert_int_eq(qp_at(&n, qp_in_flight(&n) - 1)->kind, ORDER_MESSAGE);
	/* What did not fit follows. */
	while (qp_complete(&n))
		;
	ck_assert_uint_eq(n.order.writes.count, 0);
	ck_assert_uint_eq(n.order.counters.write_wrs, ORDER_WINDOW_WRITES);
}
END_TEST

START_TEST(a_completion_of_nothing_is_refused)
{
	struct completion wc = {.status = VERBS_WC_SUCCESS};

	qp_init(&n, GIB);
	ck_assert_int_eq(order_completed(&n.order, 0, &wc, &n.due), -ENOENT);
	write_many(0, 1, 4096);
	ck_assert_int_eq(order_completed(&n.order, 1, &wc, &n.due), -ENOENT);
	ck_assert(qp_complete(&n));
	ck_assert_int_eq(order_completed(&n.order, 0, &wc, &n.due), -ENOENT);
	ck_assert_uint_eq(n.order.in_flight, 0);
	ck_assert_uint_eq(n.due.count, 1);
}
END_TEST

/* Whoever polls may see a WRITE complete before the thread that posts it is back: from then on
 * the wire is idle. */
START_TEST(the_wire_has_work_from_posting_to_completion)
{
	static struct conn_send wr[ORDER_BATCH];
	static struct posting p;
	struct completion wc = {.opcode = VERBS_WC_RDMA_WRITE};
	struct order *t = &n.order;

	qp_init(&n, GIB);
	for (uint64_t i = 0; i < 2; i++) {
		t->now = 100 * i;
		ck_assert_int_eq(order_write(t, &(struct write){.length = MIB}, &n.due), 0);
		ck_assert_uint_eq(posting_next(&p, t, true, true, wr), 1);
		ck_assert(!t->rate.busy);
		if (i == 1)
			ck_assert_int_eq(order_completed(t, i, &wc, &n.due), 0);
		ck_assert(posting_done(&p, t, 1, false));
		ck_assert(t->rate.busy == (i == 0));
		if (i == 0) {
			ck_assert_uint_eq(t->rate.since, 0);
			ck_assert_int_eq(order_completed(t, i, &wc, &n.due), 0);
			ck_assert(!t->rate.busy);
		}
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("order");
	TCase *tc = tcase_create("order");

	tcase_add_test(tc, within_the_window_a_write_is_complete_at_once);
	tcase_add_test(tc, silent_writes_on_the_wire_hold_nothing_back);
	tcase_add_test(tc, the_parts_of_a_write_find_room_behind_a_full_window);
	tcase_add_test(tc, switched_off_each_write_is_a_signalled_wr_of_its_own);
	tcase_add_test(tc, switched_off_each_failure_is_told);
	tcase_add_test(tc, the_window_is_bounded_in_bytes);
	tcase_add_test(tc, the_window_is_bounded_in_writes);
	tcase_add_test(tc, the_window_is_5_ms_of_the_rate);
	tcase_add_test(tc, the_window_at_the_tail);
	tcase_add_test(tc, merged_writes_at_the_tail);
	tcase_add_test(tc, the_queue_is_what_is_on_the_wire);
	tcase_add_test(tc, what_is_taken_back_is_not_on_the_wire);
	tcase_add_test(tc, a_write_longer_than_the_window_completes_for_real);
	tcase_add_test(tc, withheld_completions_are_bounded);
	tcase_add_test(tc, while_little_is_in_flight_nothing_waits);
	tcase_add_test(tc, a_busy_nic_gets_merged_writes);
	tcase_add_test(tc, scattered_writes_go_in_batches_with_few_completions);
	tcase_add_test(tc, a_flush_holds_nothing_back);
	tcase_add_test(tc, qemu_waits_for_a_write_only_when_one_will_complete);
	tcase_add_test(tc, writes_leave_room_for_messages);
	tcase_add_test(tc, merged_writes_leave_room_too);
	tcase_add_test(tc, the_wire_has_work_from_posting_to_completion);
	tcase_add_test(tc, a_completion_of_nothing_is_refused);
	suite_add_tcase(suite, tc);
	return unit_run(suite);
}
