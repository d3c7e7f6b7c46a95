// SPDX-License-Identifier: GPL-2.0-or-later
#include "knobs.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>
#include <sys/mman.h>

/* reg_mr:nth=2:count=2, counted from the first: conf_objects registers nothing here. */
static void errno_client(struct side *side)
{
	struct ibv_pd *pd = knobs_domain(side);

	knobs_registered(pd, side->buffer, 10);
	knobs_refuse_registration(pd, side->buffer, 10, EIO);
	knobs_refuse_registration(pd, side->buffer, 10, EIO);
	knobs_registered(pd, side->buffer, 10);
}

static void errno_all_client(struct side *side)
{
	struct ibv_pd *pd = knobs_domain(side);

	knobs_refuse_registration(pd, side->buffer, 10, EPERM);
	knobs_refuse_registration(pd, side->buffer, 10, EPERM);
}

static void post_errno_client(struct side *side)
{
	CHECK(knobs_try_write(side) == ENOMEM, "the fault did not come");
	CHECK(knobs_try_write(side) == 0, "the fault stayed");
	conf_disconnect(side);
}

static void write_status_client(struct side *side)
{
	conf_post_write(side, 1, 0, 10, 0, SIGNALED);
	conf_post_write(side, 2, 0, 10, 100, SIGNALED);
	conf_post_write(side, 3, 0, 10, 100, SIGNALED);
	conf_expect(side->send_cq, 1, IBV_WC_SUCCESS);
	conf_expect(side->send_cq, 2, IBV_WC_REM_OP_ERR);
	conf_expect(side->send_cq, 3, IBV_WC_WR_FLUSH_ERR);
	knobs_leave(side);
}

static void send_status_client(struct side *side)
{
	conf_post_write(side, 1, 0, 10, 0, SIGNALED);
	conf_post_send(side, 2, 0, 10, 0);
	conf_expect(side->send_cq, 1, IBV_WC_SUCCESS);
	conf_expect(side->send_cq, 2, IBV_WC_FATAL_ERR);
	knobs_leave(side);
}

static void recv_status_client(struct side *side)
{
	conf_hear(side);
	conf_post_send(side, 2, 0, 10, 0);
	conf_expect(side->send_cq, 2, IBV_WC_REM_OP_ERR);
	knobs_leave(side);
}

static void recv_status_server(struct side *side)
{
	conf_post_recv(side, 1, 0, 10);
	conf_post_recv(side, 2, 0, 10);
	conf_tell(side, 0);
	conf_expect(side->recv_cq, 1, IBV_WC_LOC_PROT_ERR);
	conf_expect(side->recv_cq, 2, IBV_WC_WR_FLUSH_ERR);
	knobs_leave(side);
}

/* After the loss nobody hears of the other: requests time out, and so does the disconnect. */
static void expect_silence(struct side *side)
{
	int status;

	conf_post_write(side, 1, 0, 10, 0, 0);
	conf_expect(side->send_cq, 1, IBV_WC_RETRY_EXC_ERR);
	CHECK(!conf_readable(side->events->fd, 0), "an event from a silent peer");
	conf_meet(side);
	CHECK(rdma_disconnect(side->id) == 0, "rdma_disconnect: %s", strerror(errno));
	status = conf_event_status(side, RDMA_CM_EVENT_DISCONNECTED);
	CHECK(status == -ETIMEDOUT, "DISCONNECTED with status %d", status);
	conf_meet(side);
	conf_destroy(side);
}

static void link_client(struct side *side)
{
	struct ibv_context *verbs = side->id->verbs;
	struct ibv_async_event event;
	struct ibv_port_attr port;

	CHECK(conf_readable(verbs->async_fd, CONF_WAIT * 1000), "the port stays up");
	CHECK(ibv_get_async_event(verbs, &event) == 0, "ibv_get_async_event failed");
	CHECK(event.event_type == IBV_EVENT_PORT_ERR, "%s", ibv_event_type_str(event.event_type));
	ibv_ack_async_event(&event);
	CHECK(ibv_query_port(verbs, 1, &port) == 0 && port.state == IBV_PORT_DOWN, "port state %d",
	      port.state);
	conf_tell(side, 0);
	expect_silence(side);
}

static void link_server(struct side *side)
{
	conf_hear(side);
	expect_silence(side);
}

/* Without a port that goes down only failing requests tell. */
static void peer_client(struct side *side)
{
	double began = knobs_seconds();
	struct ibv_wc wc;

	do {
		conf_post_write(side, 1, 0, 10, 0, SIGNALED);
		wc = conf_next(side->send_cq);
		knobs_at_most(began, CONF_WAIT, "losing the peer");
	} while (wc.status == IBV_WC_SUCCESS);
	CHECK(wc.status == IBV_WC_RETRY_EXC_ERR, "%s", ibv_wc_status_str(wc.status));
	CHECK(!conf_readable(side->events->fd, 0), "an event from a silent peer");
	knobs_leave(side);
}

static void killed_client(struct side *side)
{
	conf_post_write(side, 1, 0, 10, 0, SIGNALED);
	conf_post_write(side, 2, 0, 10, 0, SIGNALED);
	conf_expect(side->send_cq, 1, IBV_WC_SUCCESS);
	conf_expect(side->send_cq, 2, IBV_WC_RETRY_EXC_ERR);
	conf_event_status(side, RDMA_CM_EVENT_DISCONNECTED);
	rdma_disconnect(side->id);
	conf_destroy(side);
}

static void killed_server(struct side *side)
{
	conf_hear(side);
}

static void stall_client(struct side *side)
{
	double began = knobs_seconds();

	conf_post_write(side, 1, 0, 10, 0, SIGNALED);
	conf_expect(side->send_cq, 1, IBV_WC_SUCCESS);
	knobs_at_most(began, 0.400, "a WRITE that is not stalled");
	conf_post_write(side, 2, 0, 10, 0, SIGNALED);
	conf_expect(side->send_cq, 2, IBV_WC_SUCCESS);
	knobs_at_least(began, 0.500, "the stalled WRITE");
	conf_disconnect(side);
}

static void delay_client(struct side *side)
{
	double began = knobs_seconds();
	int i;

	for (i = 0; i < 4; i++)
		conf_post_write(side, i, 0, 10, 0, SIGNALED);
	for (i = 0; i < 4; i++)
		conf_expect(side->send_cq, i, IBV_WC_SUCCESS);
	knobs_at_least(began, 0.200, "delayed WRITEs");
	knobs_at_most(began, 0.700, "WRITEs delayed together");
	conf_disconnect(side);
}

/* The request is with the peer, which takes its time: the source is what the MR pinned. */
static void discard_in_flight_client(struct side *side)
{
	memset(side->buffer, 'o', 8192);
	conf_post_write(side, 1, 0, 8192, 0, SIGNALED);
	/* This one is under way behind it. */
	conf_post_write(side, 2, 4096, 4096, 8192, SIGNALED);
	CHECK(madvise(side->buffer + 4096, 4096, MADV_DONTNEED) == 0, "madvise failed");
	memset(side->buffer + 4096, 'n', 4096);
	conf_expect_none(side->send_cq);
	conf_expect(side->send_cq, 1, IBV_WC_SUCCESS);
	conf_expect(side->send_cq, 2, IBV_WC_SUCCESS);
	conf_tell(side, 0);
	conf_disconnect(side);
}

static void discard_in_flight_server(struct side *side)
{
	int i;

	conf_hear(side);
	for (i = 0; i < 12288; i++)
		CHECK(side->buffer[i] == 'o', "'%c' at byte %d", side->buffer[i], i);
	conf_disconnect(side);
}

static void pin_off_server(struct side *side)
{
	conf_hear(side);
	CHECK(side->buffer[0] == 'o' && side->buffer[4096] == 'n', "the page was kept");
	conf_disconnect(side);
}

/* Keys are looked at when a request is executed, not when it is posted. */
static void dereg_in_flight_client(struct side *side)
{
	conf_post_write(side, 1, 0, 4096, 0, SIGNALED);
	CHECK(ibv_dereg_mr(side->mr) == 0, "ibv_dereg_mr failed");
	side->mr = NULL;
	conf_expect(side->send_cq, 1, IBV_WC_LOC_PROT_ERR);
	knobs_leave(side);
}

/*
 * As QEMU's destination does it with a return path: two connections have one channel, and the first
 * to end destroys it. Real librdmacm reads freed memory then, and no more. Under libgreedy, which
 * leaves nothing mapped that was freed, whoever reads it dies.
 */
static void channel_first_server(struct side *side)
{
	struct rdma_cm_id *first, *listener;
	struct side second = *side;
	struct rdma_cm_event *event;
	struct rdma_conn_param param;

	conf_connect(side);
	first = side->id;
	listener = side->listener;
	conf_tell(side, ntohs(rdma_get_src_port(listener)));
	event = conf_event(side, RDMA_CM_EVENT_CONNECT_REQUEST);
	second.id = event->id;
	second.events = side->events;
	rdma_ack_cm_event(event);
	conf_objects(&second);
	conf_fill_param(&second, &param);
	CHECK(rdma_accept(second.id, &param) == 0, "rdma_accept: %s", strerror(errno));
	conf_event_status(&second, RDMA_CM_EVENT_ESTABLISHED);
	conf_meet(side);

	rdma_disconnect(first);
	rdma_destroy_qp(first);
	CHECK(rdma_destroy_id(first) == 0, "rdma_destroy_id: %s", strerror(errno));
	CHECK(rdma_destroy_id(listener) == 0, "rdma_destroy_id: %s", strerror(errno));
	rdma_destroy_event_channel(side->events);
	conf_tell(side, 0);

	errno = 0;
	CHECK(rdma_disconnect(second.id) == -1 && errno == EBADF, "rdma_disconnect: %s",
	      strerror(errno));
	CHECK(conf_qp_state(second.qp) == IBV_QPS_ERR, "the QP is in state %d",
	      conf_qp_state(second.qp));
	rdma_destroy_qp(second.id);
	errno = 0;
	CHECK(rdma_destroy_id(second.id) == -1 && errno == EBADF, "rdma_destroy_id: %s",
	      strerror(errno));
}

/* To the peer both connections end, the second with the channel: the kernel closes what is left. */
static void channel_first_client(struct side *side)
{
	struct side second = *side;
	struct rdma_conn_param param;

	conf_connect(side);
	conf_resolve(&second, conf_hear(side));
	conf_objects(&second);
	conf_fill_param(&second, &param);
	CHECK(rdma_connect(second.id, &param) == 0, "rdma_connect: %s", strerror(errno));
	conf_event_status(&second, RDMA_CM_EVENT_ESTABLISHED);
	conf_meet(side);
	conf_hear(side);
	conf_event_status(side, RDMA_CM_EVENT_DISCONNECTED);
	conf_event_status(&second, RDMA_CM_EVENT_DISCONNECTED);
	conf_destroy(&second);
	conf_destroy(side);
}

#define RETRY " " ENV("RETRY_TIME", "200ms") " " ENV("CM_TIMEOUT", "1s")

const struct conf_case knobs_fault_cases[] = {
	{"fault_errno", errno_client, NULL, .unconnected = true,
	 .client_env = ENV("FAULT", "reg_mr:nth=2:count=2:errno=EIO")},
	{"fault_errno_forever", errno_all_client, NULL, .unconnected = true,
	 .client_env = ENV("FAULT", "reg_mr:nth=1:count=0:errno=EPERM")},
	{"fault_post", post_errno_client, knobs_idle,
	 .client_env = ENV("FAULT", "post_send:nth=1:errno=ENOMEM")},
	{"fault_write", write_status_client, knobs_leave,
	 .client_env = ENV("FAULT", "write:nth=2:status=REM_OP_ERR")},
	{"fault_send", send_status_client, knobs_leave,
	 .client_env = ENV("FAULT", "reg_mr:nth=9:errno=EIO;send:nth=1:status=FATAL_ERR")},
	{"fault_recv", recv_status_client, recv_status_server,
	 .server_env = ENV("FAULT", "recv:nth=1:status=LOC_PROT_ERR")},
	{"fault_link", link_client, link_server, .client_env = ENV("FAULT", "link:at=2s") RETRY,
	 .server_env = "RDMAFABRIC_NET=" RETRY},
	{"fault_peer", peer_client, knobs_leave, .client_env = ENV("FAULT", "peer:at=2s") RETRY},
	{"fault_self", killed_client, killed_server, .client_env = "RDMAFABRIC_NET=" RETRY,
	 .server_env = ENV("FAULT", "self:nth=2"), .server_exit = 128 + 9},
	{"fault_stall", stall_client, knobs_idle,
	 .server_env = ENV("FAULT", "stall:nth=2:for=500ms")},
	{"fault_qp_delay", delay_client, knobs_idle,
	 .client_env = ENV("FAULT", "qp:nth=1:delay=200ms")},
	{"discard_in_flight", discard_in_flight_client, discard_in_flight_server,
	 .server_env = ENV("FAULT", "stall:nth=1:for=500ms")},
	{"pin_off", discard_in_flight_client, pin_off_server, .client_env = ENV("PIN", "off"),
	 .server_env = ENV("FAULT", "stall:nth=1:for=500ms")},
	{"dereg_in_flight", dereg_in_flight_client, knobs_leave,
	 .server_env = ENV("FAULT", "stall:nth=1:for=500ms")},
	{"channel_first", channel_first_client, channel_first_server, .unconnected = true},
	{.name = NULL},
};
