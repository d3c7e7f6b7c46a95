// SPDX-License-Identifier: GPL-2.0-or-later
/* Connecting, refusing and parting. */
#include "conf.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

static void check_private(const struct rdma_conn_param *param, const char *text, unsigned int room)
{
	unsigned int length = strlen(text), i;

	CHECK(param->private_data_len == room, "%u bytes of private data, expected %u",
	      param->private_data_len, room);
	CHECK(memcmp(param->private_data, text, length) == 0, "private data differs");
	for (i = length; i < room; i++)
		CHECK(((const char *)param->private_data)[i] == 0, "private data is not padded");
}

static void private_client(struct side *side)
{
	struct rdma_conn_param param;
	struct rdma_cm_event *event;

	conf_resolve(side, conf_hear(side));
	conf_objects(side);
	conf_fill_param(side, &param);
	param.private_data = "ping-abc";
	param.private_data_len = 8;
	CHECK(rdma_connect(side->id, &param) == 0, "rdma_connect: %s", strerror(errno));
	event = conf_event(side, RDMA_CM_EVENT_ESTABLISHED);
	check_private(&event->param.conn, "pong", 196);
	rdma_ack_cm_event(event);
	CHECK(conf_qp_state(side->qp) == IBV_QPS_RTS, "the QP is not in RTS");
	conf_disconnect(side);
}

static void private_server(struct side *side)
{
	struct rdma_conn_param param;
	struct rdma_cm_event *event;

	conf_listen(side);
	conf_tell(side, ntohs(rdma_get_src_port(side->listener)));
	event = conf_event(side, RDMA_CM_EVENT_CONNECT_REQUEST);
	check_private(&event->param.conn, "ping-abc", 56);
	side->id = event->id;
	CHECK(side->id != side->listener && side->id->verbs && side->id->channel == side->events &&
		      side->id->context == side,
	      "the new id is not set up");
	rdma_ack_cm_event(event);
	conf_objects(side);
	CHECK(conf_qp_state(side->qp) == IBV_QPS_INIT, "the QP is not in INIT");
	conf_fill_param(side, &param);
	param.private_data = "pong";
	param.private_data_len = 4;
	CHECK(rdma_accept(side->id, &param) == 0, "rdma_accept: %s", strerror(errno));
	conf_event_status(side, RDMA_CM_EVENT_ESTABLISHED);
	conf_disconnect(side);
}

static void private_limit_client(struct side *side)
{
	char data[57] = "";
	struct rdma_conn_param param;

	conf_resolve(side, conf_hear(side));
	conf_objects(side);
	conf_fill_param(side, &param);
	param.private_data = data;
	param.private_data_len = 57;
	errno = 0;
	CHECK(rdma_connect(side->id, &param) == -1 && errno == EINVAL,
	      "57 bytes of private data: %s", strerror(errno));
	conf_meet(side);
	conf_destroy(side);
}

static void listening_server(struct side *side)
{
	conf_listen(side);
	conf_tell(side, ntohs(rdma_get_src_port(side->listener)));
	conf_meet(side);
	conf_destroy(side);
}

static void rejected_client(struct side *side)
{
	struct rdma_conn_param param;
	struct rdma_cm_event *event;

	conf_resolve(side, conf_hear(side));
	conf_objects(side);
	conf_post_recv(side, 1, 0, 10);
	conf_fill_param(side, &param);
	CHECK(rdma_connect(side->id, &param) == 0, "rdma_connect: %s", strerror(errno));
	event = conf_event(side, RDMA_CM_EVENT_REJECTED);
	CHECK(event->status == 28, "status %d, expected 28", event->status);
	check_private(&event->param.conn, "no!", 148);
	rdma_ack_cm_event(event);
	conf_expect(side->recv_cq, 1, IBV_WC_WR_FLUSH_ERR);
	conf_destroy(side);
}

static void rejecting_server(struct side *side)
{
	struct rdma_cm_event *event;

	conf_listen(side);
	conf_tell(side, ntohs(rdma_get_src_port(side->listener)));
	event = conf_event(side, RDMA_CM_EVENT_CONNECT_REQUEST);
	side->id = event->id;
	rdma_ack_cm_event(event);
	CHECK(rdma_reject(side->id, "no!", 3) == 0, "rdma_reject: %s", strerror(errno));
	conf_destroy(side);
}

/* The port was somebody's a moment ago, so that it is nobody's now. */
static void no_listener_client(struct side *side)
{
	struct rdma_conn_param param;
	int status;

	conf_resolve(side, conf_hear(side));
	conf_objects(side);
	conf_fill_param(side, &param);
	CHECK(rdma_connect(side->id, &param) == 0, "rdma_connect: %s", strerror(errno));
	status = conf_event_status(side, RDMA_CM_EVENT_REJECTED);
	CHECK(status == 8, "status %d, expected 8", status);
	conf_destroy(side);
}

static void departed_server(struct side *side)
{
	uint16_t port;

	conf_listen(side);
	port = ntohs(rdma_get_src_port(side->listener));
	CHECK(rdma_destroy_id(side->listener) == 0, "rdma_destroy_id: %s", strerror(errno));
	side->listener = NULL;
	conf_tell(side, port);
	conf_destroy(side);
}

/* Nobody took the request before the listener went. */
static void ignored_client(struct side *side)
{
	struct rdma_conn_param param;
	int status;

	conf_resolve(side, conf_hear(side));
	conf_objects(side);
	conf_fill_param(side, &param);
	CHECK(rdma_connect(side->id, &param) == 0, "rdma_connect: %s", strerror(errno));
	status = conf_event_status(side, RDMA_CM_EVENT_REJECTED);
	CHECK(status == 28 || status == 8, "status %d", status);
	conf_destroy(side);
}

static void ignoring_server(struct side *side)
{
	conf_listen(side);
	conf_tell(side, ntohs(rdma_get_src_port(side->listener)));
	CHECK(conf_readable(side->events->fd, CONF_WAIT * 1000), "no connection request");
	conf_destroy(side);
}

static void port_in_use_client(struct side *side)
{
	struct sockaddr_in addr;
	struct rdma_cm_id *id;

	conf_listen(side);
	addr = *(struct sockaddr_in *)rdma_get_local_addr(side->listener);
	CHECK(rdma_create_id(side->events, &id, NULL, RDMA_PS_TCP) == 0, "rdma_create_id: %s",
	      strerror(errno));
	errno = 0;
	CHECK(rdma_bind_addr(id, (struct sockaddr *)&addr) == -1 && errno == EADDRINUSE,
	      "binding twice: %s", strerror(errno));
	CHECK(rdma_destroy_id(id) == 0, "rdma_destroy_id: %s", strerror(errno));
	conf_destroy(side);
}

static void foreign_address_client(struct side *side)
{
	struct sockaddr_in addr = {.sin_family = AF_INET};

	side->events = rdma_create_event_channel();
	CHECK(side->events, "rdma_create_event_channel: %s", strerror(errno));
	CHECK(rdma_create_id(side->events, &side->id, NULL, RDMA_PS_TCP) == 0, "rdma_create_id: %s",
	      strerror(errno));
	/* TEST-NET-1 is nobody's. */
	inet_pton(AF_INET, "192.0.2.1", &addr.sin_addr);
	CHECK(rdma_bind_addr(side->id, (struct sockaddr *)&addr) == -1,
	      "bound to an address of no device");
	conf_destroy(side);
}

static void parting_client(struct side *side)
{
	int status;

	CHECK(rdma_disconnect(side->id) == 0, "rdma_disconnect: %s", strerror(errno));
	CHECK(conf_qp_state(side->qp) == IBV_QPS_ERR, "the QP is not in error");
	status = conf_event_status(side, RDMA_CM_EVENT_DISCONNECTED);
	CHECK(status == 0, "DISCONNECTED with status %d", status);
	conf_event_status(side, RDMA_CM_EVENT_TIMEWAIT_EXIT);
	conf_meet(side);
	conf_destroy(side);
}

static void parted_server(struct side *side)
{
	int status = conf_event_status(side, RDMA_CM_EVENT_DISCONNECTED);

	CHECK(status == 0, "DISCONNECTED with status %d", status);
	CHECK(conf_qp_state(side->qp) == IBV_QPS_RTS, "the QP left RTS by itself");
	CHECK(rdma_disconnect(side->id) == 0, "rdma_disconnect: %s", strerror(errno));
	CHECK(conf_qp_state(side->qp) == IBV_QPS_ERR, "the QP is not in error");
	conf_event_status(side, RDMA_CM_EVENT_TIMEWAIT_EXIT);
	conf_meet(side);
	conf_destroy(side);
}

/* An id destroyed without a disconnect parts all the same. */
static void deserted_client(struct side *side)
{
	conf_event_status(side, RDMA_CM_EVENT_DISCONNECTED);
	rdma_disconnect(side->id);
	conf_destroy(side);
}

static void deserting_server(struct side *side)
{
	conf_destroy(side);
}

static void unconnected_client(struct side *side)
{
	struct rdma_conn_param param;

	conf_resolve(side, conf_hear(side));
	conf_fill_param(side, &param);
	errno = 0;
	CHECK(rdma_disconnect(side->id) == -1 && errno == EINVAL, "disconnected from nothing: %s",
	      strerror(errno));
	conf_meet(side);
	conf_destroy(side);
}

/* Messages sent at once after accepting find their RECV. */
static void early_client(struct side *side)
{
	struct rdma_conn_param param;

	conf_resolve(side, conf_hear(side));
	conf_objects(side);
	conf_post_recv(side, 1, 0, 10);
	conf_fill_param(side, &param);
	CHECK(rdma_connect(side->id, &param) == 0, "rdma_connect: %s", strerror(errno));
	conf_hear(side);
	conf_event_status(side, RDMA_CM_EVENT_ESTABLISHED);
	conf_expect(side->recv_cq, 1, IBV_WC_SUCCESS);
	CHECK(memcmp(side->buffer, "early bird", 10) == 0, "the bytes differ");
	conf_disconnect(side);
}

static void early_server(struct side *side)
{
	struct rdma_conn_param param;
	struct rdma_cm_event *event;

	conf_listen(side);
	conf_tell(side, ntohs(rdma_get_src_port(side->listener)));
	event = conf_event(side, RDMA_CM_EVENT_CONNECT_REQUEST);
	side->id = event->id;
	rdma_ack_cm_event(event);
	conf_objects(side);
	conf_fill_param(side, &param);
	CHECK(rdma_accept(side->id, &param) == 0, "rdma_accept: %s", strerror(errno));
	memcpy(side->buffer, "early bird", 10);
	conf_post_send(side, 1, 0, 10, IBV_SEND_SIGNALED);
	conf_tell(side, 0);
	conf_event_status(side, RDMA_CM_EVENT_ESTABLISHED);
	conf_expect(side->send_cq, 1, IBV_WC_SUCCESS);
	conf_disconnect(side);
}

const struct conf_case conf_cm_cases[] = {
	{"private_data", private_client, private_server, {0}, true, NULL, NULL, 0},
	{"private_data_limit", private_limit_client, listening_server, {0}, true, NULL, NULL, 0},
	{"reject", rejected_client, rejecting_server, {0}, true, NULL, NULL, 0},
	{"no_listener", no_listener_client, departed_server, {0}, true, NULL, NULL, 0},
	{"listener_goes", ignored_client, ignoring_server, {0}, true, NULL, NULL, 0},
	{"port_in_use", port_in_use_client, NULL, {0}, true, NULL, NULL, 0},
	{"foreign_address", foreign_address_client, NULL, {0}, true, NULL, NULL, 0},
	{"disconnect", parting_client, parted_server, {0}, false, NULL, NULL, 0},
	{"destroy_disconnects", deserted_client, deserting_server, {0}, false, NULL, NULL, 0},
	{"disconnect_unconnected", unconnected_client, listening_server, {0}, true, NULL, NULL, 0},
	{"send_after_accept", early_client, early_server, {0}, true, NULL, NULL, 0},
	{NULL, NULL, NULL, {0}, false, NULL, NULL, 0},
};
