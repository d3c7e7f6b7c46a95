/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "core/conn.h"

#include "bench.h"
#include "core/verbs_values.h"

/* The receive queue of a source's connection, which is ours: messages find their way into
 * QEMU's RECVs, and its failures to QEMU. */

static struct bench b;

START_TEST(a_message_waits_for_its_receive)
{
	struct message m;

	bench_start(&b, CONN_SOURCE, (unsigned int)_i, 30);
	bench_incoming_ready(&b);
	for (uint32_t i = 0; i < RECV_QUEUE_BUFFERS; i++) {
		message_begin(&m, WIRE_REGISTER_RESULT, i + 10);
		bench_incoming(&b, &m);
	}
	ck_assert(bench_complete_recv(&b));
	bench_expect(&b, CONN_RECV_CQ, WRID_RECV, VERBS_WC_SUCCESS);
	for (unsigned int i = 0; i < RECV_QUEUE_BUFFERS; i++)
		ck_assert(bench_complete_recv(&b));
	/* Their buffers are not the NIC's while the messages are in them. */
	ck_assert_uint_eq(b.qp->rq_count, 0);
	bench_expect_nothing(&b, CONN_RECV_CQ);
	for (unsigned int i = 0; i < RECV_QUEUE_BUFFERS; i++) {
		bench_post_recv(&b, i % 3);
		bench_expect(&b, CONN_RECV_CQ, WRID_RECV + i % 3, VERBS_WC_SUCCESS);
		bench_expect_nothing(&b, CONN_RECV_CQ);
		ck_assert_uint_eq(message_get32(b.memory[i % 3], 8), i + 10);
		ck_assert_uint_eq(b.qp->rq_count, i + 1);
	}
	ck_assert_int_eq(conn_state(b.conn), CONN_ACTIVE);
	bench_end(&b);
}
END_TEST

/* More messages than buffers cannot be; it would be a lost one, so it fails. */
START_TEST(more_messages_than_buffers_fail_the_connection)
{
	struct completion wc = {.opcode = VERBS_WC_RECV, .byte_len = 16};

	bench_start(&b, CONN_SOURCE, (unsigned int)_i, 30);
	for (unsigned int i = 0; i <= RECV_QUEUE_BUFFERS; i++) {
		ck_assert_int_eq(conn_state(b.conn), CONN_ACTIVE);
		wc.wr_id = b.qp->rq[i % RECV_QUEUE_BUFFERS].wr_id;
		conn_completed(b.conn, &wc);
	}
	ck_assert_int_eq(conn_state(b.conn), CONN_FAILED);
	bench_end(&b);
}
END_TEST

/* Nor is anything read where there is no buffer of ours, or beyond it. */
START_TEST(a_message_in_no_buffer_fails_the_connection)
{
	static const struct {
		uint64_t beyond; /* the last buffer */
		uint32_t length;
	} cases[] = {{1, 16}, {64, 16}, {UINT64_C(1) << 40, 16}, {0, WIRE_MESSAGE_MAX + 1}};
	struct completion wc = {.opcode = VERBS_WC_RECV};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		bench_start(&b, CONN_SOURCE, (unsigned int)_i, 30);
		wc.wr_id = b.qp->rq[RECV_QUEUE_BUFFERS - 1].wr_id + cases[i].beyond;
		wc.byte_len = cases[i].length;
		conn_completed(b.conn, &wc);
		ck_assert_int_eq(conn_state(b.conn), CONN_FAILED);
		bench_end(&b);
	}
}
END_TEST

START_TEST(a_message_too_long_is_a_local_length_error)
{
	struct message m;

	bench_start(&b, CONN_SOURCE, (unsigned int)_i, 30);
	message_begin(&m, WIRE_QEMU_FILE, 1);
	while (m.len < BENCH_MEMORY + 4)
		message_put32(&m, 0x55555555);
	bench_incoming(&b, &m);
	ck_assert(bench_complete_recv(&b));
	bench_expect(&b, CONN_RECV_CQ, WRID_RECV, VERBS_WC_LOC_LEN_ERR);
	ck_assert_uint_eq(b.memory[0][0] | b.memory[0][20], 0);
	ck_assert_uint_eq(b.memory[1][0], 0);
	ck_assert_uint_eq(b.qp->rq_count, RECV_QUEUE_BUFFERS);
	bench_end(&b);
}
END_TEST

/* All own buffers are flushed while QEMU has no RECV posted: a RECV that it posts
 * to such a queue afterwards must not wait for ever. */
START_TEST(a_receive_posted_after_an_error_is_flushed)
{
	bench_start(&b, CONN_SOURCE, (unsigned int)_i, 30);
	for (unsigned int i = 0; i < RECV_QUEUE_BUFFERS; i++)
		bench_flush_recv(&b);
	bench_expect(&b, CONN_RECV_CQ, WRID_RECV, VERBS_WC_WR_FLUSH_ERR);
	bench_post_recv(&b, 1);
	bench_expect(&b, CONN_RECV_CQ, WRID_RECV + 1, VERBS_WC_WR_FLUSH_ERR);
	ck_assert_uint_eq(b.qp->rq_count, 0);
	bench_end(&b);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("conn_recvs");
	TCase *tc = tcase_create("conn_recvs");

	tcase_add_loop_test(tc, a_message_waits_for_its_receive, 0, BENCH_MODES);
	tcase_add_loop_test(tc, more_messages_than_buffers_fail_the_connection, 0, BENCH_MODES);
	tcase_add_loop_test(tc, a_message_in_no_buffer_fails_the_connection, 0, BENCH_MODES);
	tcase_add_loop_test(tc, a_message_too_long_is_a_local_length_error, 0, BENCH_MODES);
	tcase_add_loop_test(tc, a_receive_posted_after_an_error_is_flushed, 0, BENCH_MODES);
	suite_add_tcase(suite, tc);
	return unit_run(suite);
}
