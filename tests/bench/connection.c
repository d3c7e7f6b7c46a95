/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "bench.h"

/* QEMU's private data: version 1, no flags. */
static const uint8_t caps[8] = {0, 0, 0, 1, 0, 0, 0, 0};

static struct ibv_context *context;

/* Once for each migration: one call in a run is all there can be. */
static void create(struct subject *s, unsigned int calls)
{
	struct ibv_qp_init_attr attr = {
		.qp_type = IBV_QPT_RC,
		.send_cq = s->peer->send_cq,
		.recv_cq = s->peer->recv_cq,
		.cap = {.max_send_wr = s->shape->send_wr,
			.max_recv_wr = s->shape->recv_wr,
			.max_send_sge = s->shape->send_sge,
			.max_recv_sge = s->shape->recv_sge},
	};

	(void)calls;
	must(!rdma_create_qp(s->peer->id, s->peer->pd, &attr));
}

static void destroy(struct subject *s, unsigned int calls)
{
	(void)calls;
	rdma_destroy_qp(s->peer->id);
}

static void start_source(struct subject *s, unsigned int calls)
{
	(void)calls;
	must(!peer_connect(s->peer, true, s->tracked ? caps : NULL, sizeof(caps)));
}

static void start_destination(struct subject *s, unsigned int calls)
{
	(void)calls;
	must(!peer_connect(s->peer, false, s->tracked ? caps : NULL, sizeof(caps)));
}

static void create_connected(struct subject *s, unsigned int calls)
{
	create(s, calls);
	start_source(s, calls);
}

static void disconnect(struct subject *s, unsigned int calls)
{
	(void)calls;
	must(!rdma_disconnect(s->peer->id));
}

static void open_device(struct subject *s, unsigned int calls)
{
	struct ibv_device **list = ibv_get_device_list(NULL);

	(void)s;
	(void)calls;
	must(list && list[0]);
	context = ibv_open_device(list[0]);
	must(context);
	ibv_free_device_list(list);
}

static void close_device(struct subject *s, unsigned int calls)
{
	(void)s;
	(void)calls;
	must(!ibv_close_device(context));
}

const struct bench_case connection_cases[] = {
	{"rdma_create_qp", 1, 300, false, NULL, create, destroy},
	{"rdma_connect", 1, 300, false, create, start_source, destroy},
	{"rdma_accept", 1, 300, false, create, start_destination, destroy},
	{"rdma_disconnect", 1, 300, false, create_connected, disconnect, destroy},
	{"rdma_destroy_qp", 1, 300, false, create_connected, destroy, NULL},
	{"ibv_close_device", 1, 300, true, open_device, close_device, NULL},
	{.verb = NULL},
};
