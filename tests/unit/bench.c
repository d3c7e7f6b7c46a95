/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "bench.h"

#include <string.h>

#include "core/verbs_values.h"

void bench_init(struct bench *b, bool one_cq, unsigned int shift)
{
	memset(b, 0, sizeof(*b));
	for (unsigned int i = 0; i < RECV_QUEUE_BUFFERS; i++) {
		b->buffers[i] = b->buffer_memory[i];
		b->posted[b->posted_count++] = i;
	}
	conn_init(&b->conn, one_cq, shift);
	expect(b->conn.state == CONN_CANDIDATE, "candidate", 0);
}

void bench_start(struct bench *b, enum conn_role role, bool one_cq, unsigned int shift)
{
	bench_init(b, one_cq, shift);
	if (role == CONN_SOURCE)
		bench_post_recv(b, 0);
	conn_start(&b->conn, role);
	expect(b->conn.state == CONN_ACTIVE, "active", role);
}

/* What the engine does after each call. */
static void repost(struct bench *b)
{
	for (unsigned int i = 0; i < RECV_QUEUE_BUFFERS; i++) {
		if (!(b->conn.repost & 1u << i))
			continue;
		b->conn.repost &= ~(1u << i);
		expect(b->posted_count < RECV_QUEUE_BUFFERS, "reposted twice", i);
		b->posted[b->posted_count++] = i;
	}
}

void bench_post_recv(struct bench *b, unsigned int n)
{
	struct recv_request request = {
		.wr_id = WRID_RECV + n,
		.addr = b->memory[n],
		.length = BENCH_MEMORY,
	};

	expect(!conn_post_recv(&b->conn, &request, b->buffers), "RECV posted", n);
	repost(b);
}

void bench_post_answer_recvs(struct bench *b)
{
	bench_post_recv(b, 1);
	bench_post_recv(b, 0);
}

static enum conn_action post(struct bench *b, const struct conn_wr *wr)
{
	struct conn_post p = {.slot = SEND_NO_SLOT};

	expect(!conn_post_send(&b->conn, wr, &p), "posted", wr->wr_id);
	if (p.action == CONN_NOTHING)
		return p.action;
	expect(b->send_count < BENCH_QUEUE, "room in the NIC", wr->wr_id);
	b->sends[b->send_count++] = (struct bench_send){p.serial, wr->signaled};
	if (p.action == CONN_POST_OWN) {
		expect(p.slot >= 0 && p.slot < SEND_SLOTS, "a slot", wr->wr_id);
		memcpy(b->wire.data, p.own.message, p.own.len);
		b->wire.len = p.own.len;
	} else if (wr->message) {
		memcpy(b->wire.data, wr->data, wr->length);
		b->wire.len = wr->length;
	}
	return p.action;
}

enum conn_action bench_send(struct bench *b, const struct message *m)
{
	struct conn_wr wr = {
		.wr_id = WRID_SEND,
		.message = true,
		.data = m->data,
		.length = m->len,
		.signaled = true,
	};

	return post(b, &wr);
}

void bench_write(struct bench *b, uint64_t wr_id, uint64_t length)
{
	struct conn_wr wr = {.wr_id = wr_id, .length = length, .signaled = true};

	expect(post(b, &wr) == CONN_POST, "a write goes out", wr_id);
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

bool bench_complete_send(struct bench *b)
{
	struct completion wc = {.status = VERBS_WC_SUCCESS, .opcode = VERBS_WC_SEND};
	struct bench_send done;

	do {
		if (!b->send_count)
			return false;
		done = b->sends[0];
		memmove(b->sends, b->sends + 1, --b->send_count * sizeof(done));
	} while (!done.signaled);
	expect(!conn_send_completed(&b->conn, done.serial, &wc), "a WR of ours", done.serial);
	repost(b);
	return true;
}

bool bench_complete_recv(struct bench *b)
{
	struct completion wc = {.status = VERBS_WC_SUCCESS, .opcode = VERBS_WC_RECV};
	const struct message *m = &b->incoming[0];
	unsigned int buffer;

	if (!b->incoming_count || !b->posted_count)
		return false;
	buffer = b->posted[0];
	memmove(b->posted, b->posted + 1, --b->posted_count * sizeof(buffer));
	memcpy(b->buffers[buffer], m->data, m->len);
	wc.byte_len = (uint32_t)m->len;
	conn_recv_completed(&b->conn, buffer, &wc, b->buffers);
	memmove(b->incoming, b->incoming + 1, --b->incoming_count * sizeof(*m));
	repost(b);
	return true;
}

bool bench_poll(struct bench *b, enum conn_cq cq, struct completion *c)
{
	return completion_queue_pop(conn_due(&b->conn, cq), c);
}

void bench_expect(struct bench *b, enum conn_cq cq, uint64_t wr_id, uint32_t status)
{
	struct completion c;

	ck_assert_msg(bench_poll(b, cq, &c), "nothing due, but %llu should be",
		      (unsigned long long)wr_id);
	ck_assert_uint_eq(c.wr_id, wr_id);
	ck_assert_uint_eq(c.status, status);
	ck_assert_uint_eq(c.opcode, wr_id >= WRID_RECV ? VERBS_WC_RECV : VERBS_WC_SEND);
}

void bench_expect_nothing(struct bench *b, enum conn_cq cq)
{
	struct completion c = {.wr_id = 0};

	ck_assert_msg(!bench_poll(b, cq, &c), "%llu is due, but should not be",
		      (unsigned long long)c.wr_id);
}

static void pass_ready(struct bench *b)
{
	bench_incoming_ready(b);
	ck_assert(bench_complete_recv(b));
	bench_expect(b, CONN_RECV_CQ, WRID_RECV, VERBS_WC_SUCCESS);
}

/* Send, complete, and receive what is incoming and READY. */
static void exchange(struct bench *b, const struct message *m, const struct message *answer)
{
	bench_post_answer_recvs(b);
	ck_assert_int_eq(bench_send(b, m), CONN_POST);
	ck_assert(bench_complete_send(b));
	bench_expect(b, CONN_SEND_CQ, WRID_SEND, VERBS_WC_SUCCESS);
	bench_incoming(b, answer);
	ck_assert(bench_complete_recv(b));
	bench_expect(b, CONN_RECV_CQ, WRID_RECV + 1, VERBS_WC_SUCCESS);
	pass_ready(b);
}

void bench_learn(struct bench *b, uint64_t length, uint64_t chunk_size, uint64_t local)
{
	struct message m, answer;
	struct range want;

	pass_ready(b);
	message_begin(&m, WIRE_RAM_BLOCKS_REQUEST, 1);
	message_begin(&answer, WIRE_RAM_BLOCKS_RESULT, 1);
	message_put_block(&answer, 0x550000000000, 0, length);
	exchange(b, &m, &answer);
	message_register(&m, WIRE_REGISTER_REQUEST, 0, 0, 0);
	message_result(&answer, 100, 0x550000000000);
	exchange(b, &m, &answer);
	ck_assert_ptr_nonnull(conn_register(&b->conn, local, chunk_size, &want));
	ck_assert_uint_eq(b->conn.source.chunk_size, chunk_size);
	ck_assert_uint_eq(b->conn.source.credits, 1);
	bench_post_answer_recvs(b);
}
