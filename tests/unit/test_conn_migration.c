/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "core/conn.h"

#include <errno.h>
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
	struct qemu_destination d;
	struct random rng;
	uint32_t rkey[DESTINATION_CHUNKS];
	bool transit[DESTINATION_CHUNKS]; /* a write into it has not completed */
	unsigned int writes;		  /* of those */
	bool send_out, recv_out[BENCH_RECVS];
	bool ready_expected;
	uint64_t completions, posted;
	uint64_t zeros_end;	/* of the last */
	uint64_t zeros, zeroed; /* bytes QEMU sent COMPRESS for; that arrived */
	uint64_t written;	/* bytes QEMU wrote */
};

/* The destination handles what has come. It sends READY before each message that
 * it handles, so one more than that is a message without a credit. */
static void destination_step(struct migration *m)
{
	struct message msg, reply;

	expect(m->b.outgoing_count <= 1, "one message for each READY", m->b.outgoing_count);
	while (bench_outgoing(&m->b, &msg)) {
		if (message_get32(msg.data, 4) == WIRE_COMPRESS)
			m->zeroed += message_get64(msg.data, 32);
		destination_handle(&m->d, msg.data, msg.len, &reply);
		if (reply.len)
			bench_incoming(&m->b, &reply);
		bench_incoming_ready(&m->b);
	}
}

/* Something happens on the wire; false when nothing can any more. A CQ that
 * nobody polls stays as it is. */
static bool nic_step(struct migration *m, bool sends, bool recvs)
{
	bool first = random_below(&m->rng, 2), done;

	done = (sends && first && bench_complete_send(&m->b)) ||
	       (recvs && bench_complete_recv(&m->b)) || (sends && bench_complete_send(&m->b));
	destination_step(m);
	return done;
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
	bool listen;

	for (;;) {
		while (bench_poll(&m->b, cq, &c)) {
			note(m, &c);
			if ((c.wr_id & 0xffff) == wrid)
				return;
		}
		listen = bench_arm(&m->b, cq);
		destination_step(m);
		expect(nic_step(m, m->b.conn.one_cq || cq == CONN_SEND_CQ,
				m->b.conn.one_cq || cq == CONN_RECV_CQ || listen),
		       "QEMU would wait for ever", wrid);
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
	if (m->ready_expected)
		wait_for(m, WRID_RECV);
	if (response)
		post_recv(m, 1);
	post_recv(m, 0);
	m->send_out = true;
	m->posted++;
	bench_send(&m->b, msg);
	destination_step(m);
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

static void end_iteration(struct migration *m)
{
	/* qemu_rdma_drain_cq() */
	while (m->writes)
		wait_for(m, WRID_WRITE);
	send_empty(m, WIRE_REGISTER_FINISHED, false);
	/* The completion of that proves all before it. */
	expect(m->b.written == m->written, "all writes are on the wire", m->b.written);
	expect(m->zeroed == m->zeros, "all zero runs are handled", m->zeroed);
	send_empty(m, WIRE_QEMU_FILE, false);
}

/* Zero pages. Some continue those before, some go where a write is out. */
static void send_zeros(struct migration *m, uint64_t chunks)
{
	uint64_t length = m->d.block[0].length, start = m->zeros_end, len;
	struct message msg;

	if (random_below(&m->rng, 3) == 0 || start >= length)
		start = random_below(&m->rng, chunks) * MIB;
	len = 4096 * (1 + random_below(&m->rng, 256));
	if (len > length - start)
		len = length - start;
	message_begin(&msg, WIRE_COMPRESS, 1);
	message_put32(&msg, 0);
	message_put32(&msg, 0);
	message_put64(&msg, start);
	message_put64(&msg, len);
	m->zeros += len;
	m->zeros_end = start + len;
	exchange(m, &msg, false);
}

/* qemu_rdma_write_one() */
static void write_chunk(struct migration *m, uint64_t chunk)
{
	uint64_t start = chunk * m->d.chunk_size, end = start + m->d.chunk_size;
	struct message msg;
	struct range want;
	int ret;

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
	while ((ret = bench_write_at(&m->b, WRID_WRITE | chunk << 30, LOCAL + start, REMOTE + start,
				     end - start))) {
		expect(ret == -ENOMEM, "only what QEMU waits out", chunk);
		wait_for(m, WRID_WRITE);
	}
	m->written += end - start;
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

static void migrate(unsigned int mode, uint64_t seed)
{
	static struct migration m;
	const struct conn_counters *counters = &m.b.conn.counters;
	const struct transmit_counters *transmit = &m.b.conn.transmit.counters;
	struct completion c;
	uint64_t chunks;

	memset(&m, 0, sizeof(m));
	m.rng.state = seed;
	bench_start(&m.b, CONN_SOURCE, mode, 20 + (unsigned int)random_below(&m.rng, 11));
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
			end_iteration(&m);
		} else if (event < 25) {
			send_zeros(&m, chunks);
		} else if (event < 30) {
			unregister_chunk(&m, chunk);
		} else if (event < 35) {
			nic_step(&m, true, true);
		} else {
			write_chunk(&m, chunk);
		}
	}
	end_iteration(&m);
	if (m.ready_expected)
		wait_for(&m, WRID_RECV);
	/* Nothing is owed, and nothing came that was not. */
	while (nic_step(&m, true, true))
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
	expect(counters->zeros_seen - transmit->zeros_kept ==
		       counters->sent[WIRE_COMPRESS] - transmit->zeros_sent,
	       "COMPRESS messages sent or merged", seed);
	expect(mode & BENCH_ZEROS ? transmit->zeros_kept : !transmit->zeros_kept, "zeros", seed);
	expect(transmit->write_bytes == m.written, "bytes written", seed);
	expect(transmit->doorbells <= transmit->wrs && transmit->signaled <= transmit->wrs,
	       "doorbells and signalled WRs", seed);
	if (!(mode & BENCH_WRITES))
		expect(transmit->writes == transmit->write_wrs &&
			       transmit->signaled == transmit->wrs,
		       "each write is a WR of its own", seed);
	conn_clear(&m.b.conn);
}

START_TEST(migrations_end_with_every_completion_seen)
{
	for (uint64_t seed = 0; seed < 100; seed++)
		migrate((unsigned int)_i, seed);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("conn_migration");
	TCase *tc = tcase_create("conn_migration");

	tcase_add_loop_test(tc, migrations_end_with_every_completion_seen, 0, BENCH_MODES);
	suite_add_tcase(suite, tc);
	return unit_run(suite);
}
