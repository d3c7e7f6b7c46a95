/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "bench.h"

#include <string.h>

#include "core/verbs_values.h"

void bench_init(struct bench *b, unsigned int mode, unsigned int shift)
{
	const struct conn_options options = {
		.shift = shift,
		.writes = mode & BENCH_WRITES,
		.zeros = mode & BENCH_ZEROS,
		.ahead = mode & BENCH_AHEAD,
		.memory = fake_memory_of(&b->guest),
	};

	memset(b, 0, sizeof(*b));
	for (unsigned int i = 0; i < RECV_QUEUE_BUFFERS; i++) {
		b->buffers[i] = b->buffer_memory[i];
		b->posted[b->posted_count++] = i;
	}
	conn_init(&b->conn, mode & BENCH_ONE_CQ, &options);
	expect(b->conn.state == CONN_CANDIDATE, "candidate", 0);
}

void bench_start(struct bench *b, enum conn_role role, unsigned int mode, unsigned int shift)
{
	bench_init(b, mode, shift);
	if (role == CONN_SOURCE)
		bench_post_recv(b, 0);
	conn_start(&b->conn, role, BENCH_MAX_MESSAGE);
	expect(b->conn.state == CONN_ACTIVE, "active", role);
}

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

/* A message of our own must not be overwritten while it is on the wire. */
static bool slot_is_free(const struct bench *b, int slot)
{
	for (unsigned int i = 0; i < b->send_count; i++)
		if (b->sends[i].slot == slot)
			return false;
	return true;
}

static void to_wire(struct bench *b, const struct transmit_out *out)
{
	struct message *m = &b->wire;

	if (out->slot != SEND_NO_SLOT) {
		expect(out->slot >= 0 && out->slot < SEND_SLOTS, "a slot", out->serial);
		/* The answer to a request says as well that its slot is free. */
		expect(out->kind == TRANSMIT_REQUEST ? !b->conn.transmit.request.unacknowledged
						     : slot_is_free(b, out->slot),
		       "a free slot", out->serial);
	}
	switch (out->kind) {
	case TRANSMIT_WRITE:
		expect(out->slot == SEND_NO_SLOT, "a write has no slot", out->serial);
		b->written += out->write.length;
		return;
	case TRANSMIT_ZERO:
		expect(out->slot != SEND_SLOT_STRICT && out->slot != SEND_SLOT_REQUEST &&
			       out->slot != SEND_NO_SLOT,
		       "a zero run's own slot", out->serial);
		m->len = wire_build_compress(m->data, &out->zero);
		break;
	case TRANSMIT_REQUEST:
		expect(out->slot == SEND_SLOT_REQUEST, "the request's slot", out->serial);
		m->len = wire_build_register_request(m->data, &out->request);
		break;
	case TRANSMIT_STRICT:
		m->len = out->strict.own ? b->slots[out->slot].len : out->strict.length;
		if (m->len)
			memcpy(m->data,
			       out->strict.own ? b->slots[out->slot].message
					       : (const void *)(uintptr_t)out->strict.addr,
			       m->len);
		break;
	}
	if (b->outgoing_count < BENCH_QUEUE)
		b->outgoing[b->outgoing_count++] = *m;
}

/* What the engine does after each call. */
static void settle(struct bench *b)
{
	struct transmit_out out[TRANSMIT_BATCH];
	unsigned int count;

	repost(b);
	while ((count = conn_batch(&b->conn, out)) > 0) {
		expect(count <= TRANSMIT_BATCH, "a batch", count);
		expect(b->send_count + count <= TRANSMIT_SEND_QUEUE, "room in the NIC", count);
		for (unsigned int i = 0; i < count; i++) {
			to_wire(b, &out[i]);
			b->sends[b->send_count++] = out[i];
		}
		conn_posted(&b->conn, out, count);
	}
}

void bench_pump(struct bench *b)
{
	settle(b);
}

void bench_post_recv(struct bench *b, unsigned int n)
{
	struct recv_request request = {
		.wr_id = WRID_RECV + n,
		.addr = b->memory[n],
		.length = BENCH_MEMORY,
	};

	expect(!conn_post_recv(&b->conn, &request, b->buffers), "RECV posted", n);
	settle(b);
}

void bench_post_answer_recvs(struct bench *b)
{
	bench_post_recv(b, 1);
	bench_post_recv(b, 0);
}

int bench_post(struct bench *b, const struct conn_wr *wr)
{
	struct source_reply own;
	int ret = conn_post_send(&b->conn, wr, &own);

	if (!ret && own.len) {
		expect(slot_is_free(b, SEND_SLOT_STRICT), "a free slot", wr->wr_id);
		b->slots[SEND_SLOT_STRICT] = own;
	}
	settle(b);
	return ret;
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
	unsigned int before = b->send_count;

	expect(!bench_post(b, &wr), "posted", wr.wr_id);
	if (b->conn.transmit.strict.pending)
		return BENCH_WAITS;
	if (b->send_count == before || b->sends[b->send_count - 1].kind != TRANSMIT_STRICT)
		return BENCH_NOTHING;
	return b->sends[b->send_count - 1].strict.own ? BENCH_REPLACED : BENCH_SENT;
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
	conn_arm(&b->conn, cq);
	settle(b);
	/* What has just gone out may be what a READY is due for. */
	return conn_arm(&b->conn, cq);
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

static void complete(struct bench *b, const struct transmit_out *done, uint32_t status)
{
	struct completion wc = {
		.status = status,
		.opcode = done->kind == TRANSMIT_WRITE ? VERBS_WC_RDMA_WRITE : VERBS_WC_SEND,
	};

	expect(!conn_send_completed(&b->conn, done->serial, &wc), "a WR of ours", done->serial);
}

static bool take_send(struct bench *b, struct transmit_out *done)
{
	if (!b->send_count)
		return false;
	*done = b->sends[0];
	memmove(b->sends, b->sends + 1, --b->send_count * sizeof(*done));
	return true;
}

bool bench_complete_send(struct bench *b)
{
	struct transmit_out done;

	do {
		if (!take_send(b, &done))
			return false;
	} while (!done.signaled);
	complete(b, &done, VERBS_WC_SUCCESS);
	settle(b);
	return true;
}

void bench_fail_sends(struct bench *b, uint32_t status)
{
	struct transmit_out done;

	while (take_send(b, &done)) {
		complete(b, &done, status);
		status = VERBS_WC_WR_FLUSH_ERR;
		settle(b);
	}
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
	settle(b);
	return true;
}

bool bench_poll(struct bench *b, enum conn_cq cq, struct completion *c)
{
	return completion_queue_pop(conn_due(&b->conn, cq), c);
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
	ck_assert_uint_eq(c.opcode, opcode_of(wr_id));
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
	ck_assert_int_eq(bench_send(b, m), BENCH_SENT);
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
	message_put_block(&answer, BENCH_REMOTE, 0, length);
	exchange(b, &m, &answer);
	message_register(&m, WIRE_REGISTER_REQUEST, 0, 0, 0);
	message_result(&answer, 100, BENCH_REMOTE);
	exchange(b, &m, &answer);
	ck_assert_ptr_nonnull(conn_register(&b->conn, local, chunk_size, &want));
	ck_assert_uint_eq(b->conn.source.chunk_size, chunk_size);
	ck_assert_uint_eq(b->conn.transmit.credits, 1);
	bench_post_answer_recvs(b);
	b->outgoing_count = 0;
}
