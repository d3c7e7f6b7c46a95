/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "peer.h"

#include <arpa/inet.h>
#include <dlfcn.h>
#include <string.h>

#undef ibv_reg_mr

const struct peer_shape peer_shapes[] = {
	{.name = "qemu", 512, 3, 1, 1, 0, false, false, RDMA_PS_TCP},
	{.name = "one-cq", 512, 3, 1, 1, 0, true, false, RDMA_PS_TCP},
	{.name = "send-wr", 511, 3, 1, 1, 0, false, false, RDMA_PS_TCP},
	{.name = "recv-wr", 512, 6, 1, 1, 0, false, false, RDMA_PS_TCP},
	{.name = "send-sge", 512, 3, 2, 1, 0, false, false, RDMA_PS_TCP},
	{.name = "recv-sge", 512, 3, 1, 2, 0, false, false, RDMA_PS_TCP},
	{.name = "inline", 512, 3, 1, 1, 64, false, false, RDMA_PS_TCP},
	{.name = "no-channel", 512, 3, 1, 1, 0, false, true, RDMA_PS_TCP},
	{.name = "port-space", 512, 3, 1, 1, 0, false, false, RDMA_PS_IB},
	{.name = NULL},
};

struct ibv_context *peer_device;
fake_deliver_fn *peer_deliver;
fake_take_sent_fn *peer_take_sent;
fake_take_sent_fn *peer_peek_sent;
fake_get_live_fn *peer_get_live;
struct fake_control *peer_control;

const struct peer_shape *peer_shape_find(const char *name)
{
	for (const struct peer_shape *s = peer_shapes; s->name; s++)
		if (!strcmp(s->name, name))
			return s;
	return NULL;
}

void peer_find_fake(void)
{
	*(void **)&peer_deliver = dlsym(RTLD_DEFAULT, "fake_deliver");
	*(void **)&peer_take_sent = dlsym(RTLD_DEFAULT, "fake_take_sent");
	*(void **)&peer_peek_sent = dlsym(RTLD_DEFAULT, "fake_peek_sent");
	*(void **)&peer_get_live = dlsym(RTLD_DEFAULT, "fake_get_live");
	peer_control = dlsym(RTLD_DEFAULT, "fake_control");
}

static struct ibv_cq *make_cq(struct peer *p, int which, const struct peer_shape *shape)
{
	struct ibv_cq *cq;

	if (!shape->no_channel) {
		p->channel[which] = ibv_create_comp_channel(p->id->verbs);
		must(p->channel[which]);
	}
	cq = ibv_create_cq(p->id->verbs, 1536, NULL, p->channel[which], 0);
	must(cq);
	return cq;
}

void peer_open(struct peer *p, const struct peer_shape *shape, const char *address)
{
	struct sockaddr_storage to = {.ss_family = strchr(address, ':') ? AF_INET6 : AF_INET};
	struct ibv_qp_init_attr attr = {.qp_type = IBV_QPT_RC};

	memset(p, 0, sizeof(*p));
	if (to.ss_family == AF_INET6)
		inet_pton(AF_INET6, address, &((struct sockaddr_in6 *)&to)->sin6_addr);
	else
		inet_pton(AF_INET, address, &((struct sockaddr_in *)&to)->sin_addr);
	p->events = rdma_create_event_channel();
	must(p->events);
	must(!rdma_create_id(p->events, &p->id, NULL, shape->ps));
	must(!rdma_resolve_addr(p->id, NULL, (struct sockaddr *)&to, 1000));
	if (peer_device)
		p->id->verbs = peer_device;
	p->pd = ibv_alloc_pd(p->id->verbs);
	must(p->pd);
	p->recv_cq = make_cq(p, 0, shape);
	p->send_cq = shape->one_cq ? p->recv_cq : make_cq(p, 1, shape);

	attr.send_cq = p->send_cq;
	attr.recv_cq = p->recv_cq;
	attr.cap.max_send_wr = shape->send_wr;
	attr.cap.max_recv_wr = shape->recv_wr;
	attr.cap.max_send_sge = shape->send_sge;
	attr.cap.max_recv_sge = shape->recv_sge;
	attr.cap.max_inline_data = shape->inline_data;
	must(!rdma_create_qp(p->id, p->pd, &attr));
	must(attr.cap.max_recv_wr >= shape->recv_wr && attr.send_cq == p->send_cq);
	for (unsigned int i = 0; i < PEER_BUFFERS; i++) {
		p->buffer[i] = calloc(1, PEER_BUFFER);
		must(p->buffer[i]);
		p->mr[i] = ibv_reg_mr(p->pd, p->buffer[i], PEER_BUFFER,
				      IBV_ACCESS_LOCAL_WRITE | IBV_ACCESS_REMOTE_WRITE);
		must(p->mr[i]);
	}
}

int peer_connect(struct peer *p, bool source, const void *caps, uint8_t caps_len)
{
	struct rdma_conn_param param = {
		.initiator_depth = 2,
		.retry_count = 5,
		.private_data = caps,
		.private_data_len = caps ? caps_len : 0,
	};

	return source ? rdma_connect(p->id, &param) : rdma_accept(p->id, &param);
}

void peer_close(struct peer *p)
{
	if (p->id->qp)
		rdma_disconnect(p->id);
	for (unsigned int i = 0; i < PEER_BUFFERS; i++) {
		must(!ibv_dereg_mr(p->mr[i]));
		free(p->buffer[i]);
	}
	if (p->id->qp)
		rdma_destroy_qp(p->id);
	if (p->send_cq != p->recv_cq)
		must(!ibv_destroy_cq(p->send_cq));
	must(!ibv_destroy_cq(p->recv_cq));
	for (int i = 0; i < 2; i++)
		if (p->channel[i])
			must(!ibv_destroy_comp_channel(p->channel[i]));
	must(!ibv_dealloc_pd(p->pd));
	must(!rdma_destroy_id(p->id));
	rdma_destroy_event_channel(p->events);
}

int peer_post_recv(struct peer *p, unsigned int i)
{
	struct ibv_sge sge = {(uintptr_t)p->buffer[i], PEER_BUFFER, p->mr[i]->lkey};
	struct ibv_recv_wr wr = {.wr_id = PEER_RECV + i, .sg_list = &sge, .num_sge = 1}, *bad;

	return ibv_post_recv(p->id->qp, &wr, &bad);
}

int peer_post_send(struct peer *p, size_t len)
{
	unsigned int i = PEER_BUFFERS - 1;
	struct ibv_sge sge = {(uintptr_t)p->buffer[i], (uint32_t)len, p->mr[i]->lkey};
	struct ibv_send_wr *bad;
	struct ibv_send_wr wr = {
		.wr_id = PEER_SEND,
		.opcode = IBV_WR_SEND,
		.send_flags = IBV_SEND_SIGNALED,
		.sg_list = &sge,
		.num_sge = 1,
	};

	return ibv_post_send(p->id->qp, &wr, &bad);
}

int peer_send(struct peer *p, const struct message *m)
{
	memcpy(p->buffer[PEER_BUFFERS - 1], m->data, m->len);
	return peer_post_send(p, m->len);
}

int peer_post_write(struct peer *p, const struct ibv_mr *mr, size_t len, uint64_t remote,
		    uint32_t rkey)
{
	struct ibv_sge sge = {(uintptr_t)mr->addr, (uint32_t)len, mr->lkey};
	struct ibv_send_wr *bad;
	struct ibv_send_wr wr = {
		.wr_id = 1,
		.opcode = IBV_WR_RDMA_WRITE,
		.send_flags = IBV_SEND_SIGNALED,
		.sg_list = &sge,
		.num_sge = 1,
		.wr.rdma.remote_addr = remote,
		.wr.rdma.rkey = rkey,
	};

	return ibv_post_send(p->id->qp, &wr, &bad);
}

bool peer_poll(struct ibv_cq *cq, struct ibv_wc *wc)
{
	for (int i = 0; i < 100; i++) {
		int n = ibv_poll_cq(cq, 1, wc);

		must(n >= 0);
		if (n)
			return true;
	}
	return false;
}
