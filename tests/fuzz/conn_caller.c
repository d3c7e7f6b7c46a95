/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "conn_caller.h"

#include <errno.h>
#include <limits.h>
#include <stdarg.h>

#include "core/verbs_values.h"
#include "driver_mr.h"

#if defined(__has_include) && __has_include(<sanitizer/asan_interface.h>)
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(addr, size)	((void)(addr), (void)(size))
#define ASAN_UNPOISON_MEMORY_REGION(addr, size) ((void)(addr), (void)(size))
#endif

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

static bool is_own(const void *p)
{
	return (const uint8_t *)p >= memory && (const uint8_t *)p < memory + sizeof(memory);
}

/* ---- What the model leaves to us; for the rest see still.c ---- */

void world_fail(struct world *w, const char *format, ...)
{
	va_list args;

	(void)w;
	fputs("does not hold: ", stderr);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
	abort();
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

static int reg(void *context, uint64_t length)
{
	const struct caller *c = context;

	ENSURE(length);
	/* The model keeps them all. */
	if (c->world.nic.mrs > NIC_MRS / 2)
		return ENOMEM;
	return length > c->reg_limit ? c->reg_error : 0;
}

static void registered(void *context)
{
	struct caller *c = context;

	if (c->reg_discards)
		caller_discard(c);
}

static bool can_watch(void *context, const struct ram_block *block)
{
	const struct caller *c = context;

	return !c->watch_fails && block->length <= WATCHED_MAX;
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

static bool is_on_send_queue(const struct nic_qp *qp, uint64_t wr_id)
{
	for (uint64_t i = qp->freed; i < qp->posted; i++)
		if (qp->sq[i % NIC_SEND_QUEUE].wr_id == wr_id)
			return true;
	return false;
}

static int post_send(void *context, const struct conn_send *wr)
{
	struct caller *c = context;
	int error = c->post_error;

	if (error && !c->post_takes--) {
		c->post_error = 0;
		return error;
	}
	ENSURE(!is_on_send_queue(c->qp, wr->wr_id));
	if (wr->message)
		check_message(c, wr);
	return 0;
}

static const struct nic_recv *recv_at(const struct nic_qp *qp, unsigned int i)
{
	return &qp->rq[(qp->rq_head + i) % NIC_RECVS];
}

static int post_recv(void *context, const struct conn_recv *recv)
{
	void *buffer = (void *)(uintptr_t)recv->addr;
	struct caller *c = context;
	int error = c->recv_error;

	if (error && !c->recv_takes--) {
		c->recv_error = 0;
		return error;
	}
	if (!is_own(buffer))
		return 0;
	for (unsigned int i = 0; i < c->qp->rq_count; i++)
		ENSURE(recv_at(c->qp, i)->data != buffer);
	c->used_buffers |=
		1u << (unsigned int)(((uint8_t *)buffer - memory) / (ptrdiff_t)WIRE_MESSAGE_MAX);
	ENSURE(c->used_buffers < 1u << RECV_QUEUE_BUFFERS);
	/* It is the NIC's now. */
	ASAN_POISON_MEMORY_REGION(buffer, WIRE_MESSAGE_MAX);
	return 0;
}

/* The WR that tells of a failure tells of none that was posted before it. */
static void complete(struct caller *c)
{
	bool tells = c->qp->sq[c->qp->completed % NIC_SEND_QUEUE].wr_id != posting_nothing().wr_id;
	unsigned int before = c->qp->send_cq->count;

	nic_complete_send(&c->world, c->qp);
	if (c->qp->send_cq->count == before)
		c->silent = true;
	else if (tells)
		c->silent = false;
}

void caller_complete(struct caller *c, uint32_t status)
{
	if (c->qp->completed == c->qp->posted)
		return;
	if (status != VERBS_WC_SUCCESS)
		nic_fail(&c->world, c->qp, status);
	complete(c);
}

void caller_complete_all(struct caller *c)
{
	while (c->qp->completed < c->qp->posted)
		complete(c);
}

static struct qemu_wr *find_wr(struct caller *c, uint64_t wr_id)
{
	uint64_t number = wr_id >> 16;

	return number && number <= c->wrs ? &c->wr[number - 1] : NULL;
}

void caller_receive(struct caller *c, const void *data, uint32_t length)
{
	const struct nic_recv *recv = recv_at(c->qp, 0);
	void *buffer = recv->data;
	bool own = is_own(buffer);

	if (!c->qp->rq_count || c->qp->error)
		return;
	if (length > (own ? WIRE_MESSAGE_MAX : find_wr(c, recv->wr_id)->length))
		return;
	/* What is behind the message stays nobody's. */
	if (own)
		ASAN_UNPOISON_MEMORY_REGION(buffer, length);
	nic_receive(&c->world, c->qp, data, length);
}

/* ---- The threads ---- */

void caller_listen(struct caller *c)
{
	if (c->driver->listens)
		driver_listen(c->driver);
}

/* Others may act before the connection learns of what it has posted. */
void caller_step_poster(struct caller *c)
{
	struct driver *d = c->driver;

	if (!d->poster)
		return;
	d->locked = d->post.busy && !d->post.performed;
	driver_post(d);
	d->locked = 0;
}

void caller_step_prefetcher(struct caller *c)
{
	driver_prefetch(c->driver);
}

static void end_threads(struct caller *c)
{
	while (c->driver->post.busy)
		caller_step_poster(c);
	while (driver_is_prefetching(c->driver))
		caller_step_prefetcher(c);
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

static bool is_completed(const struct nic_cq *cq, uint64_t wr_id)
{
	for (unsigned int i = 0; i < cq->count; i++)
		if (cq->ring[(cq->head + i) % NIC_CQ].wc.wr_id == wr_id)
			return true;
	return false;
}

bool caller_is_outstanding(const struct caller *c, uint64_t wr_id)
{
	const struct worker *post = &c->driver->post;

	if (is_on_send_queue(c->qp, wr_id) || is_completed(c->qp->send_cq, wr_id) ||
	    is_completed(c->qp->recv_cq, wr_id))
		return true;
	for (unsigned int i = 0; i < c->qp->rq_count; i++)
		if (recv_at(c->qp, i)->wr_id == wr_id)
			return true;
	for (unsigned int i = 0; post->busy && i < post->action.post.count; i++)
		if (post->action.post.wr[i].wr_id == wr_id)
			return true;
	return wr_id >> 16 && wr_id >> 16 <= c->wrs;
}

/* QEMU sees this completion. */
static void told(struct caller *c, enum conn_cq cq, const struct completion *wc)
{
	const struct settings *s = &c->world.settings;
	struct qemu_wr *wr = find_wr(c, wc->wr_id);
	bool failed = wc->status != VERBS_WC_SUCCESS;

	if (!wr) {
		/* A failure of what it does not know of, or nonsense of the NIC's. */
		ENSURE(failed || wc->wr_id);
		return;
	}
	ENSURE((wc->wr_id & 0xffff) == WR_ID_TYPE(wr->kind));
	ENSURE(s->one_cq || (cq == CONN_RECV_CQ) == (wr->kind == QEMU_RECV));
	if (wr->kind == QEMU_RECV && !failed)
		ENSURE(wc->byte_len <= wr->length);
	/* QEMU has been told of an early one when it fails on the wire: once. */
	if (wr->kind == QEMU_WRITE && s->writes && failed && (wr->completed || !wr->accepted)) {
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
	unsigned int n = driver_poll_some(c->driver, cq, wc, max < 8 ? max : 8);

	for (unsigned int i = 0; i < n; i++)
		told(c, cq, &wc[i]);
	return n;
}

void caller_look(struct caller *c)
{
	for (unsigned int cq = 0; cq < CONN_CQS; cq++)
		if (conn_count_due(c->conn, (enum conn_cq)cq) == COMPLETION_QUEUE_ROOM)
			c->overrun = true;
}

/* ---- Beginning and end ---- */

void caller_init(struct caller *c, enum conn_role role, const struct conn_options *options)
{
	struct conn_options all = *options;
	struct world *w = &c->world;
	bool source = role != CONN_DESTINATION;

	all.memory = (struct guest_memory){has_data, c};
	c->hooks = (struct driver_hooks){post_send, post_recv, reg, registered, can_watch, c};
	w->settings.one_cq = all.one_cq;
	w->settings.writes = all.writes;
	w->settings.hostile = true;
	/* Whatever goes wrong has a reason. */
	w->fault_fired = true;
	nic_init(w);
	w->nic.mrs = CALLER_LKEYS;
	c->qp = source ? &w->nic.source : &w->nic.destination;
	if (all.one_cq)
		c->qp->recv_cq = c->qp->send_cq;
	c->driver = source ? &w->source_driver : &w->destination_driver;
	c->driver->hooks = &c->hooks;
	driver_init(w, c->driver, c->qp, &all);
	c->conn = c->driver->conn;
}

static void drain(struct caller *c, enum conn_cq cq)
{
	const struct nic_cq *real = cq == CONN_SEND_CQ ? c->qp->send_cq : c->qp->recv_cq;

	while (real->count)
		driver_drain(c->driver, cq);
}

void caller_finish(struct caller *c)
{
	/* Writes wait for others, in batches. */
	for (int round = 0; round < 2 * ORDER_WINDOW_WRITES; round++) {
		caller_step_poster(c);
		end_threads(c);
		caller_complete_all(c);
		drain(c, CONN_SEND_CQ);
		drain(c, CONN_RECV_CQ);
		driver_run(c->driver);
		if (c->qp->freed == c->qp->posted && !c->driver->post.busy &&
		    !conn_has(c->conn, CONN_KIND(CONN_POST_WRITES)))
			break;
	}
}

/* What is free again is posted again, and flushed: as often as a message of QEMU's may have
 * to wait for one before it. */
#define FLUSHES 12

/* False when there was nothing to flush. */
static bool flush(struct caller *c)
{
	bool any = c->qp->completed < c->qp->posted || c->qp->rq_count;

	caller_complete_all(c);
	while (c->qp->rq_count)
		nic_flush_recv(&c->world, c->qp);
	while (caller_poll(c, CONN_SEND_CQ, 8) || caller_poll(c, CONN_RECV_CQ, 8))
		;
	return any;
}

/* Each WR of QEMU's has completed, but for what it has given up, or had no room for. A NIC that had
 * none to flush tells nobody that it fails: then QEMU learns it from the CM, and stops waiting for
 * what had to wait. */
static void check_ledger(const struct caller *c, bool flushed)
{
	bool lost = c->overrun && conn_state(c->conn) == CONN_FAILED;

	for (unsigned int i = 0; i < c->wrs; i++) {
		const struct qemu_wr *wr = &c->wr[i];
		/* The NIC had no WRITE: one that has not completed waits behind a message. */
		bool left = !flushed && wr->kind != QEMU_RECV && !wr->posted;

		ENSURE(!wr->accepted || wr->completed || wr->abandoned || lost || left);
	}
}

void caller_flush(struct caller *c, bool gives_up)
{
	struct conn_figures figures;
	bool flushed = false;

	end_threads(c);
	if (gives_up || c->too_many)
		conn_fail(c->conn, EIO, "the input says so");
	nic_fail(&c->world, c->qp, VERBS_WC_WR_FLUSH_ERR);
	for (int round = 0; round < FLUSHES; round++) {
		driver_run(c->driver);
		caller_step_poster(c);
		end_threads(c);
		flushed |= flush(c);
	}
	check_ledger(c, flushed);
	conn_figures(c->conn, &figures);
	/* What was silent before the QP failed nobody will speak for. What waits behind a message
	 * waits on, where nobody was told. */
	if (!c->silent && flushed)
		ENSURE(!figures.window_writes && !figures.window_bytes);
}

void caller_end(struct caller *c, unsigned int order)
{
	end_threads(c);
	driver_end(c->driver, (enum driver_puts)(order % 3));
	for (unsigned int i = 0; i < c->wrs; i++)
		free(c->wr[i].data);
	for (unsigned int i = 0; i < RECV_QUEUE_BUFFERS; i++)
		if (c->used_buffers & 1u << i)
			ASAN_UNPOISON_MEMORY_REGION(memory + (size_t)i * WIRE_MESSAGE_MAX,
						    WIRE_MESSAGE_MAX);
}
