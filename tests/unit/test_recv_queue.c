/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "core/recv_queue.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/verbs_values.h"
#include "support.h"

static struct recv_request request(uint64_t wr_id)
{
	return (struct recv_request){.wr_id = wr_id, .length = 10, .lkey = (uint32_t)wr_id + 1};
}

START_TEST(recvs_leave_in_the_order_they_came)
{
	struct recv_queue q = {0};
	struct recv_request r;
	uint64_t in = 0, out = 0;

	/* Through the ring's end many times, at every depth. */
	for (unsigned int depth = 1; depth <= RECV_QUEUE_DEPTH; depth++) {
		for (unsigned int round = 0; round < 5; round++) {
			while (in - out < depth) {
				r = request(in++);
				ck_assert_int_eq(recv_queue_post(&q, &r), 0);
			}
			ck_assert(recv_queue_take(&q, &r));
			ck_assert_uint_eq(r.wr_id, out);
			ck_assert_uint_eq(r.lkey, out + 1);
			out++;
		}
	}
	while (out < in) {
		ck_assert(recv_queue_take(&q, &r));
		ck_assert_uint_eq(r.wr_id, out++);
	}
	r = request(99);
	ck_assert(!recv_queue_take(&q, &r));
	ck_assert_uint_eq(r.wr_id, 99);
}
END_TEST

START_TEST(a_full_queue_refuses)
{
	struct recv_queue q = {0};
	struct recv_request r;

	for (uint64_t i = 0; i < RECV_QUEUE_DEPTH; i++) {
		r = request(i);
		ck_assert_int_eq(recv_queue_post(&q, &r), 0);
	}
	r = request(99);
	ck_assert_int_eq(recv_queue_post(&q, &r), -ENOMEM);
	for (uint64_t i = 0; i < RECV_QUEUE_DEPTH; i++) {
		ck_assert(recv_queue_take(&q, &r));
		ck_assert_uint_eq(r.wr_id, i);
	}
	ck_assert(!recv_queue_take(&q, &r));
}
END_TEST

START_TEST(messages_wait_in_order)
{
	struct recv_queue q = {0};
	struct recv_arrival a;

	for (unsigned int round = 0; round < 10; round++) {
		for (unsigned int i = 0; i < RECV_QUEUE_BUFFERS; i++) {
			a = (struct recv_arrival){i, round * 10 + i};
			ck_assert_int_eq(recv_queue_arrive(&q, &a), 0);
		}
		ck_assert_int_eq(recv_queue_arrive(&q, &a), -ENOSPC);
		for (unsigned int i = 0; i < RECV_QUEUE_BUFFERS; i++) {
			ck_assert(recv_queue_next_arrival(&q, &a));
			ck_assert_uint_eq(a.buffer, i);
			ck_assert_uint_eq(a.length, round * 10 + i);
		}
		ck_assert(!recv_queue_next_arrival(&q, &a));
		/* So that the next round begins elsewhere in the ring. */
		ck_assert_int_eq(recv_queue_arrive(&q, &a), 0);
		ck_assert(recv_queue_next_arrival(&q, &a));
	}
}
END_TEST

START_TEST(a_message_is_copied_as_the_nic_would)
{
	static const char msg[] = "0123456789abcdef";
	char memory[32];
	struct recv_request r = {.wr_id = 4001, .addr = memory, .length = 16};
	struct completion c;

	for (uint32_t len = 0; len <= 17; len++) {
		memset(memory, '.', sizeof(memory));
		memset(&c, 0xff, sizeof(c));
		recv_request_fill(&r, msg, len, &c);
		ck_assert_uint_eq(c.wr_id, 4001);
		ck_assert_uint_eq(c.opcode, VERBS_WC_RECV);
		ck_assert_uint_eq(c.byte_len, len);
		ck_assert_uint_eq(c.vendor_err, 0);
		ck_assert_uint_eq(c.status, len <= 16 ? VERBS_WC_SUCCESS : VERBS_WC_LOC_LEN_ERR);
		if (len <= 16)
			ck_assert_mem_eq(memory, msg, len);
		else
			len = 0; /* what does not fit is not written at all */
		for (size_t i = len; i < sizeof(memory); i++)
			ck_assert_int_eq(memory[i], '.');
		if (c.status)
			break;
	}
	ck_assert_uint_eq(c.status, VERBS_WC_LOC_LEN_ERR);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("recv_queue");
	TCase *tc = tcase_create("recv_queue");

	tcase_add_test(tc, recvs_leave_in_the_order_they_came);
	tcase_add_test(tc, a_full_queue_refuses);
	tcase_add_test(tc, messages_wait_in_order);
	tcase_add_test(tc, a_message_is_copied_as_the_nic_would);
	suite_add_tcase(suite, tc);
	return unit_run(suite);
}
