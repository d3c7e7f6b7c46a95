/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "conn_caller.h"

#include <errno.h>
#include <limits.h>

#include "core/verbs_values.h"

#if defined(__has_include) && __has_include(<sanitizer/asan_interface.h>)
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(addr, size)	((void)(addr), (void)(size))
#define ASAN_UNPOISON_MEMORY_REGION(addr, size) ((void)(addr), (void)(size))
#endif

/* What only a thread does. */
#define LISTEN	 CONN_KIND(CONN_LISTEN)
#define PREFETCH (CONN_KIND(CONN_SCAN) | CONN_KIND(CONN_REGISTER))
#define WRITES	 CONN_KIND(CONN_POST_WRITES)

/* No loop of a caller's goes on for longer. */
#define STEPS_MAX 100000

/* Types in QEMU's wr_ids. */
#define WR_ID_TYPE(kind) ((kind) == QEMU_WRITE ? 1u : (kind) == QEMU_SEND ? 2000u : 4000u)

/* Longer blocks nobody can watch. */
#define WATCHED_MAX (UINT64_C(1) << 40)

static _Alignas(4096) uint8_t memory[POSTING_MEMORY_LEN];

void *caller_memory(void)
{
	return memory;
}

static uint8_t *buffer_of(const struct conn_recv *recv)
{
	return (uint8_t *)(uintptr_t)recv->addr;
}

static bool is_own(const void *p)
{
	return (const uint8_t *)p >= memory && (const uint8_t *)p < memory + sizeof(memory);
}

static enum conn_cq real_cq(const struct caller *c, enum conn_cq cq)
{
	return c->options.one_cq ? CONN_SEND_CQ : cq;
}

/* ---- The guest's memory and its registrations ---- */

static bool has_data(void *context, uint64_t addr, uint64_t length, uint64_t *budget)
{
	const struct caller *c = context;

	ENSURE(length);
	if (*budget < 4096) {
		*budget = 0;
		return false;
	}
	*budget -= 4096;
	return c->data >> (addr >> 20) % 64 & 1;
}

static int reg(void *context, uint64_t addr, uint64_t length, int access, struct mrs_real *real)
{
	struct caller *c = context;
	struct real_mr *mr;

	(void)addr;
	(void)access;
	ENSURE(length);
	if (c->reg_error && length > c->reg_limit)
		return -c->reg_error;
	mr = calloc(1, sizeof(*mr));
	ENSURE(mr);
	mr->lkey = CALLER_LKEYS + ++c->lkeys;
	mr->next = c->mrs;
	c->mrs = mr;
	c->mrs_live++;
	*real = (struct mrs_real){mr, mr->lkey};
	if (c->reg_discards)
		caller_discard(c);
	return 0;
}

/* By QEMU, which says when; or by the connection: then no WRITE uses it. */
static void give_back(struct caller *c, void *real)
{
	struct real_mr *mr = real;

	ENSURE(!mr->given_back);
	mr->given_back = true;
	c->mrs_live--;
}

static void dereg(void *context, void *real)
{
	const struct real_mr *mr = real;
	struct caller *c = context;

	for (unsigned int i = 0; i < c->sq_count; i++)
		ENSURE(c->sq[i].done || c->sq[i].wr.lkey != mr->lkey);
	/* Of those that a thread posts the NIC may have taken some. */
	if (c->post.state != LATE_NOTHING)
		for (unsigned int i = c->post.result.posted; i < c->post.action.post.count; i++)
			ENSURE(c->post.action.post.wr[i].lkey != mr->lkey);
	give_back(c, real);
}

static int watch(void *context, struct ram_blocks *blocks, struct ram_block *block)
{
	const struct caller *c = context;
	int ret;

	ENSURE(blocks == conn_blocks(c->conn));
	if (c->watch_fails || block->length > WATCHED_MAX)
		return -ENOMEM;
	ret = discard_map_init(&block->discards, block->length);
	if (!ret)
		block->watched = true;
	return ret;
}

void caller_discard(struct caller *c)
{
	struct ram_blocks *blocks = conn_blocks(c->conn);
	uint8_t which = input_8(&c->in), from = input_8(&c->in), length = input_8(&c->in);
	struct ram_block *block;
	struct range range;

	if (!blocks->count)
		return;
	block = &blocks->block[which % blocks->count];
	if (!block->watched)
		return;
	range.start = (uint64_t)from << 19;
	range.end = range.start + ((uint64_t)length << 19) + 4096;
	if (range.end > block->length)
		range.end = block->length;
	if (range.start < range.end)
		ram_blocks_discard(blocks, block, range);
}

/* ---- The NIC ---- */

static void push_cqe(struct caller *c, enum conn_cq cq, const struct completion *wc)
{
	cq = real_cq(c, cq);
	ENSURE(c->cq_count[cq] < sizeof(c->cq[0]) / sizeof(c->cq[0][0]));
	c->cq[cq][c->cq_count[cq]++] = *wc;
}

static void pop_cqe(struct caller *c, enum conn_cq cq, struct completion *wc)
{
	*wc = c->cq[cq][0];
	memmove(c->cq[cq], c->cq[cq] + 1, --c->cq_count[cq] * sizeof(*wc));
	/* It frees its place on the send queue, and those before it. */
	for (unsigned int i = 0; i < c->sq_count; i++) {
		if (c->sq[i].wr.wr_id != wc->wr_id)
			continue;
		ENSURE(c->sq[i].done);
		c->sq_count -= i + 1;
		memmove(c->sq, c->sq + i + 1, c->sq_count * sizeof(c->sq[0]));
		break;
	}
}

/* What the NIC reads of a message is one of ours, or the one that QEMU has just posted. */
static void check_message(struct caller *c, const struct conn_send *wr)
{
	const uint8_t *data = (const uint8_t *)(uintptr_t)wr->addr;
	const uint8_t *slots = memory + (size_t)RECV_QUEUE_BUFFERS * WIRE_MESSAGE_MAX;
	unsigned int i = c->wrs;

	if (is_own(data)) {
		ENSURE(data >= slots && (size_t)(data - slots) % WIRE_OWN_MAX == 0);
		ENSURE(wr->length >= WIRE_HEADER_LEN && wr->length <= WIRE_OWN_MAX);
		return;
	}
	while (i > 0 && c->wr[i - 1].data != data)
		i--;
	ENSURE(i > 0 && !wr->ours && c->wr[i - 1].length == wr->length);
	ENSURE(c->wr[i - 1].accepted && !c->wr[i - 1].posted && !c->wr[i - 1].abandoned);
	c->wr[i - 1].posted = true;
}

static void nic_post(struct caller *c, const struct conn_send *wr)
{
	ENSURE(c->sq_count < ORDER_SEND_QUEUE);
	for (unsigned int i = 0; i < c->sq_count; i++)
		ENSURE(c->sq[i].wr.wr_id != wr->wr_id);
	if (wr->message)
		check_message(c, wr);
	c->sq[c->sq_count++] = (struct nic_entry){.wr = *wr};
}

static void post(struct caller *c, const struct conn_action *action, struct conn_result *result)
{
	ENSURE(action->post.count && action->post.count <= ORDER_BATCH);
	ENSURE(action->kind == CONN_POST_WRITES || action->post.count == 1);
	for (; result->posted < action->post.count; result->posted++) {
		const struct conn_send *wr = &action->post.wr[result->posted];

		if (c->post_error && !c->post_takes--) {
			result->error = c->post_error;
			c->post_error = 0;
			return;
		}
		ENSURE(wr->message == (action->kind == CONN_POST_MESSAGE));
		nic_post(c, wr);
	}
}

static void post_recv(struct caller *c, const struct conn_recv *recv, struct conn_result *result)
{
	unsigned int bit;

	c->recv_refused = c->recv_error && !c->recv_takes--;
	if (c->recv_refused) {
		result->error = c->recv_error;
		c->recv_error = 0;
		return;
	}
	ENSURE(c->rq_count < CALLER_RECVS);
	c->rq[c->rq_count++] = *recv;
	if (!is_own(buffer_of(recv)))
		return;
	bit = 1u << (unsigned int)((buffer_of(recv) - memory) / (ptrdiff_t)WIRE_MESSAGE_MAX);
	ENSURE(bit < 1u << RECV_QUEUE_BUFFERS && !(c->own_buffers & bit));
	c->own_buffers |= bit;
	c->used_buffers |= bit;
	/* It is the NIC's now. */
	ASAN_POISON_MEMORY_REGION(buffer_of(recv), WIRE_MESSAGE_MAX);
}

static void pop_recv(struct caller *c, struct conn_recv *recv)
{
	*recv = c->rq[0];
	memmove(c->rq, c->rq + 1, --c->rq_count * sizeof(c->rq[0]));
	if (is_own(buffer_of(recv)))
		c->own_buffers &= ~(1u << (unsigned int)((buffer_of(recv) - memory) /
							 (ptrdiff_t)WIRE_MESSAGE_MAX));
}

void caller_complete(struct caller *c, uint32_t status)
{
	struct completion wc = {.status = c->qp_error ? VERBS_WC_WR_FLUSH_ERR : status};

	for (unsigned int i = 0; i < c->sq_count; i++) {
		if (c->sq[i].done)
			continue;
		c->sq[i].done = true;
		wc.wr_id = c->sq[i].wr.wr_id;
		wc.opcode = c->sq[i].wr.message ? VERBS_WC_SEND : VERBS_WC_RDMA_WRITE;
		c->qp_error = wc.status != VERBS_WC_SUCCESS;
		if (c->sq[i].wr.signaled || c->qp_error)
			push_cqe(c, CONN_SEND_CQ, &wc);
		return;
	}
}

void *caller_receive_begin(struct caller *c, uint32_t room)
{
	if (!c->rq_count || c->qp_error)
		return NULL;
	if (room > c->rq[0].length)
		return NULL;
	if (is_own(buffer_of(&c->rq[0])))
		ASAN_UNPOISON_MEMORY_REGION(buffer_of(&c->rq[0]), room);
	return buffer_of(&c->rq[0]);
}

void caller_receive_end(struct caller *c, uint32_t length)
{
	struct completion wc = {.opcode = VERBS_WC_RECV, .byte_len = length};
	struct conn_recv recv;

	pop_recv(c, &recv);
	wc.wr_id = recv.wr_id;
	/* What is behind the message is nobody's. */
	if (is_own(buffer_of(&recv))) {
		ASAN_POISON_MEMORY_REGION(buffer_of(&recv), WIRE_MESSAGE_MAX);
		ASAN_UNPOISON_MEMORY_REGION(buffer_of(&recv), length);
	}
	push_cqe(c, CONN_RECV_CQ, &wc);
}

void caller_fail_recv(struct caller *c, uint32_t status)
{
	struct completion wc = {.status = c->qp_error ? VERBS_WC_WR_FLUSH_ERR : status};
	struct conn_recv recv;

	if (!c->rq_count)
		return;
	wc.opcode = VERBS_WC_RECV;
	pop_recv(c, &recv);
	wc.wr_id = recv.wr_id;
	push_cqe(c, CONN_RECV_CQ, &wc);
	c->qp_error = true;
}

/* ---- Actions ---- */

static void abort_qp(struct caller *c, const struct conn_action *action)
{
	struct completion wc = {.wr_id = action->abort.wr.wr_id, .status = VERBS_WC_WR_FLUSH_ERR};

	ENSURE(action->abort.error > 0 && action->abort.cause >= 0 && action->abort.reason[0]);
	ENSURE(action->abort.wr.signaled && !action->abort.wr.length);
	ENSURE(conn_error(c->conn) < 0 && conn_error(c->conn) != -ENOMEM);
	c->qp_error = true;
	push_cqe(c, CONN_SEND_CQ, &wc);
}

static void perform(struct caller *c, const struct conn_action *action, struct conn_result *result)
{
	switch (action->kind) {
	case CONN_ABORT:
		abort_qp(c, action);
		break;
	case CONN_POST_RECV:
		post_recv(c, &action->recv, result);
		break;
	case CONN_POST_MESSAGE:
	case CONN_POST_WRITES:
		post(c, action, result);
		break;
	case CONN_DEREGISTER:
		dereg(c, action->mr);
		break;
	case CONN_LISTEN:
		caller_drain(c, action->cq, 16);
		break;
	case CONN_SCAN:
		result->found = prefetch_find(&action->scan);
		break;
	case CONN_REGISTER:
		result->error = -reg(c, action->memory.addr, action->memory.length,
				     action->memory.access, &result->mr);
		break;
	case CONN_SHUN:
	case CONN_KINDS:
		break;
	}
}

bool caller_run(struct caller *c)
{
	unsigned int kinds = CONN_ALL_KINDS & ~(LISTEN | PREFETCH), steps = 0;
	struct conn_action action;

	if (c->poster)
		kinds &= ~WRITES;
	while (conn_next(c->conn, kinds, &action)) {
		struct conn_result result = {.posted = 0};

		ENSURE(++steps < STEPS_MAX);
		perform(c, &action, &result);
		conn_done(c->conn, &action, &result);
		if (c->recv_refused && conn_state(c->conn) < CONN_ACTIVE) {
			c->recv_refused = false;
			return false;
		}
	}
	c->listens = conn_next(c->conn, LISTEN, &c->listen);
	ENSURE(!c->listens || !c->options.one_cq);
	/* The thread that posts has not got to it. */
	if (c->post.state == LATE_NOTHING && !conn_has(c->conn, WRITES))
		ENSURE(!conn_check(c->conn));
	return true;
}

void caller_listen(struct caller *c)
{
	const struct conn_result result = {.posted = 0};

	if (!c->listens)
		return;
	perform(c, &c->listen, &(struct conn_result){.posted = 0});
	conn_done(c->conn, &c->listen, &result);
	caller_run(c);
}

static void step_thread(struct caller *c, struct late *late, unsigned int kinds)
{
	struct conn_result nothing = {.posted = 0};

	switch (late->state) {
	case LATE_NOTHING:
		if (!conn_next(c->conn, kinds, &late->action))
			break;
		late->state = LATE_TAKEN;
		late->result = nothing;
		break;
	case LATE_TAKEN:
		perform(c, &late->action, &late->result);
		late->state = LATE_DONE;
		break;
	case LATE_DONE:
		late->state = LATE_NOTHING;
		conn_done(c->conn, &late->action, &late->result);
		caller_run(c);
		break;
	}
}

void caller_step_poster(struct caller *c)
{
	if (c->poster)
		step_thread(c, &c->post, WRITES);
}

void caller_step_prefetcher(struct caller *c)
{
	step_thread(c, &c->prefetch, PREFETCH);
}

void caller_drain(struct caller *c, enum conn_cq cq, unsigned int max)
{
	struct completion wc;

	cq = real_cq(c, cq);
	for (; max && c->cq_count[cq]; max--) {
		pop_cqe(c, cq, &wc);
		conn_completed(c->conn, &wc);
	}
}

/* ---- QEMU ---- */

struct qemu_wr *caller_new_wr(struct caller *c, enum qemu_kind kind, uint32_t length,
			      uint64_t *wr_id)
{
	struct qemu_wr *wr = &c->wr[c->wrs];

	if (c->wrs == CALLER_WRS - 1)
		return NULL;
	*wr = (struct qemu_wr){.kind = kind, .length = length};
	*wr_id = (uint64_t)(1 + c->wrs++) << 16 | WR_ID_TYPE(kind);
	if (kind == QEMU_WRITE)
		return wr;
	wr->data = malloc(length ? length : 1);
	ENSURE(wr->data);
	return wr;
}

static struct qemu_wr *find_wr(const struct caller *c, uint64_t wr_id)
{
	uint64_t number = wr_id >> 16;

	return number && number <= c->wrs ? &c->wr[number - 1] : NULL;
}

void caller_accept(struct caller *c, struct qemu_wr *wr, bool urgent)
{
	/* QEMU has given up on what has not gone. */
	for (struct qemu_wr *other = c->wr; urgent && other < wr; other++)
		if (other->kind == QEMU_SEND && other->accepted && !other->completed &&
		    !other->posted)
			other->abandoned = true;
	wr->accepted = true;
	c->open[wr->kind]++;
}

bool caller_is_outstanding(const struct caller *c, uint64_t wr_id)
{
	for (unsigned int i = 0; i < c->sq_count; i++)
		if (c->sq[i].wr.wr_id == wr_id)
			return true;
	for (unsigned int i = 0; i < c->rq_count; i++)
		if (c->rq[i].wr_id == wr_id)
			return true;
	for (unsigned int cq = 0; cq < CONN_CQS; cq++)
		for (unsigned int i = 0; i < c->cq_count[cq]; i++)
			if (c->cq[cq][i].wr_id == wr_id)
				return true;
	if (c->post.state != LATE_NOTHING)
		for (unsigned int i = 0; i < c->post.action.post.count; i++)
			if (c->post.action.post.wr[i].wr_id == wr_id)
				return true;
	return find_wr(c, wr_id) != NULL;
}

/* QEMU sees this completion. */
static void told(struct caller *c, enum conn_cq cq, const struct completion *wc)
{
	struct qemu_wr *wr = find_wr(c, wc->wr_id);
	bool failed = wc->status != VERBS_WC_SUCCESS;

	if (!wr) {
		/* A failure of what it does not know of, or nonsense of the NIC's. */
		ENSURE(failed || wc->wr_id);
		return;
	}
	ENSURE((wc->wr_id & 0xffff) == WR_ID_TYPE(wr->kind));
	ENSURE(c->options.one_cq || (cq == CONN_RECV_CQ) == (wr->kind == QEMU_RECV));
	if (wr->kind == QEMU_RECV && !failed)
		ENSURE(wc->byte_len <= wr->length);
	/* QEMU has been told of an early one when it fails on the wire: once. */
	if (wr->kind == QEMU_WRITE && c->options.writes && failed &&
	    (wr->completed || !wr->accepted)) {
		ENSURE(!c->told_again);
		c->told_again = true;
		return;
	}
	ENSURE(wr->accepted && !wr->completed);
	wr->completed = true;
	c->open[wr->kind]--;
}

unsigned int caller_poll(struct caller *c, enum conn_cq cq, unsigned int max)
{
	struct completion wc[8];
	unsigned int n, steps = 0;

	if (max > 8)
		max = 8;
	conn_polls(c->conn, cq);
	c->listens = conn_next(c->conn, LISTEN, &c->listen);
	do {
		ENSURE(++steps < STEPS_MAX);
		if (!conn_count_due(c->conn, cq)) {
			if (!c->cq_count[real_cq(c, cq)])
				return 0;
			caller_drain(c, cq, 1);
		}
		n = conn_take_due(c->conn, cq, wc, max);
		caller_run(c);
	} while (!n);
	for (unsigned int i = 0; i < n; i++)
		told(c, cq, &wc[i]);
	return n;
}

/* ---- Beginning and end ---- */

void caller_init(struct caller *c, const uint8_t *data, size_t size)
{
	struct qemu_wr *wr = c->wr;
	uint8_t flags;

	memset(c, 0, sizeof(*c));
	c->wr = wr;
	c->in = (struct input){data, size};
	flags = input_8(&c->in);
	c->poster = flags & 1;
	c->options = (struct conn_options){
		.one_cq = flags & 2,
		.writes = flags & 4,
		.zeros = flags & 8,
		.prefetch = flags & 16,
		.limited = flags & 32,
		.shift = 20 + input_8(&c->in) % 11,
		.memory = {has_data, c},
		.mrs = {reg, dereg, watch, c},
	};
	c->data = UINT64_C(0x0101010101010101) * (uint8_t)~input_8(&c->in);
	c->conn = conn_new(&c->options);
	ENSURE(c->conn);
}

static void end_threads(struct caller *c)
{
	while (c->post.state != LATE_NOTHING)
		caller_step_poster(c);
	while (c->prefetch.state != LATE_NOTHING)
		caller_step_prefetcher(c);
}

void caller_finish(struct caller *c)
{
	/* Writes wait for others, in batches. */
	for (int round = 0; round < 2 * ORDER_WINDOW_WRITES; round++) {
		caller_step_poster(c);
		end_threads(c);
		for (unsigned int n = c->sq_count; n > 0; n--)
			caller_complete(c, VERBS_WC_SUCCESS);
		caller_drain(c, CONN_SEND_CQ, UINT_MAX);
		caller_drain(c, CONN_RECV_CQ, UINT_MAX);
		caller_run(c);
		if (!c->sq_count && c->post.state == LATE_NOTHING && !conn_has(c->conn, WRITES))
			break;
	}
}

/* What is free again is posted again, and flushed: as often as a message of QEMU's may have
 * to wait for one before it. */
#define FLUSHES 12

void caller_flush(struct caller *c, bool gives_up)
{
	struct conn_figures figures;

	end_threads(c);
	if (gives_up || c->too_many)
		conn_fail(c->conn, EIO, "the input says so");
	c->qp_error = true;
	for (int round = 0; round < FLUSHES; round++) {
		caller_run(c);
		caller_step_poster(c);
		end_threads(c);
		for (unsigned int n = c->sq_count; n > 0; n--)
			caller_complete(c, VERBS_WC_WR_FLUSH_ERR);
		for (unsigned int n = c->rq_count; n > 0; n--)
			caller_fail_recv(c, VERBS_WC_WR_FLUSH_ERR);
		while (caller_poll(c, CONN_SEND_CQ, 8) || caller_poll(c, CONN_RECV_CQ, 8))
			;
	}
	for (unsigned int i = 0; i < c->wrs; i++)
		ENSURE(!c->wr[i].accepted || c->wr[i].completed || c->wr[i].abandoned);
	conn_figures(c->conn, &figures);
	/* What was silent before the QP failed nobody will speak for. */
	if (!c->sq_count)
		ENSURE(!figures.window_writes && !figures.window_bytes);
}

void caller_put(struct caller *c, unsigned int which)
{
	struct mr *mr;
	void *real;

	if (!c->handles)
		return;
	which %= c->handles;
	mr = c->handle[which];
	c->handle[which] = c->handle[--c->handles];
	real = mrs_put(mr);
	if (real)
		give_back(c, real);
}

static void put_handles(struct caller *c)
{
	while (c->handles)
		caller_put(c, 0);
}

void caller_end(struct caller *c, unsigned int order)
{
	struct real_mr *mr;
	void *real;

	end_threads(c);
	if (order % 3 == 0)
		put_handles(c);
	while ((real = conn_end(c->conn)))
		give_back(c, real);
	if (order % 3 == 1)
		put_handles(c);
	conn_free(c->conn);
	put_handles(c);
	ENSURE(!c->mrs_live);
	while ((mr = c->mrs)) {
		c->mrs = mr->next;
		ENSURE(mr->given_back);
		free(mr);
	}
	for (unsigned int i = 0; i < c->wrs; i++)
		free(c->wr[i].data);
	for (unsigned int i = 0; i < RECV_QUEUE_BUFFERS; i++)
		if (c->used_buffers & 1u << i)
			ASAN_UNPOISON_MEMORY_REGION(memory + (size_t)i * WIRE_MESSAGE_MAX,
						    WIRE_MESSAGE_MAX);
}
