/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "bench.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/verbs_values.h"

/* For receive buffers and messages of the connection's own. */
static uint8_t own_memory[POSTING_MEMORY_LEN];

/* What the model leaves to us; for the rest see still.c. */
void world_fail(struct world *w, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(w->why, sizeof(w->why), format, args);
	va_end(args);
	ck_abort_msg("%s", w->why);
	abort();
}

void bench_init(struct bench *b, enum conn_role role, unsigned int mode, unsigned int shift)
{
	const struct conn_options options = {
		.one_cq = mode & BENCH_ONE_CQ,
		.shift = shift,
		.writes = mode & BENCH_WRITES,
		.zeros = mode & BENCH_ZEROS,
		.prefetch = mode & BENCH_PREFETCH,
		.memory = fake_memory_of(&b->guest),
	};
	struct world *w = &b->world;
	bool source = role != CONN_DESTINATION;

	memset(b, 0, offsetof(struct bench, world) + offsetof(struct world, physical));
	w->settings.one_cq = options.one_cq;
	w->settings.writes = options.writes;
	w->settings.max_message = BENCH_MAX_MESSAGE;
	/* A test may break what a migration would not survive. */
	w->fault_fired = true;
	nic_init(w);
	b->qp = source ? &w->nic.source : &w->nic.destination;
	if (!source && options.one_cq)
		b->qp->recv_cq = b->qp->send_cq;
	b->driver = source ? &w->source_driver : &w->destination_driver;
	driver_init(w, b->driver, b->qp, &options);
	b->conn = b->driver->conn;
	expect(conn_state(b->conn) == CONN_CANDIDATE, "candidate", 0);
}

void bench_connect(struct bench *b, enum conn_role role)
{
	driver_start(b->driver, role, own_memory);
	expect(conn_state(b->conn) == CONN_ACTIVE, "active", role);
}

void bench_start(struct bench *b, enum conn_role role, unsigned int mode, unsigned int shift)
{
	bench_init(b, role, mode, shift);
	if (role == CONN_SOURCE)
		bench_post_recv(b, 0);
	bench_connect(b, role);
}

void bench_end(struct bench *b)
{
	/* Nothing is read any more. */
	b->qp->error = true;
	driver_end(b->driver, false);
}

static void to_wire(struct bench *b, const struct nic_wr *wr)
{
	if (!wr->message) {
		b->written += wr->length;
		return;
	}
	b->wire.len = wr->length;
	if (wr->length)
		memcpy(b->wire.data, (const void *)(uintptr_t)wr->addr, wr->length);
	if (b->outgoing_count < BENCH_QUEUE)
		b->outgoing[b->outgoing_count++] = b->wire;
}

static void look(struct bench *b)
{
	for (; b->seen < b->qp->posted; b->seen++)
		to_wire(b, &b->qp->sq[b->seen % NIC_SEND_QUEUE]);
}

void bench_run(struct bench *b)
{
	driver_run(b->driver);
	look(b);
}

void bench_post_recv(struct bench *b, unsigned int n)
{
	struct recv_request request = {
		.wr_id = WRID_RECV + n,
		.addr = b->memory[n],
		.length = BENCH_MEMORY,
	};

	expect(!driver_post_recv(b->driver, &request), "RECV posted", n);
	look(b);
}

void bench_post_answer_recvs(struct bench *b)
{
	bench_post_recv(b, 1);
	bench_post_recv(b, 0);
}

int bench_post(struct bench *b, const struct conn_wr *wr)
{
	int ret = driver_post_send(b->driver, wr);

	look(b);
	return -ret;
}

enum bench_sent bench_send(struct bench *b, const struct message *m)
{
	struct conn_wr wr = {
		.wr_id = WRID_SEND,
		.message = true,
		.data = m->data,
		.length = m->len,
		.local_addr = (uintptr_t)m->data,
	};
	unsigned int due = conn_count_due(b->conn, CONN_SEND_CQ);
	uint64_t before = b->qp->posted;
	const struct nic_wr *last;

	expect(!bench_post(b, &wr), "posted", wr.wr_id);
	last = &b->qp->sq[(b->qp->posted - 1) % NIC_SEND_QUEUE];
	if (b->qp->posted != before && last->message && !last->unasked)
		return last->addr == wr.local_addr ? BENCH_SENT : BENCH_REPLACED;
	return conn_count_due(b->conn, CONN_SEND_CQ) > due ? BENCH_NOTHING : BENCH_WAITS;
}

int bench_write_at(struct bench *b, uint64_t wr_id, uint64_t local, uint64_t remote,
		   uint64_t length)
{
	struct conn_wr wr = {
		.wr_id = wr_id,
		.length = length,
		.local_addr = local,
		.remote_addr = remote,
		.lkey = 1,
		.rkey = 2,
	};

	return bench_post(b, &wr);
}

int bench_write(struct bench *b, uint64_t wr_id, uint64_t length)
{
	return bench_write_at(b, wr_id, 0, 0, length);
}

bool bench_arm(struct bench *b, enum conn_cq cq)
{
	driver_arm(b->driver, cq);
	look(b);
	return b->driver->listens;
}

void bench_register(struct bench *b, uint64_t addr, uint64_t length)
{
	unsigned int handles = b->driver->handles;
	uint32_t lkey = 0;

	ck_assert_int_eq(driver_register(b->driver, addr, length, 0, &lkey), 0);
	ck_assert_uint_ne(lkey, 0);
	ck_assert_msg(b->driver->handles > handles, "it is guest memory");
	look(b);
}

uint32_t bench_rkey(struct bench *b)
{
	return nic_register(&b->world, BENCH_REMOTE, GIB);
}

void bench_incoming(struct bench *b, const struct message *m)
{
	expect(b->incoming_count < BENCH_QUEUE, "room on the wire", 0);
	b->incoming[b->incoming_count++] = *m;
}

void bench_incoming_ready(struct bench *b)
{
	struct message m;

	message_begin(&m, WIRE_READY, 1);
	bench_incoming(b, &m);
}

bool bench_outgoing(struct bench *b, struct message *m)
{
	if (!b->outgoing_count)
		return false;
	*m = b->outgoing[0];
	memmove(b->outgoing, b->outgoing + 1, --b->outgoing_count * sizeof(*m));
	return true;
}

unsigned int bench_in_flight(const struct bench *b)
{
	return (unsigned int)(b->qp->posted - b->qp->completed);
}

const struct nic_wr *bench_at(const struct bench *b, unsigned int i)
{
	ck_assert_uint_lt(i, bench_in_flight(b));
	return &b->qp->sq[(b->qp->completed + i) % NIC_SEND_QUEUE];
}

/* The NIC's completions are taken in, by whoever looks after that CQ. */
static void take(struct bench *b, enum conn_cq cq)
{
	driver_drain(b->driver, cq);
	bench_run(b);
}

bool bench_complete_send(struct bench *b)
{
	while (!b->qp->send_cq->count) {
		if (b->qp->completed == b->qp->posted)
			return false;
		nic_complete_send(&b->world, b->qp);
	}
	take(b, CONN_SEND_CQ);
	return true;
}

void bench_fail_sends(struct bench *b, uint32_t status)
{
	nic_fail(&b->world, b->qp, status);
	while (b->qp->completed < b->qp->posted) {
		nic_complete_send(&b->world, b->qp);
		take(b, CONN_SEND_CQ);
	}
}

void bench_flush_recv(struct bench *b)
{
	nic_fail(&b->world, b->qp, VERBS_WC_WR_FLUSH_ERR);
	nic_flush_recv(&b->world, b->qp);
	take(b, CONN_RECV_CQ);
}

bool bench_complete_recv(struct bench *b)
{
	const struct message *m = &b->incoming[0];

	if (!b->incoming_count || !nic_receive(&b->world, b->qp, m->data, m->len))
		return false;
	memmove(b->incoming, b->incoming + 1, --b->incoming_count * sizeof(*m));
	take(b, CONN_RECV_CQ);
	return true;
}

bool bench_poll(struct bench *b, enum conn_cq cq, struct completion *c)
{
	return conn_count_due(b->conn, cq) && conn_take_due(b->conn, cq, c, 1);
}

static uint32_t opcode_of(uint64_t wr_id)
{
	uint64_t type = wr_id & 0xffff;

	if (type >= WRID_RECV)
		return VERBS_WC_RECV;
	return type >= WRID_SEND ? VERBS_WC_SEND : VERBS_WC_RDMA_WRITE;
}

void bench_expect(struct bench *b, enum conn_cq cq, uint64_t wr_id, uint32_t status)
{
	struct completion c;

	ck_assert_msg(bench_poll(b, cq, &c), "nothing due, but %llu should be",
		      (unsigned long long)wr_id);
	ck_assert_uint_eq(c.wr_id, wr_id);
	ck_assert_uint_eq(c.status, status);
	/* Of a failed one nothing else counts. */
	if (status == VERBS_WC_SUCCESS)
		ck_assert_uint_eq(c.opcode, opcode_of(wr_id));
}

void bench_expect_nothing(struct bench *b, enum conn_cq cq)
{
	struct completion c = {.wr_id = 0};

	ck_assert_msg(!bench_poll(b, cq, &c), "%llu is due, but should not be",
		      (unsigned long long)c.wr_id);
}

struct conn_figures bench_figures(const struct bench *b)
{
	struct conn_figures figures;

	conn_figures(b->conn, &figures);
	return figures;
}

void bench_pass_ready(struct bench *b)
{
	bench_incoming_ready(b);
	ck_assert(bench_complete_recv(b));
	bench_expect(b, CONN_RECV_CQ, WRID_RECV, VERBS_WC_SUCCESS);
}

/* Send, complete, and receive what is incoming and READY. */
static void exchange(struct bench *b, const struct message *m, const struct message *answer)
{
	bench_post_answer_recvs(b);
	ck_assert_int_eq(bench_send(b, m), BENCH_SENT);
	ck_assert(bench_complete_send(b));
	bench_expect(b, CONN_SEND_CQ, WRID_SEND, VERBS_WC_SUCCESS);
	bench_incoming(b, answer);
	ck_assert(bench_complete_recv(b));
	bench_expect(b, CONN_RECV_CQ, WRID_RECV + 1, VERBS_WC_SUCCESS);
	bench_pass_ready(b);
}

void bench_learn(struct bench *b, uint64_t length, uint64_t chunk_size, uint64_t local)
{
	struct message m, answer;

	bench_pass_ready(b);
	message_begin(&m, WIRE_RAM_BLOCKS_REQUEST, 1);
	message_begin(&answer, WIRE_RAM_BLOCKS_RESULT, 1);
	message_put_block(&answer, BENCH_REMOTE, 0, length);
	exchange(b, &m, &answer);
	message_register(&m, WIRE_REGISTER_REQUEST, 0, 0, 0);
	message_result(&answer, bench_rkey(b), BENCH_REMOTE);
	exchange(b, &m, &answer);
	bench_register(b, local, chunk_size);
	ck_assert_uint_eq(bench_figures(b).chunk, chunk_size);
	b->outgoing_count = 0;
}

void bench_start_source(struct bench *b, unsigned int mode, unsigned int shift)
{
	bench_start(b, CONN_SOURCE, mode, shift);
	bench_learn(b, BENCH_LENGTH, MIB, BENCH_LOCAL);
	bench_post_answer_recvs(b);
}
