/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "bench.h"

#define PAGE	  4096u
#define RECVS_MAX 3u /* that QEMU has posted at a time */

static int (*provider_poll)(struct ibv_cq *, int, struct ibv_wc *);
static bool idle;

static int poll_or_nothing(struct ibv_cq *cq, int entries, struct ibv_wc *wc)
{
	if (__builtin_expect(idle, 1))
		return 0;
	return provider_poll(cq, entries, wc);
}

void datapath_prepare(struct ibv_context *context)
{
	provider_poll = context->ops.poll_cq;
	context->ops.poll_cq = poll_or_nothing;
}

void datapath_begin_idle(struct subject *s, unsigned int calls)
{
	(void)s;
	(void)calls;
	idle = true;
}

void datapath_end_idle(struct subject *s, unsigned int calls)
{
	(void)s;
	(void)calls;
	idle = false;
}

void datapath_poll_nothing(struct subject *s, unsigned int calls)
{
	struct ibv_cq *cq = s->peer->send_cq;
	struct ibv_wc wc;

	while (calls--)
		must(!ibv_poll_cq(cq, 1, &wc));
}

static void poll_something(struct subject *s, unsigned int calls)
{
	struct ibv_cq *cq = s->peer->send_cq;
	struct ibv_wc wc;

	while (calls--)
		must(ibv_poll_cq(cq, 1, &wc) == 1 && wc.status == IBV_WC_SUCCESS);
}

/* What is left is completions that only the shim has asked for. */
static void settle(struct subject *s, unsigned int calls)
{
	(void)calls;
	datapath_poll_nothing(s, 1);
}

static void poll_all(struct subject *s, unsigned int calls)
{
	poll_something(s, calls);
	settle(s, calls);
}

static void arm(struct subject *s, unsigned int calls)
{
	struct ibv_cq *cq = s->peer->send_cq;

	while (calls--)
		must(!ibv_req_notify_cq(cq, 0));
}

/* One page in `stride`: pages with others between them cannot be merged. */
static void write_pages(struct subject *s, unsigned int calls, unsigned int stride)
{
	struct ibv_sge sge = {(uintptr_t)s->memory, PAGE, s->lkey};
	struct ibv_send_wr *bad;
	struct ibv_send_wr wr = {
		.wr_id = 1,
		.opcode = IBV_WR_RDMA_WRITE,
		.send_flags = IBV_SEND_SIGNALED,
		.sg_list = &sge,
		.num_sge = 1,
		.wr.rdma.remote_addr = s->remote,
		.wr.rdma.rkey = s->rkey,
	};

	for (; calls--; sge.addr += stride * PAGE, wr.wr.rdma.remote_addr += stride * PAGE)
		must(!ibv_post_send(s->peer->id->qp, &wr, &bad));
}

static void write_adjacent(struct subject *s, unsigned int calls)
{
	write_pages(s, calls, 1);
}

static void write_apart(struct subject *s, unsigned int calls)
{
	write_pages(s, calls, 2);
}

/* With all that a write costs in the end: the shim posts some of them in a poll. */
static void send_adjacent(struct subject *s, unsigned int calls)
{
	write_adjacent(s, calls);
	poll_all(s, calls);
}

static void send_apart(struct subject *s, unsigned int calls)
{
	write_apart(s, calls);
	poll_all(s, calls);
}

static void post_recvs(struct subject *s, unsigned int calls)
{
	for (unsigned int i = 0; i < calls; i++)
		must(!peer_post_recv(s->peer, i));
}

/* A message for each, so that there is room for the next ones. */
static void use_recvs(struct subject *s, unsigned int calls)
{
	struct message ready;
	struct ibv_wc wc;

	message_begin(&ready, WIRE_READY, 1);
	for (unsigned int i = 0; i < calls; i++) {
		must(!peer_deliver(s->peer->id->qp, ready.data, (uint32_t)ready.len));
		must(peer_poll(s->peer->recv_cq, &wc) && wc.wr_id == PEER_RECV + i);
	}
}

const struct bench_case datapath_cases[] = {
	{"poll_cq(idle)", 100000, 1, false, datapath_begin_idle, datapath_poll_nothing,
	 datapath_end_idle},
	{"poll_cq(completion)", BENCH_CALLS_MAX, 200, false, write_adjacent, poll_something,
	 settle},
	{"post_send(adjacent)", BENCH_CALLS_MAX, 200, false, NULL, write_adjacent, poll_all},
	{"post_send(apart)", BENCH_CALLS_MAX, 200, false, NULL, write_apart, poll_all},
	{"post+poll(adjacent)", BENCH_CALLS_MAX, 200, false, NULL, send_adjacent, NULL},
	{"post+poll(apart)", BENCH_CALLS_MAX, 200, false, NULL, send_apart, NULL},
	{"post_recv", RECVS_MAX, 2000, false, NULL, post_recvs, use_recvs},
	{"req_notify_cq", 10000, 1, false, NULL, arm, NULL},
	{.verb = NULL},
};
