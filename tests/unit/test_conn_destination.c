/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "core/conn.h"

#include "bench.h"
#include "core/verbs_values.h"

/* A destination's connection: what QEMU sends goes out as it is, and memory is registered a
 * little further than QEMU has come. */

#define LOCAL	 BENCH_LOCAL
#define REGISTER CONN_KIND(CONN_REGISTER)

static struct bench b;

static void list_blocks(struct message *m)
{
	message_begin(m, WIRE_RAM_BLOCKS_RESULT, 1);
	message_put_block(m, LOCAL, 0, 128 * MIB);
	message_put_block(m, LOCAL + 256 * MIB, 128 * MIB, 20 * MIB + 8192);
}

/* It is no guest memory, as far as we know. */
static void check_unknown(uint64_t addr, uint64_t length)
{
	struct conn_registration want = {.addr = addr, .length = length, .access = 3};
	struct mr *mr;

	ck_assert_int_eq(conn_register(b.conn, &want, &mr), 0);
	ck_assert_ptr_null(mr);
}

START_TEST(a_destination_gets_its_receives)
{
	bench_init(&b, CONN_DESTINATION, (unsigned int)_i, 30);
	bench_post_recv(&b, 1);
	bench_connect(&b, CONN_DESTINATION);
	bench_post_recv(&b, 2);
	ck_assert_uint_eq(b.qp->rq_count, 2);
	ck_assert_uint_eq(b.qp->rq[0].wr_id, WRID_RECV + 1);
	ck_assert_uint_eq(b.qp->rq[1].wr_id, WRID_RECV + 2);
	ck_assert_int_eq(conn_role(b.conn), CONN_DESTINATION);
	bench_end(&b);
}
END_TEST

/* The same at the destination, whose RECVs are QEMU's own. */
START_TEST(a_destinations_send_comes_first_as_well)
{
	struct completion wc = {.wr_id = WRID_RECV, .opcode = VERBS_WC_RECV, .byte_len = 40};
	struct message m;

	bench_start(&b, CONN_DESTINATION, (unsigned int)_i, 30);
	message_begin(&m, WIRE_READY, 1);
	ck_assert_int_eq(bench_send(&b, &m), BENCH_SENT);
	conn_completed(b.conn, &wc);
	if (_i & BENCH_ONE_CQ)
		bench_expect_nothing(&b, CONN_RECV_CQ);
	else
		bench_expect(&b, CONN_RECV_CQ, WRID_RECV, VERBS_WC_SUCCESS);
	ck_assert(bench_complete_send(&b));
	bench_expect(&b, CONN_SEND_CQ, WRID_SEND, VERBS_WC_SUCCESS);
	if (_i & BENCH_ONE_CQ)
		bench_expect(&b, CONN_RECV_CQ, WRID_RECV, VERBS_WC_SUCCESS);
	/* With no SEND out there is nothing to wait for. */
	wc.wr_id = WRID_RECV + 1;
	conn_completed(b.conn, &wc);
	bench_expect(&b, CONN_RECV_CQ, WRID_RECV + 1, VERBS_WC_SUCCESS);
	/* An error is never kept back: QEMU must learn of it. */
	ck_assert_int_eq(bench_send(&b, &m), BENCH_SENT);
	wc.status = VERBS_WC_WR_FLUSH_ERR;
	conn_completed(b.conn, &wc);
	bench_expect(&b, CONN_RECV_CQ, WRID_RECV + 1, VERBS_WC_WR_FLUSH_ERR);
	bench_end(&b);
}
END_TEST

/* A completion that does not fit would be a hang; it is a failure instead. */
START_TEST(completions_that_do_not_fit_fail_the_connection)
{
	struct message m;

	bench_start(&b, CONN_DESTINATION, (unsigned int)_i, 30);
	message_begin(&m, WIRE_READY, 1);
	for (unsigned int i = 0; i <= COMPLETION_QUEUE_ROOM; i++) {
		expect(conn_state(b.conn) == CONN_ACTIVE, "active", i);
		expect(bench_send(&b, &m) == BENCH_SENT, "sent", i);
		expect(bench_complete_send(&b), "completed", i);
	}
	ck_assert_int_eq(conn_state(b.conn), CONN_FAILED);
	bench_end(&b);
}
END_TEST

/* Hazard 4: what is registered ends where the block does. */
START_TEST(a_destination_widens_inside_its_blocks_only)
{
	/* QEMU's chunk: its own 1 MiB, and a large x-rdma-chunk-size */
	static const uint64_t sizes[] = {MIB, 2 * MIB, 16 * MIB};
	const uint64_t start = LOCAL + 256 * MIB, end = start + 20 * MIB + 8192;
	const struct nic_mr *made;
	struct message m;
	uint32_t key;
	bool wide;

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		bench_start(&b, CONN_DESTINATION, (unsigned int)_i, 30);
		check_unknown(start, MIB);
		list_blocks(&m);
		ck_assert_int_eq(bench_send(&b, &m), BENCH_SENT);
		wide = false;
		for (uint64_t at = start; at < end; at += sizes[i]) {
			uint64_t length = end - at < sizes[i] ? end - at : sizes[i];

			ck_assert_int_eq(driver_register(b.driver, at, length, 3, &key), 0);
			made = &b.world.mr[key];
			ck_assert_uint_le(made->addr, at);
			ck_assert_uint_ge(made->addr + made->length, at + length);
			ck_assert_uint_ge(made->addr, start);
			ck_assert_uint_le(made->addr + made->length, end);
			wide |= made->length > length;
		}
		ck_assert(wide || sizes[i] > MIB);
		bench_end(&b);
	}
}
END_TEST

START_TEST(a_destination_leaves_other_memory_alone)
{
	static const struct {
		uint64_t addr, length;
	} cases[] = {
		{LOCAL - MIB, MIB},	      {LOCAL - 4096, MIB},
		{LOCAL + 127 * MIB, 2 * MIB}, {LOCAL + 128 * MIB, MIB},
		{LOCAL + 276 * MIB, MIB},     {LOCAL, 0},
		{LOCAL, UINT64_MAX},	      {0, MIB},
	};
	struct message m;

	bench_start(&b, CONN_DESTINATION, (unsigned int)_i, 30);
	list_blocks(&m);
	ck_assert_int_eq(bench_send(&b, &m), BENCH_SENT);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		check_unknown(cases[i].addr, cases[i].length);
	bench_register(&b, LOCAL, MIB);
	bench_end(&b);
}
END_TEST

START_TEST(a_destination_believes_the_first_good_list)
{
	struct message m;

	bench_start(&b, CONN_DESTINATION, (unsigned int)_i, 30);
	message_begin(&m, WIRE_RAM_BLOCKS_RESULT, 1);
	message_put32(&m, 1);
	ck_assert_int_eq(bench_send(&b, &m), BENCH_SENT);
	ck_assert_uint_eq(conn_blocks(b.conn)->count, 0);
	message_begin(&m, WIRE_REGISTER_RESULT, 1);
	ck_assert_int_eq(bench_send(&b, &m), BENCH_SENT);
	ck_assert_uint_eq(conn_blocks(b.conn)->count, 0);
	list_blocks(&m);
	ck_assert_int_eq(bench_send(&b, &m), BENCH_SENT);
	ck_assert_uint_eq(conn_blocks(b.conn)->count, 2);
	message_begin(&m, WIRE_RAM_BLOCKS_RESULT, 1);
	message_put_block(&m, 0x1000, 0, GIB);
	ck_assert_int_eq(bench_send(&b, &m), BENCH_SENT);
	ck_assert_uint_eq(conn_blocks(b.conn)->count, 2);
	ck_assert_uint_eq(conn_blocks(b.conn)->block[0].length, 128 * MIB);
	ck_assert_uint_eq(bench_figures(&b).messages.sent[WIRE_RAM_BLOCKS_RESULT], 3);
	ck_assert_uint_eq(bench_figures(&b).messages.sent[WIRE_REGISTER_RESULT], 1);
	bench_end(&b);
}
END_TEST

static uint64_t register_there(uint64_t at)
{
	uint32_t key;

	ck_assert_int_eq(driver_register(b.driver, LOCAL + at, MIB, 3, &key), 0);
	return b.world.mr[key].length;
}

/* Its QEMU says where it is by what it registers. What comes next is registered by itself, so
 * that it can be given back; what QEMU registers is no wider than it says. */
START_TEST(a_destination_registers_what_comes_next)
{
	struct conn_registration elsewhere = {.addr = 4096, .length = MIB, .access = 3};
	struct conn_result result = {.error = 0};
	struct conn_action action;
	struct message m;
	struct mr *mr;

	bench_start(&b, CONN_DESTINATION, BENCH_PREFETCH, 30);
	message_begin(&m, WIRE_RAM_BLOCKS_RESULT, 1);
	message_put_block(&m, LOCAL, 0, 60 * MIB);
	message_put_block(&m, LOCAL + GIB, GIB, 40 * MIB);
	ck_assert_int_eq(bench_send(&b, &m), BENCH_SENT);
	ck_assert(!conn_has(b.conn, REGISTER));
	/* Memory of no block says nothing. */
	ck_assert_int_eq(conn_register(b.conn, &elsewhere, &mr), 0);
	ck_assert_ptr_null(mr);
	for (uint64_t at = 0; at < 16; at++) {
		ck_assert(!conn_has(b.conn, REGISTER));
		ck_assert_uint_eq(register_there(at * MIB), MIB);
	}
	/* A quarter of what was asked for. */
	ck_assert(conn_next(b.conn, REGISTER, &action));
	ck_assert_uint_eq(action.memory.addr, LOCAL + 16 * MIB);
	ck_assert_uint_eq(action.memory.length, 4 * MIB);
	driver_perform(b.driver, &action, &result);
	conn_done(b.conn, &action, &result);
	ck_assert_uint_eq(register_there(16 * MIB), 4 * MIB);
	/* Postcopy may come: then it is QEMU's own registration that is wide. */
	conn_stop_prefetch(b.conn);
	for (uint64_t at = 17; at < 20; at++)
		ck_assert_uint_eq(register_there(at * MIB), 4 * MIB);
	ck_assert_uint_eq(register_there(20 * MIB), 6 * MIB);
	bench_end(&b);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("conn_destination");
	TCase *tc = tcase_create("conn_destination");

	tcase_add_loop_test(tc, a_destination_gets_its_receives, 0, BENCH_MODES);
	tcase_add_loop_test(tc, a_destinations_send_comes_first_as_well, 0, BENCH_MODES);
	tcase_add_loop_test(tc, completions_that_do_not_fit_fail_the_connection, 0, BENCH_MODES);
	tcase_add_loop_test(tc, a_destination_widens_inside_its_blocks_only, 0, BENCH_MODES);
	tcase_add_loop_test(tc, a_destination_leaves_other_memory_alone, 0, BENCH_MODES);
	tcase_add_loop_test(tc, a_destination_believes_the_first_good_list, 0, BENCH_MODES);
	tcase_add_test(tc, a_destination_registers_what_comes_next);
	suite_add_tcase(suite, tc);
	return unit_run(suite);
}
