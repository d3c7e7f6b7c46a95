/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "qp.h"

#include <string.h>

#include "core/verbs_values.h"

void qp_init(struct qp *n, uint64_t merge_max)
{
	memset(n, 0, sizeof(*n));
	order_init(&n->order);
	n->order.policy.early = merge_max > 0;
	n->order.policy.merge_max = merge_max;
}

static void check_slot(const struct qp *n, const struct order_out *out)
{
	if (out->slot == SEND_NO_SLOT)
		return;
	expect(out->slot >= 0 && out->slot < SEND_SLOTS, "a slot", out->serial);
	/* The answer to a request says as well that its slot is free. */
	if (out->kind == ORDER_REQUEST) {
		expect(out->slot == SEND_SLOT_REQUEST, "the request's slot", out->serial);
		expect(n->order.request.state == OWN_REQUEST_QUEUED, "a free slot", out->serial);
		return;
	}
	for (unsigned int i = n->completed; i < n->given; i++)
		expect(n->wr[i].slot != out->slot, "a free slot", out->serial);
}

unsigned int qp_pump(struct qp *n)
{
	struct order_out out[ORDER_BATCH];
	unsigned int count, total = 0;

	while ((count = order_batch(&n->order, out)) > 0) {
		expect(count <= ORDER_BATCH, "a batch", count);
		expect(qp_in_flight(n) + count <= ORDER_SEND_QUEUE, "room", count);
		expect(n->given + count <= QP_ROOM, "room in the test", n->given);
		expect(out[count - 1].signaled, "the last of a batch is signalled", n->given);
		for (unsigned int i = 0; i < count; i++) {
			expect(out[i].serial == n->given, "serials in order", n->given);
			check_slot(n, &out[i]);
			n->wr[n->given++] = out[i];
			n->unsignaled = out[i].signaled ? 0 : n->unsignaled + 1;
			expect(n->unsignaled < 64, "completions are asked for", n->given);
		}
		order_posted(&n->order, out, count);
		n->batches++;
		n->last_batch = count;
		total += count;
	}
	return total;
}

int qp_write(struct qp *n, uint64_t wr_id, uint64_t at, uint64_t length)
{
	struct write write = {
		.wr_id = wr_id,
		.local_addr = QP_LOCAL + at,
		.remote_addr = QP_REMOTE + at,
		.length = length,
		.lkey = 1,
		.rkey = 2,
	};
	int ret = order_write(&n->order, &write, &n->due);

	qp_pump(n);
	return ret;
}

int qp_zero(struct qp *n, uint64_t at, uint64_t length)
{
	struct zero_run run = {
		.message = {.block = 0, .addr = at, .length = length},
		.remote = {QP_REMOTE + at, QP_REMOTE + at + length},
	};
	int ret = order_zero(&n->order, &run);

	qp_pump(n);
	return ret;
}

int qp_ordered(struct qp *n, uint64_t wr_id, bool urgent)
{
	struct order_message ordered = {.wr_id = wr_id, .length = 16, .urgent = urgent};
	int ret = order_message(&n->order, &ordered);

	qp_pump(n);
	return ret;
}

bool qp_ready(struct qp *n)
{
	bool own = order_ready(&n->order);

	qp_pump(n);
	return own;
}

bool qp_waits_for_ready(const struct qp *n)
{
	return order_waits_for_ready(&n->order);
}

void qp_flush(struct qp *n)
{
	order_flush(&n->order);
	qp_pump(n);
}

static void complete(struct qp *n, const struct order_out *out, uint32_t status)
{
	struct completion wc = {
		.wr_id = UINT64_MAX, /* ours to fill in */
		.status = status,
		.opcode = out->kind == ORDER_WRITE ? VERBS_WC_RDMA_WRITE : VERBS_WC_SEND,
		.vendor_err = status ? 77 : 0,
	};

	expect(!order_completed(&n->order, out->serial, &wc, &n->due), "a WR of ours", out->serial);
}

bool qp_complete(struct qp *n)
{
	unsigned int i = n->completed;

	while (i < n->given && !n->wr[i].signaled)
		i++;
	if (i == n->given)
		return false;
	n->completed = i + 1;
	complete(n, &n->wr[i], VERBS_WC_SUCCESS);
	qp_pump(n);
	return true;
}

void qp_fail(struct qp *n, uint32_t status)
{
	while (n->completed < n->given) {
		complete(n, &n->wr[n->completed++], status);
		qp_pump(n);
		status = VERBS_WC_WR_FLUSH_ERR;
	}
}

const struct order_out *qp_at(const struct qp *n, unsigned int i)
{
	ck_assert_uint_lt(n->completed + i, n->given);
	return &n->wr[n->completed + i];
}

unsigned int qp_in_flight(const struct qp *n)
{
	return n->given - n->completed;
}

uint64_t qp_bytes(const struct qp *n)
{
	uint64_t bytes = 0;

	for (unsigned int i = n->completed; i < n->given; i++)
		if (n->wr[i].kind == ORDER_WRITE)
			bytes += n->wr[i].write.length;
	return bytes;
}

void qp_expect(struct qp *n, uint64_t wr_id, uint32_t status)
{
	struct completion c;

	ck_assert_msg(completion_queue_pop(&n->due, &c), "nothing due, but %llu should be",
		      (unsigned long long)wr_id);
	ck_assert_uint_eq(c.wr_id, wr_id);
	ck_assert_uint_eq(c.status, status);
}
