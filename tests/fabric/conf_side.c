// SPDX-License-Identifier: GPL-2.0-or-later
#include "conf.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

static int or_default(int value, int fallback)
{
	return value ? value : fallback;
}

void conf_tell(struct side *side, uint64_t word)
{
	CHECK(write(side->out_of_band, &word, sizeof(word)) == sizeof(word), "peer is gone");
}

uint64_t conf_hear(struct side *side)
{
	uint64_t word;

	CHECK(read(side->out_of_band, &word, sizeof(word)) == sizeof(word), "peer is gone");
	return word;
}

void conf_meet(struct side *side)
{
	conf_tell(side, 0);
	conf_hear(side);
}

bool conf_readable(int fd, int timeout_ms)
{
	struct pollfd pfd = {.fd = fd, .events = POLLIN};

	return poll(&pfd, 1, timeout_ms) > 0;
}

struct rdma_cm_event *conf_event(struct side *side, enum rdma_cm_event_type type)
{
	struct rdma_cm_event *event;

	CHECK(conf_readable(side->events->fd, CONF_WAIT * 1000), "no event, expected %s",
	      rdma_event_str(type));
	CHECK(rdma_get_cm_event(side->events, &event) == 0, "rdma_get_cm_event: %s",
	      strerror(errno));
	CHECK(event->event == type, "event %s (status %d), expected %s",
	      rdma_event_str(event->event), event->status, rdma_event_str(type));
	return event;
}

int conf_event_status(struct side *side, enum rdma_cm_event_type type)
{
	struct rdma_cm_event *event = conf_event(side, type);
	int status = event->status;

	CHECK(rdma_ack_cm_event(event) == 0, "rdma_ack_cm_event: %s", strerror(errno));
	return status;
}

static struct sockaddr_in address(const struct side *side, uint16_t port)
{
	struct sockaddr_in addr = {.sin_family = AF_INET, .sin_port = htons(port)};

	CHECK(inet_pton(AF_INET, side->address, &addr.sin_addr) == 1, "bad address %s",
	      side->address);
	return addr;
}

void conf_listen(struct side *side)
{
	struct sockaddr_in addr = address(side, 0);

	side->events = rdma_create_event_channel();
	CHECK(side->events, "rdma_create_event_channel: %s", strerror(errno));
	CHECK(rdma_create_id(side->events, &side->listener, side, RDMA_PS_TCP) == 0,
	      "rdma_create_id: %s", strerror(errno));
	CHECK(rdma_bind_addr(side->listener, (struct sockaddr *)&addr) == 0, "rdma_bind_addr: %s",
	      strerror(errno));
	CHECK(rdma_listen(side->listener, 5) == 0, "rdma_listen: %s", strerror(errno));
}

void conf_resolve(struct side *side, uint16_t port)
{
	struct sockaddr_in addr = address(side, port);
	int status;

	side->events = rdma_create_event_channel();
	CHECK(side->events, "rdma_create_event_channel: %s", strerror(errno));
	CHECK(rdma_create_id(side->events, &side->id, side, RDMA_PS_TCP) == 0, "rdma_create_id: %s",
	      strerror(errno));
	CHECK(rdma_resolve_addr(side->id, NULL, (struct sockaddr *)&addr, 2000) == 0,
	      "rdma_resolve_addr: %s", strerror(errno));
	status = conf_event_status(side, RDMA_CM_EVENT_ADDR_RESOLVED);
	CHECK(status == 0, "ADDR_RESOLVED status %d", status);
	CHECK(side->id->verbs, "no device after ADDR_RESOLVED");
	CHECK(rdma_resolve_route(side->id, 2000) == 0, "rdma_resolve_route: %s", strerror(errno));
	status = conf_event_status(side, RDMA_CM_EVENT_ROUTE_RESOLVED);
	CHECK(status == 0, "ROUTE_RESOLVED status %d", status);
}

void conf_objects(struct side *side)
{
	struct ibv_context *verbs = side->id->verbs;
	struct ibv_qp_init_attr attr = {
		.cap = {.max_send_wr = or_default(side->shape.send_wr, 16),
			.max_recv_wr = or_default(side->shape.recv_wr, 16),
			.max_send_sge = or_default(side->shape.sge, 1),
			.max_recv_sge = or_default(side->shape.sge, 1),
			.max_inline_data = side->shape.inline_data},
		.qp_type = IBV_QPT_RC,
	};

	side->pd = ibv_alloc_pd(verbs);
	CHECK(side->pd, "ibv_alloc_pd: %s", strerror(errno));
	if (!side->shape.no_channel) {
		side->send_channel = ibv_create_comp_channel(verbs);
		side->recv_channel = ibv_create_comp_channel(verbs);
		CHECK(side->send_channel && side->recv_channel, "ibv_create_comp_channel: %s",
		      strerror(errno));
	}
	side->send_cq = ibv_create_cq(verbs, or_default(side->shape.send_cqe, 64), side,
				      side->send_channel, 0);
	side->recv_cq = ibv_create_cq(verbs, 64, side, side->recv_channel, 0);
	CHECK(side->send_cq && side->recv_cq, "ibv_create_cq: %s", strerror(errno));
	attr.send_cq = side->send_cq;
	attr.recv_cq = side->recv_cq;
	CHECK(rdma_create_qp(side->id, side->pd, &attr) == 0, "rdma_create_qp: %s",
	      strerror(errno));
	side->qp = side->id->qp;
	side->buffer =
		mmap(NULL, CONF_BUFFER, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CHECK(side->buffer != MAP_FAILED, "mmap: %s", strerror(errno));
	side->mr = ibv_reg_mr(side->pd, side->buffer, CONF_BUFFER,
			      IBV_ACCESS_LOCAL_WRITE | IBV_ACCESS_REMOTE_WRITE);
	CHECK(side->mr, "ibv_reg_mr: %s", strerror(errno));
}

void conf_fill_param(const struct side *side, struct rdma_conn_param *param)
{
	*param = (struct rdma_conn_param){
		.responder_resources = 1,
		.initiator_depth = 1,
		.retry_count = or_default(side->shape.retry, 7),
		.rnr_retry_count =
			side->shape.rnr_retry < 0 ? 0 : or_default(side->shape.rnr_retry, 7),
	};
}

static void connect_server(struct side *side)
{
	struct rdma_conn_param param;
	struct rdma_cm_event *event;

	conf_listen(side);
	conf_tell(side, ntohs(rdma_get_src_port(side->listener)));
	event = conf_event(side, RDMA_CM_EVENT_CONNECT_REQUEST);
	side->id = event->id;
	CHECK(event->listen_id == side->listener, "CONNECT_REQUEST names another listener");
	rdma_ack_cm_event(event);
	conf_objects(side);
	conf_fill_param(side, &param);
	CHECK(rdma_accept(side->id, &param) == 0, "rdma_accept: %s", strerror(errno));
	conf_event_status(side, RDMA_CM_EVENT_ESTABLISHED);
}

static void connect_client(struct side *side)
{
	struct rdma_conn_param param;

	conf_resolve(side, conf_hear(side));
	conf_objects(side);
	conf_fill_param(side, &param);
	CHECK(rdma_connect(side->id, &param) == 0, "rdma_connect: %s", strerror(errno));
	conf_event_status(side, RDMA_CM_EVENT_ESTABLISHED);
}

void conf_connect(struct side *side)
{
	if (side->server)
		connect_server(side);
	else
		connect_client(side);
	conf_tell(side, (uintptr_t)side->buffer);
	conf_tell(side, side->mr->rkey);
	side->peer_addr = conf_hear(side);
	side->peer_rkey = conf_hear(side);
}

void conf_destroy(struct side *side)
{
	int err;

	if (side->mr) {
		err = ibv_dereg_mr(side->mr);
		CHECK(err == 0, "ibv_dereg_mr: %s", strerror(err));
	}
	if (side->qp)
		rdma_destroy_qp(side->id);
	if (side->pd) {
		err = ibv_destroy_cq(side->send_cq);
		CHECK(err == 0, "ibv_destroy_cq: %s", strerror(err));
		err = ibv_destroy_cq(side->recv_cq);
		CHECK(err == 0, "ibv_destroy_cq: %s", strerror(err));
	}
	if (side->send_channel) {
		err = ibv_destroy_comp_channel(side->send_channel);
		CHECK(err == 0, "ibv_destroy_comp_channel: %s", strerror(err));
		err = ibv_destroy_comp_channel(side->recv_channel);
		CHECK(err == 0, "ibv_destroy_comp_channel: %s", strerror(err));
	}
	if (side->pd) {
		err = ibv_dealloc_pd(side->pd);
		CHECK(err == 0, "ibv_dealloc_pd: %s", strerror(err));
	}
	if (side->id)
		CHECK(rdma_destroy_id(side->id) == 0, "rdma_destroy_id: %s", strerror(errno));
	if (side->listener)
		CHECK(rdma_destroy_id(side->listener) == 0, "rdma_destroy_id: %s", strerror(errno));
	rdma_destroy_event_channel(side->events);
	if (side->buffer)
		munmap(side->buffer, CONF_BUFFER);
}

void conf_disconnect(struct side *side)
{
	conf_meet(side);
	rdma_disconnect(side->id);
	conf_event_status(side, RDMA_CM_EVENT_DISCONNECTED);
	conf_destroy(side);
}

int conf_try_send(struct side *side, struct ibv_send_wr *wr)
{
	struct ibv_send_wr *bad = NULL;
	int err = ibv_post_send(side->qp, wr, &bad);

	CHECK(!err || bad == wr, "ibv_post_send failed (%s) without naming the request",
	      strerror(err));
	return err;
}

int conf_try_recv(struct side *side, struct ibv_recv_wr *wr)
{
	struct ibv_recv_wr *bad = NULL;
	int err = ibv_post_recv(side->qp, wr, &bad);

	CHECK(!err || bad == wr, "ibv_post_recv failed (%s) without naming the request",
	      strerror(err));
	return err;
}

void conf_post_recv(struct side *side, uint64_t wr_id, uint32_t offset, uint32_t length)
{
	struct ibv_sge sge = {(uintptr_t)side->buffer + offset, length, side->mr->lkey};
	struct ibv_recv_wr wr = {.wr_id = wr_id, .sg_list = &sge, .num_sge = 1};
	int err = conf_try_recv(side, &wr);

	CHECK(err == 0, "ibv_post_recv: %s", strerror(err));
}

void conf_post_send(struct side *side, uint64_t wr_id, uint32_t offset, uint32_t length,
		    unsigned int flags)
{
	struct ibv_sge sge = {(uintptr_t)side->buffer + offset, length, side->mr->lkey};
	struct ibv_send_wr wr = {.wr_id = wr_id,
				 .sg_list = &sge,
				 .num_sge = 1,
				 .opcode = IBV_WR_SEND,
				 .send_flags = flags};
	int err = conf_try_send(side, &wr);

	CHECK(err == 0, "ibv_post_send: %s", strerror(err));
}

void conf_post_write(struct side *side, uint64_t wr_id, uint32_t offset, uint32_t length,
		     uint32_t peer_offset, unsigned int flags)
{
	struct ibv_sge sge = {(uintptr_t)side->buffer + offset, length, side->mr->lkey};
	struct ibv_send_wr wr = {
		.wr_id = wr_id,
		.sg_list = &sge,
		.num_sge = 1,
		.opcode = IBV_WR_RDMA_WRITE,
		.send_flags = flags,
		.wr.rdma = {.remote_addr = side->peer_addr + peer_offset, .rkey = side->peer_rkey}};
	int err = conf_try_send(side, &wr);

	CHECK(err == 0, "ibv_post_send: %s", strerror(err));
}

struct ibv_wc conf_next(struct ibv_cq *cq)
{
	struct timespec pause = {.tv_nsec = 100000};
	struct ibv_wc wc;
	time_t end = time(NULL) + CONF_WAIT;
	int got;

	while ((got = ibv_poll_cq(cq, 1, &wc)) == 0) {
		CHECK(time(NULL) < end, "no completion in %d s", CONF_WAIT);
		nanosleep(&pause, NULL);
	}
	CHECK(got == 1, "ibv_poll_cq returned %d", got);
	return wc;
}

struct ibv_wc conf_expect(struct ibv_cq *cq, uint64_t wr_id, enum ibv_wc_status status)
{
	struct ibv_wc wc = conf_next(cq);

	CHECK(wc.wr_id == wr_id && wc.status == status,
	      "completion of %llu with \"%s\", expected %llu with \"%s\"",
	      (unsigned long long)wc.wr_id, ibv_wc_status_str(wc.status), (unsigned long long)wr_id,
	      ibv_wc_status_str(status));
	return wc;
}

void conf_expect_none(struct ibv_cq *cq)
{
	struct ibv_wc wc;
	int got = ibv_poll_cq(cq, 1, &wc);

	CHECK(got == 0, "unexpected completion of %llu (%s)",
	      got > 0 ? (unsigned long long)wc.wr_id : 0,
	      got > 0 ? ibv_wc_status_str(wc.status) : "poll failed");
}

enum ibv_qp_state conf_qp_state(struct ibv_qp *qp)
{
	struct ibv_qp_init_attr init;
	struct ibv_qp_attr attr;
	int err = ibv_query_qp(qp, &attr, IBV_QP_STATE, &init);

	CHECK(err == 0, "ibv_query_qp: %s", strerror(err));
	return attr.qp_state;
}
