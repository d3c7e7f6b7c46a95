/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "core/conn.h"

#include <string.h>

#include "bench.h"
#include "core/verbs_values.h"
#include "destination.h"

/*
 * Whole migrations through a connection. QEMU polls as its
 * qemu_rdma_block_for_wrid() does: what comes while it waits for something else
 * is noted and thrown away, so that a completion in the wrong order is a hang
 * (hazard 17). The NIC completes in any order that an RC QP may.
 */

#define LOCAL	  UINT64_C(0x7f0000000000)
#define REMOTE	  UINT64_C(0x550000000000)
#define IN_FLIGHT 30

struct migration {
	struct bench b;
	struct destination d;
	struct random rng;
	uint32_t rkey[DESTINATION_CHUNKS];
	bool transit[DESTINATION_CHUNKS]; /* a write into it has not completed */
	unsigned int writes;		  /* of those */
	bool send_out, recv_out[BENCH_RECVS];
	bool ready_expected;
	uint64_t completions, posted;
};

/* Something happens on the wire; false when nothing can any more. */
static bool nic_step(struct migration *m)
{
	if (random_below(&m->rng, 2))
		return bench_complete_recv(&m->b) || bench_complete_send(&m->b);
	return bench_complete_send(&m->b) || bench_complete_recv(&m->b);
}

/* Each wr_id comes back for what was posted under it, and once. */
static void note(struct migration *m, const struct completion *c)
{
	uint64_t type = c->wr_id & 0xffff, chunk = c->wr_id >> 30;

	m->completions++;
	expect(c->status == VERBS_WC_SUCCESS, "success", c->wr_id);
	if (type == WRID_WRITE) {
		expect(chunk < DESTINATION_CHUNKS && m->transit[chunk], "a write", chunk);
		m->transit[chunk] = false;
		m->writes--;
	} else if (type == WRID_SEND) {
		expect(m->send_out, "a SEND", c->wr_id);
		m->send_out = false;
	} else {
		expect(type >= WRID_RECV && type < WRID_RECV + BENCH_RECVS &&
			       m->recv_out[type - WRID_RECV],
		       "a RECV", c->wr_id);
		m->recv_out[type - WRID_RECV] = false;
		m->ready_expected = false;
	}
}

static void wait_for(struct migration *m, uint64_t wrid)
{
	enum conn_cq cq = wrid < WRID_RECV ? CONN_SEND_CQ : CONN_RECV_CQ;
	struct completion c;

	for (;;) {
		while (bench_poll(&m->b, cq, &c)) {
			note(m, &c);
			if ((c.wr_id & 0xffff) == wrid)
				return;
		}
		expect(nic_step(m), "QEMU would wait for ever", wrid);
	}
}

static void post_recv(struct migration *m, unsigned int n)
{
	expect(!m->recv_out[n], "QEMU posts each of its RECVs once", n);
	m->recv_out[n] = true;
	m->posted++;
	bench_post_recv(&m->b, n);
}

/* qemu_rdma_exchange_send() */
static void exchange(struct migration *m, const struct message *msg, bool response)
{
	struct message reply;

	if (m->ready_expected)
		wait_for(m, WRID_RECV);
	if (response)
		post_recv(m, 1);
	post_recv(m, 0);
	m->send_out = true;
	m->posted++;
	if (bench_send(&m->b, msg) != CONN_NOTHING) {
		destination_handle(&m->d, m->b.wire.data, m->b.wire.len, &reply);
		if (reply.len)
			bench_incoming(&m->b, &reply);
		bench_incoming_ready(&m->b);
	}
	wait_for(m, WRID_SEND);
	if (response)
		wait_for(m, WRID_RECV + 1);
	m->ready_expected = true;
}

static void send_empty(struct migration *m, enum wire_type type, bool response)
{
	struct message msg;

	message_begin(&msg, type, 1);
	exchange(m, &msg, response);
}

/* qemu_rdma_write_one() */
static void write_chunk(struct migration *m, uint64_t chunk)
{
	uint64_t start = chunk * m->d.chunk_size, end = start + m->d.chunk_size;
	struct message msg;
	struct range want;

	if (end > m->d.block[0].length)
		end = m->d.block[0].length;
	while (m->transit[chunk] || m->writes == IN_FLIGHT)
		wait_for(m, WRID_WRITE);
	if (!m->rkey[chunk]) {
		message_register(&msg, WIRE_REGISTER_REQUEST, start, 0, 0);
		exchange(m, &msg, true);
		expect(message_get32(m->b.memory[1], 4) == WIRE_REGISTER_RESULT, "a result", chunk);
		expect(conn_register(&m->b.conn, LOCAL + start, end - start, &want) &&
			       want.start == start && want.end == end,
		       "guest memory", chunk);
		m->rkey[chunk] = message_get32(m->b.memory[1], 16);
	}
	expect(destination_covers(&m->d, 0, m->rkey[chunk], (struct range){start, end}),
	       "the rkey covers the chunk", chunk);
	bench_write(&m->b, WRID_WRITE | chunk << 30, end - start);
	m->transit[chunk] = true;
	m->writes++;
	m->posted++;
}

static void unregister_chunk(struct migration *m, uint64_t chunk)
{
	struct message msg;

	if (m->transit[chunk] || !m->rkey[chunk])
		return;
	m->rkey[chunk] = 0;
	message_register(&msg, WIRE_UNREGISTER_REQUEST, chunk, 0, 0);
	exchange(m, &msg, true);
	expect(message_get32(m->b.memory[1], 4) == WIRE_UNREGISTER_FINISHED, "finished", chunk);
}

static void migrate(bool one_cq, uint64_t seed)
{
	static struct migration m;
	const struct conn_counters *counters = &m.b.conn.counters;
	struct completion c;
	uint64_t chunks;

	memset(&m, 0, sizeof(m));
	m.rng.state = seed;
	bench_start(&m.b, CONN_SOURCE, one_cq, 20 + (unsigned int)random_below(&m.rng, 11));
	m.recv_out[0] = true;
	m.posted = 1;
	m.ready_expected = true;
	m.d.chunk_size = MIB;
	chunks = 2 + random_below(&m.rng, DESTINATION_CHUNKS - 2);
	destination_add_block(&m.d, 0, chunks * MIB - 4096 * random_below(&m.rng, 200), REMOTE);
	bench_incoming_ready(&m.b);
	send_empty(&m, WIRE_RAM_BLOCKS_REQUEST, true);
	for (unsigned int round = 0; round < 400; round++) {
		uint64_t event = random_below(&m.rng, 100), chunk = random_below(&m.rng, chunks);

		if (event < 3) {
			/* qemu_rdma_drain_cq(), and the end of an iteration */
			while (m.writes)
				wait_for(&m, WRID_WRITE);
			send_empty(&m, WIRE_REGISTER_FINISHED, false);
			send_empty(&m, WIRE_QEMU_FILE, false);
		} else if (event < 10) {
			send_empty(&m, WIRE_COMPRESS, false);
		} else if (event < 15) {
			unregister_chunk(&m, chunk);
		} else if (event < 20) {
			nic_step(&m);
		} else {
			write_chunk(&m, chunk);
		}
	}
	while (m.writes)
		wait_for(&m, WRID_WRITE);
	if (m.ready_expected)
		wait_for(&m, WRID_RECV);
	/* Nothing is owed, and nothing came that was not. */
	while (nic_step(&m))
		;
	for (int cq = 0; cq < CONN_CQS; cq++)
		expect(!bench_poll(&m.b, cq, &c), "nothing left", c.wr_id);
	expect(m.completions == m.posted, "one completion for each WR", seed);
	expect(m.b.conn.state == CONN_ACTIVE, "active", seed);
	expect(counters->requests_seen == counters->requests_sent + counters->requests_answered,
	       "requests sent or answered", seed);
	expect(counters->requests_sent == m.d.requests, "requests that arrived", seed);
	expect(!m.d.repeated, "no first chunk is requested twice", seed);
	expect(m.b.posted_count == RECV_QUEUE_BUFFERS, "the NIC has all own buffers", seed);
	conn_clear(&m.b.conn);
}

START_TEST(migrations_end_with_every_completion_seen)
{
	for (uint64_t seed = 0; seed < 100; seed++)
		migrate(_i, seed);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("conn_migration");
	TCase *tc = tcase_create("conn_migration");

	/* Two CQs, as QEMU has them since 7.0; then one. */
	tcase_add_loop_test(tc, migrations_end_with_every_completion_seen, 0, 2);
	suite_add_tcase(suite, tc);
	return unit_run(suite);
}
