/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "core/transmit.h"

#include <errno.h>

#include "core/verbs_values.h"
#include "nic.h"

/*
 * Writes: what QEMU is told of them and when, and how they reach the NIC. The
 * order among writes, zero runs and messages is test_transmit_order.c's.
 */

static struct nic n;

#define WINDOW	    TRANSMIT_WINDOW_BYTES
#define EACH_ALONE  (MIB + 4096) /* a distance at which nothing continues anything */
#define IN_PROGRESS 2		 /* WRs that keep a NIC busy */

/* `count` writes of `length` bytes, none continuing another; all accepted. */
static void write_many(uint64_t first, unsigned int count, uint64_t length)
{
	for (uint64_t i = 0; i < count; i++)
		ck_assert_int_eq(nic_write(&n, first + i, (first + i) * EACH_ALONE, length), 0);
}

static void expect_successes(uint64_t first, unsigned int count)
{
	for (uint64_t i = 0; i < count; i++)
		nic_expect(&n, first + i, VERBS_WC_SUCCESS);
	ck_assert_uint_eq(n.due.count, 0);
}

START_TEST(within_the_window_a_write_is_complete_at_once)
{
	struct completion c;

	nic_init(&n, GIB);
	ck_assert_int_eq(nic_write(&n, 42, 0, MIB), 0);
	ck_assert_uint_eq(nic_in_flight(&n), 1);
	ck_assert(completion_queue_pop(&n.due, &c));
	ck_assert_uint_eq(c.wr_id, 42);
	ck_assert_uint_eq(c.status, VERBS_WC_SUCCESS);
	ck_assert_uint_eq(c.opcode, VERBS_WC_RDMA_WRITE);
	/* Once is enough. */
	ck_assert(nic_complete(&n));
	ck_assert_uint_eq(n.due.count, 0);
	ck_assert_uint_eq(n.transmit.ahead_bytes, 0);
	ck_assert_uint_eq(n.transmit.in_flight, 0);
	ck_assert_uint_eq(n.transmit.counters.withheld, 0);
}
END_TEST

/* RDMACHUNK_WRITES=off: write for write, as without us. */
START_TEST(switched_off_each_write_is_a_signalled_wr_of_its_own)
{
	struct completion c;

	nic_init(&n, 0);
	for (uint64_t i = 0; i < 100; i++) {
		ck_assert_int_eq(nic_write(&n, 7 + i, i * 4096, 4096), 0);
		ck_assert_uint_eq(n.given, i + 1);
		ck_assert_uint_eq(n.batches, i + 1);
		ck_assert(n.wr[i].signaled);
		ck_assert_int_eq(n.wr[i].kind, TRANSMIT_WRITE);
		ck_assert_uint_eq(n.wr[i].write.local_addr, NIC_LOCAL + i * 4096);
		ck_assert_uint_eq(n.wr[i].write.remote_addr, NIC_REMOTE + i * 4096);
		ck_assert_uint_eq(n.wr[i].write.length, 4096);
		ck_assert_uint_eq(n.wr[i].write.lkey, 1);
		ck_assert_uint_eq(n.wr[i].write.rkey, 2);
	}
	ck_assert_uint_eq(n.due.count, 0);
	for (uint64_t i = 0; i < 100; i++) {
		ck_assert(nic_complete(&n));
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
	nic_init(&n, 0);
	write_many(0, 5, 4096);
	ck_assert(nic_complete(&n));
	nic_fail(&n, 12);
	nic_expect(&n, 0, VERBS_WC_SUCCESS);
	nic_expect(&n, 1, 12);
	for (uint64_t i = 2; i < 5; i++)
		nic_expect(&n, i, VERBS_WC_WR_FLUSH_ERR);
	ck_assert_int_eq(nic_write(&n, 5, 0, 4096), 0);
	nic_fail(&n, VERBS_WC_WR_FLUSH_ERR);
	nic_expect(&n, 5, VERBS_WC_WR_FLUSH_ERR);
	ck_assert_uint_eq(n.due.count, 0);
}
END_TEST

/* Beyond the window one write is accepted and its completion kept back; only then
 * is there something for QEMU to wait for, and only then may it be told to. */
static void check_window(unsigned int count, uint64_t length)
{
	struct transmit_counters before;

	nic_init(&n, GIB);
	write_many(0, count, length);
	expect_successes(0, count);
	write_many(count, 1, length);
	ck_assert_uint_eq(n.due.count, 0);
	ck_assert_uint_eq(n.transmit.counters.withheld, 1);
	before = n.transmit.counters;
	for (int i = 0; i < 3; i++)
		ck_assert_int_eq(nic_write(&n, 999999, GIB, length), -ENOMEM);
	ck_assert_mem_eq(&before, &n.transmit.counters, sizeof(before));
	nic_flush(&n);
	/* Until half of it is done QEMU stays where it is. */
	for (;;) {
		ck_assert_uint_ge(n.transmit.ahead_bytes, nic_bytes(&n));
		ck_assert(nic_complete(&n));
		if (n.due.count)
			break;
		ck_assert(n.transmit.ahead_bytes > WINDOW / 2 ||
			  nic_in_flight(&n) + n.transmit.writes.count > TRANSMIT_WINDOW_WRITES / 2);
	}
	nic_expect(&n, count, VERBS_WC_SUCCESS);
	ck_assert_uint_le(n.transmit.ahead_bytes, WINDOW / 2);
	ck_assert_uint_le(nic_in_flight(&n) + n.transmit.writes.count, TRANSMIT_WINDOW_WRITES / 2);
	write_many(count + 1, 1, length);
	expect_successes(count + 1, 1);
}

START_TEST(the_window_is_bounded_in_bytes)
{
	check_window((unsigned int)(WINDOW / MIB), MIB);
}
END_TEST

START_TEST(the_window_is_bounded_in_writes)
{
	check_window(TRANSMIT_WINDOW_WRITES, 4096);
}
END_TEST

/* The largest write there is, alone and longer than the window. */
START_TEST(a_write_longer_than_the_window_completes_for_real)
{
	nic_init(&n, GIB);
	ck_assert_int_eq(nic_write(&n, 1, 0, GIB), 0);
	ck_assert_uint_eq(n.due.count, 0);
	ck_assert_uint_eq(nic_in_flight(&n), 1);
	ck_assert_int_eq(nic_write(&n, 2, 2 * GIB, 4096), -ENOMEM);
	ck_assert(nic_complete(&n));
	nic_expect(&n, 1, VERBS_WC_SUCCESS);
	ck_assert_int_eq(nic_write(&n, 2, 2 * GIB, 4096), 0);
	nic_expect(&n, 2, VERBS_WC_SUCCESS);
}
END_TEST

/* The window at half and QEMU as fast as the wire: what is kept back is bounded. */
START_TEST(withheld_completions_are_bounded)
{
	uint64_t wr_id = 0, done = 0;
	struct completion c;

	nic_init(&n, GIB);
	while (!n.transmit.withheld.count)
		write_many(wr_id++, 1, 4096);
	while (completion_queue_pop(&n.due, &c))
		done++;
	nic_flush(&n);
	while (nic_in_flight(&n) + n.transmit.writes.count > 400)
		ck_assert(nic_complete(&n));
	for (int i = 0; i < 3000 && n.given < NIC_ROOM - 100; i++) {
		uint64_t busy = nic_in_flight(&n) + n.transmit.writes.count;
		int ret = 0;

		while (busy++ < 400 && !ret) {
			ret = nic_write(&n, wr_id, wr_id * EACH_ALONE, 4096);
			expect(!ret || ret == -ENOMEM, "only what QEMU waits out", wr_id);
			expect(!ret || n.due.count || n.transmit.withheld.count,
			       "something to wait for", wr_id);
			wr_id += !ret;
		}
		nic_flush(&n);
		expect(nic_complete(&n), "completes", wr_id);
		while (completion_queue_pop(&n.due, &c))
			expect(c.wr_id == done++, "each once and in order", c.wr_id);
	}
	while (nic_complete(&n))
		;
	while (completion_queue_pop(&n.due, &c))
		expect(c.wr_id == done++, "each once and in order", c.wr_id);
	ck_assert_uint_eq(done, wr_id);
}
END_TEST

START_TEST(while_little_is_in_flight_nothing_waits)
{
	nic_init(&n, GIB);
	for (uint64_t i = 0; i < IN_PROGRESS; i++) {
		write_many(i, 1, 4096);
		ck_assert_uint_eq(n.given, i + 1);
		ck_assert(n.wr[i].signaled);
	}
	/* It has enough to do now. */
	write_many(10, 3, 4096);
	ck_assert_uint_eq(n.given, IN_PROGRESS);
	ck_assert_uint_eq(n.transmit.writes.count, 3);
	/* Less: all that has gathered goes, in one call. */
	ck_assert(nic_complete(&n));
	ck_assert_uint_eq(n.given, IN_PROGRESS + 3);
	ck_assert_uint_eq(n.last_batch, 3);
	ck_assert_uint_eq(n.batches, IN_PROGRESS + 1);
	ck_assert_uint_eq(n.transmit.counters.doorbells, IN_PROGRESS + 1);
}
END_TEST

START_TEST(a_busy_nic_gets_merged_writes)
{
	nic_init(&n, 4 * MIB);
	write_many(1000, IN_PROGRESS, 4096);
	for (uint64_t i = 0; i < 10; i++)
		ck_assert_int_eq(nic_write(&n, i, i * MIB, MIB), 0);
	ck_assert_uint_eq(n.given, IN_PROGRESS);
	ck_assert(nic_complete(&n));
	ck_assert_uint_eq(n.given, IN_PROGRESS + 3);
	ck_assert_uint_eq(n.last_batch, 3);
	for (uint64_t i = 0; i < 3; i++) {
		const struct write *w = &n.wr[IN_PROGRESS + i].write;

		ck_assert_uint_eq(w->local_addr, NIC_LOCAL + i * 4 * MIB);
		ck_assert_uint_eq(w->remote_addr, NIC_REMOTE + i * 4 * MIB);
		ck_assert_uint_eq(w->length, i < 2 ? 4 * MIB : 2 * MIB);
	}
	ck_assert_uint_eq(n.transmit.counters.writes, 10 + IN_PROGRESS);
	ck_assert_uint_eq(n.transmit.counters.write_wrs, 3 + IN_PROGRESS);
	ck_assert_uint_eq(n.transmit.counters.write_bytes, 10 * MIB + IN_PROGRESS * 4096);
}
END_TEST

/* Random dirty pages do not merge, but they share a doorbell and completions. */
START_TEST(scattered_writes_go_in_batches_with_few_completions)
{
	unsigned int signaled = 0;

	nic_init(&n, GIB);
	write_many(1000, IN_PROGRESS, 4096);
	write_many(0, TRANSMIT_BATCH - 1, 4096);
	ck_assert_uint_eq(n.batches, IN_PROGRESS);
	write_many(2000, 1, 4096);
	ck_assert_uint_eq(n.batches, IN_PROGRESS + 1);
	ck_assert_uint_eq(n.last_batch, TRANSMIT_BATCH);
	for (unsigned int i = IN_PROGRESS; i < n.given; i++)
		signaled += n.wr[i].signaled;
	ck_assert_uint_eq(signaled, 2);
	ck_assert_uint_eq(n.transmit.counters.signaled, IN_PROGRESS + 2);
	ck_assert_uint_eq(n.transmit.counters.wrs, IN_PROGRESS + TRANSMIT_BATCH);
	ck_assert_uint_eq(n.transmit.in_flight, IN_PROGRESS + TRANSMIT_BATCH);
	/* One completion frees what went unsignalled before it. */
	ck_assert(nic_complete(&n));
	ck_assert(nic_complete(&n));
	ck_assert_uint_eq(n.transmit.in_flight, TRANSMIT_BATCH);
	ck_assert(nic_complete(&n));
	ck_assert_uint_eq(n.transmit.in_flight, TRANSMIT_BATCH / 2);
	ck_assert_uint_eq(n.transmit.ahead_bytes, TRANSMIT_BATCH / 2 * 4096);
	ck_assert(nic_complete(&n));
	ck_assert_uint_eq(n.transmit.in_flight, 0);
	ck_assert_uint_eq(n.transmit.ahead_bytes, 0);
	ck_assert(!nic_complete(&n));
}
END_TEST

/* QEMU sleeps: the writes it waits for must be on their way. */
START_TEST(a_flush_holds_nothing_back)
{
	nic_init(&n, GIB);
	write_many(0, IN_PROGRESS + 5, 4096);
	ck_assert_uint_eq(n.given, IN_PROGRESS);
	nic_flush(&n);
	ck_assert_uint_eq(n.given, IN_PROGRESS + 5);
	/* For once: what comes after gathers as before. */
	write_many(100, 5, 4096);
	ck_assert_uint_eq(n.given, IN_PROGRESS + 5);
}
END_TEST

/* Of what fills the send queue QEMU may know nothing: it is to wait only for a write of its own. */
START_TEST(qemu_waits_for_a_write_only_when_one_will_complete)
{
	nic_init(&n, 0);
	n.transmit.in_flight = TRANSMIT_SEND_QUEUE;
	ck_assert_int_eq(nic_write(&n, 1, 0, 4096), 0);
	ck_assert_uint_eq(n.given, 0);
	ck_assert_int_eq(nic_write(&n, 2, GIB, 4096), -ENOMEM);
	n.transmit.in_flight = 0;
	nic_ready(&n);
	ck_assert_uint_eq(n.given, 1);
	ck_assert(nic_complete(&n));
	nic_expect(&n, 1, VERBS_WC_SUCCESS);
}
END_TEST

/* Messages have room when writes have filled the send queue. */
START_TEST(writes_leave_room_for_messages)
{
	unsigned int writes;

	nic_init(&n, 0);
	for (writes = 0; !nic_write(&n, writes, writes * EACH_ALONE, 4096); writes++)
		ck_assert_uint_lt(writes, TRANSMIT_SEND_QUEUE);
	ck_assert_uint_lt(writes, TRANSMIT_SEND_QUEUE);
	ck_assert_uint_ge(writes, TRANSMIT_SEND_QUEUE - 16);
	ck_assert_uint_eq(nic_in_flight(&n), writes);
	n.transmit.credits = 1;
	ck_assert_int_eq(nic_zero(&n, GIB, 4096), 0);
	ck_assert_int_eq(nic_strict(&n, 2000, false), 0);
	ck_assert_uint_eq(n.given, writes + 1);
	nic_ready(&n);
	ck_assert_uint_eq(n.given, writes + 2);
	ck_assert_int_eq(nic_at(&n, writes)->kind, TRANSMIT_ZERO);
	ck_assert_int_eq(nic_at(&n, writes + 1)->kind, TRANSMIT_STRICT);
	/* QEMU waits for any write, and there is one to come. */
	ck_assert_int_eq(nic_write(&n, 1, GIB, 4096), -ENOMEM);
	ck_assert(nic_complete(&n));
	nic_expect(&n, 0, VERBS_WC_SUCCESS);
}
END_TEST

START_TEST(merged_writes_leave_room_too)
{
	nic_init(&n, GIB);
	write_many(0, TRANSMIT_WINDOW_WRITES, 4096);
	nic_flush(&n);
	ck_assert_uint_lt(nic_in_flight(&n), TRANSMIT_SEND_QUEUE);
	ck_assert_uint_gt(nic_in_flight(&n) + TRANSMIT_BATCH, TRANSMIT_SEND_QUEUE);
	ck_assert_int_eq(nic_strict(&n, 2000, true), 0);
	ck_assert_int_eq(nic_at(&n, nic_in_flight(&n) - 1)->kind, TRANSMIT_STRICT);
	/* What did not fit follows. */
	while (nic_complete(&n))
		;
	ck_assert_uint_eq(n.transmit.writes.count, 0);
	ck_assert_uint_eq(n.transmit.counters.write_wrs, TRANSMIT_WINDOW_WRITES);
}
END_TEST

START_TEST(a_completion_of_nothing_is_refused)
{
	struct completion wc = {.status = VERBS_WC_SUCCESS};

	nic_init(&n, GIB);
	ck_assert_int_eq(transmit_completed(&n.transmit, 0, &wc, &n.due), -ENOENT);
	write_many(0, 1, 4096);
	ck_assert_int_eq(transmit_completed(&n.transmit, 1, &wc, &n.due), -ENOENT);
	ck_assert(nic_complete(&n));
	ck_assert_int_eq(transmit_completed(&n.transmit, 0, &wc, &n.due), -ENOENT);
	ck_assert_uint_eq(n.transmit.in_flight, 0);
	ck_assert_uint_eq(n.due.count, 1);
}
END_TEST

/* What the NIC was told to write is what QEMU asked for, byte for byte, in order. */
struct asked {
	uint64_t at, length;
};

static void check_bytes(const struct asked *asked, unsigned int count)
{
	unsigned int next = 0;
	uint64_t within = 0;

	for (unsigned int i = 0; i < n.given; i++) {
		uint64_t at = n.wr[i].write.local_addr - NIC_LOCAL, left = n.wr[i].write.length;

		expect(n.wr[i].write.remote_addr == NIC_REMOTE + at, "both addresses", i);
		while (left) {
			uint64_t part;

			expect(next < count && asked[next].at + within == at, "in order", i);
			part = asked[next].length - within;
			part = part < left ? part : left;
			at += part;
			left -= part;
			within += part;
			if (within == asked[next].length) {
				next++;
				within = 0;
			}
		}
	}
	expect(next == count && !within, "all of it", count);
}

START_TEST(any_writes_at_any_pace)
{
	static struct asked asked[NIC_ROOM];
	unsigned int count = 0, done = 0;
	struct random rng = {(uint64_t)_i};
	struct completion c;
	uint64_t at = 0;

	nic_init(&n, _i % 4 ? MIB << random_below(&rng, 5) : 0);
	for (int step = 0; step < 6000 && count < NIC_ROOM; step++) {
		uint64_t event = random_below(&rng, 100);

		if (event < 60) {
			uint64_t length = 4096 * (1 + random_below(&rng, _i % 3 ? 4 : 256));
			int ret;

			if (random_below(&rng, 3) == 0)
				at = 4096 * random_below(&rng, 1 << 20);
			ret = nic_write(&n, count, at, length);
			expect(!ret || ret == -ENOMEM, "only what QEMU waits out", count);
			if (!ret) {
				asked[count++] = (struct asked){at, length};
				at += length;
				continue;
			}
			/* QEMU sleeps until it has a completion. */
			nic_flush(&n);
			while (!n.due.count)
				expect(nic_complete(&n), "QEMU would wait for ever", count);
		} else if (event < 60 + (unsigned int)_i) {
			nic_complete(&n);
		}
		expect(n.transmit.in_flight == nic_in_flight(&n), "in flight", count);
		while (completion_queue_pop(&n.due, &c))
			expect(c.wr_id == done++ && c.status == VERBS_WC_SUCCESS, "each once",
			       c.wr_id);
	}
	nic_flush(&n);
	while (nic_complete(&n))
		;
	while (completion_queue_pop(&n.due, &c))
		expect(c.wr_id == done++, "each once", c.wr_id);
	ck_assert_uint_eq(done, count);
	ck_assert_uint_eq(n.transmit.ahead_bytes, 0);
	ck_assert_uint_eq(n.transmit.in_flight, 0);
	ck_assert_uint_eq(n.transmit.counters.writes, count);
	ck_assert_uint_eq(n.transmit.counters.write_wrs, n.given);
	ck_assert_uint_eq(n.transmit.counters.doorbells, n.batches);
	check_bytes(asked, count);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("transmit");
	TCase *tc = tcase_create("transmit");

	tcase_add_test(tc, within_the_window_a_write_is_complete_at_once);
	tcase_add_test(tc, switched_off_each_write_is_a_signalled_wr_of_its_own);
	tcase_add_test(tc, switched_off_each_failure_is_told);
	tcase_add_test(tc, the_window_is_bounded_in_bytes);
	tcase_add_test(tc, the_window_is_bounded_in_writes);
	tcase_add_test(tc, a_write_longer_than_the_window_completes_for_real);
	tcase_add_test(tc, withheld_completions_are_bounded);
	tcase_add_test(tc, while_little_is_in_flight_nothing_waits);
	tcase_add_test(tc, a_busy_nic_gets_merged_writes);
	tcase_add_test(tc, scattered_writes_go_in_batches_with_few_completions);
	tcase_add_test(tc, a_flush_holds_nothing_back);
	tcase_add_test(tc, qemu_waits_for_a_write_only_when_one_will_complete);
	tcase_add_test(tc, writes_leave_room_for_messages);
	tcase_add_test(tc, merged_writes_leave_room_too);
	tcase_add_test(tc, a_completion_of_nothing_is_refused);
	tcase_add_loop_test(tc, any_writes_at_any_pace, 0, 40);
	suite_add_tcase(suite, tc);
	return unit_run(suite);
}
