/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "driver.h"

#include <errno.h>
#include <string.h>

#include "core/verbs_values.h"
#include "driver_mr.h"
#include "rules.h"
#include "world.h"

/* Completions taken in one go from a CQ that QEMU is not looking at. */
#define DRAIN 16
/* No call is made as often. */
#define WAITS_MAX   100000
#define ACTIONS_MAX 100000

/* What only a thread does. */
#define LISTEN	 CONN_KIND(CONN_LISTEN)
#define PREFETCH (CONN_KIND(CONN_SCAN) | CONN_KIND(CONN_REGISTER))
#define WRITES	 CONN_KIND(CONN_POST_WRITES)

static struct nic_cq *real_cq(const struct driver *d, enum conn_cq cq)
{
	return cq == CONN_SEND_CQ ? d->qp->send_cq : d->qp->recv_cq;
}

static struct nic_wr compose(const struct conn_send *send)
{
	return (struct nic_wr){
		.wr_id = send->wr_id,
		.message = send->message,
		.signaled = send->signaled,
		.unasked = send->ours,
		.addr = send->addr,
		.length = send->length,
		.lkey = send->lkey,
		.remote_addr = send->remote_addr,
		.rkey = send->rkey,
	};
}

/* The source's NIC turns WRs away as the seed says. */
static int post_fails(struct driver *d, const struct conn_send *wr)
{
	struct world *w = d->world;

	if (d->hooks)
		return d->hooks->post_send(d->hooks->context, wr);
	if (d != &w->source_driver)
		return 0;
	if (world_fault(w, FAULT_POST))
		return EIO;
	return w->settings.busy_percent && d->qp->posted != d->qp->freed &&
			       random_percent(&w->random, w->settings.busy_percent)
		       ? ENOMEM
		       : 0;
}

/* From result->posted on, as ops->post_send(). */
static void post(struct driver *d, const struct conn_action *action, struct conn_result *result)
{
	struct world *w = d->world;
	struct nic_wr wr;

	world_expect(w, action->post.count && action->post.count <= ORDER_BATCH, "%u WRs at a time",
		     action->post.count);
	for (; result->posted < action->post.count; result->posted++) {
		const struct conn_send *send = &action->post.wr[result->posted];

		world_expect(w, send->message == (action->kind == CONN_POST_MESSAGE),
			     "a SEND or a WRITE is called the other");
		result->error = post_fails(d, send);
		if (result->error)
			return;
		wr = compose(send);
		world_expect(w, nic_post_send(w, d->qp, &wr), "the send queue overruns");
		rules_posted(d, &wr);
	}
}

static void fail_qp(struct driver *d, const struct conn_action *action)
{
	struct nic_wr wr = compose(&action->abort.wr);
	struct world *w = d->world;

	world_trace(w, "shim", "fails: %s", action->abort.reason);
	world_expect(w, w->fault_fired || w->settings.busy_percent, "the shim gives up: %s",
		     action->abort.reason);
	world_expect(w, action->abort.error > 0 && action->abort.cause >= 0,
		     "the shim gives up with error %d for %d", action->abort.error,
		     action->abort.cause);
	world_expect(w, wr.signaled && !wr.length, "what tells of the failure is no empty WR");
	world_expect(w, conn_error(d->conn) < 0 && conn_error(d->conn) != -ENOMEM,
		     "QEMU is told to wait on a connection that has failed");
	w->fault_fired = true;
	nic_fail(w, d->qp, VERBS_WC_WR_FLUSH_ERR);
	nic_post_send(w, d->qp, &wr);
}

static void post_recv(struct driver *d, const struct conn_action *action,
		      struct conn_result *result)
{
	struct nic_recv recv = {
		.wr_id = action->recv.wr_id,
		.data = (void *)(uintptr_t)action->recv.addr,
	};

	if (d->hooks)
		result->error = d->hooks->post_recv(d->hooks->context, &action->recv);
	if (!result->error)
		nic_post_recv(d->world, d->qp, &recv);
}

void driver_time(struct driver *d)
{
	if (d->world->settings.tick_ns)
		conn_time(d->conn, d->world->clock);
}

void driver_drain(struct driver *d, enum conn_cq cq)
{
	struct nic_cqe cqe;

	for (unsigned int i = 0; i < DRAIN && nic_poll(real_cq(d, cq), &cqe); i++) {
		rules_completed(d, &cqe);
		driver_time(d);
		conn_completed(d->conn, &cqe.wc);
	}
}

void driver_perform(struct driver *d, const struct conn_action *action, struct conn_result *result)
{
	switch (action->kind) {
	case CONN_ABORT:
		fail_qp(d, action);
		break;
	case CONN_SHUN:
		d->shunned = true;
		break;
	case CONN_POST_RECV:
		post_recv(d, action, result);
		break;
	case CONN_POST_MESSAGE:
	case CONN_POST_WRITES:
		post(d, action, result);
		break;
	case CONN_DEREGISTER:
		world_trace(d->world, "shim", "gives back an MR of which all was discarded");
		driver_mr_give_back(d, action->mr);
		d->given_back++;
		break;
	case CONN_LISTEN:
		driver_drain(d, action->cq);
		break;
	case CONN_SCAN:
		world_trace(d->world, "ahead", "has looked for data");
		result->found = prefetch_find(&action->scan);
		break;
	case CONN_REGISTER:
		driver_mr_register(d, action, result);
		break;
	case CONN_KINDS:
		break;
	}
}

void driver_init(struct world *w, struct driver *d, struct nic_qp *qp,
		 const struct conn_options *options)
{
	struct conn_options all = *options;

	d->world = w;
	d->qp = qp;
	all.mrs = driver_mr_ops(d);
	d->threads = all.threads;
	d->conn = conn_new(&all);
	world_expect(w, d->conn, "no memory for a connection");
}

void driver_start(struct driver *d, enum conn_role role, void *memory)
{
	struct world *w = d->world;

	conn_set_role(d->conn, role);
	if (role == CONN_SOURCE)
		conn_take_over(d->conn, memory,
			       nic_register(w, (uintptr_t)memory, POSTING_MEMORY_LEN));
	else
		conn_keep_recvs(d->conn);
	driver_run(d);
	conn_start(d->conn, w->settings.max_message);
	driver_run(d);
}

void driver_end(struct driver *d, enum driver_puts puts)
{
	void *mr;

	driver_mr_finish(d);
	if (puts == DRIVER_PUTS_FIRST)
		driver_mr_put_handles(d);
	while ((mr = conn_end(d->conn)))
		driver_mr_give_back_last(d, mr);
	if (puts == DRIVER_PUTS_LATE)
		driver_mr_put_handles(d);
	conn_free(d->conn);
	d->conn = NULL;
	if (puts == DRIVER_PUTS_LAST)
		driver_mr_put_handles(d);
	world_expect(d->world, !d->registered, "%u registrations are left behind", d->registered);
}

void driver_clear(struct driver *d)
{
	if (!d->conn)
		return;
	while (conn_end(d->conn))
		;
	while (d->handles)
		mrs_put(d->handle[--d->handles]);
	conn_free(d->conn);
	d->conn = NULL;
}

bool driver_run(struct driver *d)
{
	unsigned int kinds = CONN_ALL_KINDS & ~(LISTEN | PREFETCH), actions = 0;
	struct conn_action action;

	if (d->poster)
		kinds &= ~WRITES;
	while (conn_next(d->conn, kinds, &action)) {
		struct conn_result result = {.posted = 0};

		world_expect(d->world, ++actions < ACTIONS_MAX, "there is always more to be done");
		driver_perform(d, &action, &result);
		driver_time(d);
		conn_done(d->conn, &action, &result);
		/* The caller knows whether it can do without. */
		if (action.kind == CONN_POST_RECV && result.error && !conn_error(d->conn))
			return false;
	}
	if (d->poster && conn_has(d->conn, WRITES))
		d->post.woken = true;
	d->listens = conn_next(d->conn, LISTEN, &d->listen);
	world_expect(d->world, !d->listens || d->qp->send_cq != d->qp->recv_cq,
		     "somebody listens on the one CQ");
	rules_check(d);
	return true;
}

int driver_post_recv(struct driver *d, const struct recv_request *request)
{
	struct nic_recv recv = {.wr_id = request->wr_id, .data = request->addr};
	int ret;

	/* A destination's receive queue is QEMU's own. */
	if (conn_state(d->conn) != CONN_CANDIDATE && conn_role(d->conn) != CONN_SOURCE) {
		nic_post_recv(d->world, d->qp, &recv);
		return 0;
	}
	ret = -conn_post_recv(d->conn, request);
	driver_run(d);
	return ret;
}

void driver_wait(struct driver *d)
{
	struct world *w = d->world;

	for (;;) {
		world_expect(w, ++d->waits < WAITS_MAX, "a call waits without an end");
		driver_run(d);
		if (conn_waits(d->conn) == CONN_WAITS_FOR_WRITES) {
			driver_drain(d, CONN_SEND_CQ);
			driver_drain(d, CONN_RECV_CQ);
			driver_run(d);
		}
		if (conn_waits(d->conn) == CONN_WAITS_FOR_NOTHING)
			return;
		world_expect(w, world_step(w), "what a registration waits for never ends");
	}
}

int driver_post_send(struct driver *d, const struct conn_wr *wr)
{
	struct conn_wr seen = *wr;
	int ret;

	if (conn_expects_message(d->conn)) {
		driver_drain(d, CONN_RECV_CQ);
		driver_run(d);
	}
	/* What was registered once can be again, piece by piece. */
	d->asked = UINT64_MAX;
	d->waits = 0;
	while ((ret = conn_post_send(d->conn, &seen)) == CONN_AGAIN)
		driver_wait(d);
	driver_run(d);
	if (!ret && conn_state(d->conn) == CONN_FAILED)
		ret = conn_error(d->conn);
	if (!ret && !wr->message)
		rules_written(d);
	return -ret;
}

unsigned int driver_poll_some(struct driver *d, enum conn_cq cq, struct completion *wc,
			      unsigned int max)
{
	struct world *w = d->world;
	struct nic_cqe cqe;
	unsigned int taken;

	conn_polls(d->conn, cq);
	/* Two that poll one CQ would get its completions out of order. */
	d->listens = conn_next(d->conn, LISTEN, &d->listen);
	do {
		if (!conn_count_due(d->conn, cq)) {
			if (!nic_poll(real_cq(d, cq), &cqe))
				return 0;
			/* The lock is only taken now. */
			if (d == &w->source_driver)
				world_yield(w);
			rules_completed(d, &cqe);
			driver_time(d);
			conn_completed(d->conn, &cqe.wc);
		}
		taken = conn_take_due(d->conn, cq, wc, max);
		driver_run(d);
	} while (!taken);
	for (unsigned int i = 0; i < taken; i++)
		rules_told(d, cq, &wc[i]);
	return taken;
}

bool driver_poll(struct driver *d, enum conn_cq cq, struct completion *wc)
{
	return driver_poll_some(d, cq, wc, 1) > 0;
}

void driver_arm(struct driver *d, enum conn_cq cq)
{
	struct conn_figures figures;
	bool sleeps;

	if (d->qp->send_cq == d->qp->recv_cq)
		cq = CONN_SEND_CQ;
	sleeps = !conn_count_due(d->conn, cq);
	conn_arm(d->conn, cq);
	driver_run(d);
	if (sleeps && !conn_has(d->conn, WRITES) && conn_state(d->conn) == CONN_ACTIVE) {
		conn_figures(d->conn, &figures);
		world_expect(d->world, !figures.gathering,
			     "a write waits for others while QEMU sleeps");
	}
	world_yield(d->world);
	nic_arm(real_cq(d, cq));
}

bool driver_can_listen(struct driver *d)
{
	return !d->locked && d->listens && real_cq(d, d->listen.cq)->count;
}

void driver_listen(struct driver *d)
{
	struct conn_result result = {.posted = 0};

	world_trace(d->world, "progress", "looks after the other CQ");
	driver_perform(d, &d->listen, &result);
	driver_time(d);
	conn_done(d->conn, &d->listen, &result);
	driver_run(d);
}

bool driver_is_posting(const struct driver *d)
{
	return d->post.woken || d->post.busy;
}

bool driver_can_post(struct driver *d)
{
	const struct worker *p = &d->post;

	/* A batch that it has taken it posts without the lock. */
	if (d->locked)
		return p->busy && !p->performed && d->world->settings.fault != FAULT_POST;
	return p->woken || p->busy;
}

/* To take a batch is a step, and to post it another. */
void driver_post(struct driver *d)
{
	struct worker *p = &d->post;

	if (!p->busy) {
		p->woken = p->busy = conn_next(d->conn, WRITES, &p->action);
		p->performed = false;
		p->result = (struct conn_result){.posted = 0};
		if (p->busy)
			world_trace(d->world, "poster", "takes %u WRITEs", p->action.post.count);
		return;
	}
	if (!p->performed)
		driver_perform(d, &p->action, &p->result);
	p->performed = true;
	if (d->locked)
		return;
	p->busy = false;
	driver_time(d);
	conn_done(d->conn, &p->action, &p->result);
	driver_run(d);
}
