// SPDX-License-Identifier: GPL-2.0-or-later
#include "cm_internal.h"

#include "clock.h"
#include "settings.h"
#include "device.h"
#include "fault.h"
#include "queue_pair.h"
#include "wire.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* Room for a whole request's data would not help; for headers of all in flight it does. */
#define DATA_SOCKET_BUFFER (4 << 20)
#define FIRST_EPHEMERAL	   32768

pthread_mutex_t cm_lock = PTHREAD_MUTEX_INITIALIZER;
struct cm_id *cm_ids;

int cm_fail(int err)
{
	if (!err)
		return 0;
	errno = err;
	return -1;
}

struct cm_id *cm_new(struct rdma_event_channel *channel, void *context, enum rdma_port_space ps)
{
	struct cm_id *id = calloc(1, sizeof(*id));

	if (!id)
		return NULL;
	id->base.channel = channel;
	id->base.context = context;
	id->base.ps = ps;
	id->base.qp_type = IBV_QPT_RC;
	id->sock = -1;
	id->request_fd = -1;
	id->response_fd = -1;
	cm_channel_of(id)->ids++;
	id->next = cm_ids;
	cm_ids = id;
	return id;
}

void cm_unlink(struct cm_id *id)
{
	struct cm_id **p;

	for (p = &cm_ids; *p; p = &(*p)->next) {
		if (*p == id) {
			*p = id->next;
			return;
		}
	}
}

void cm_free(struct cm_id *id)
{
	struct cm_channel *channel = cm_channel_of(id);

	if (--channel->ids == 0 && channel->destroyed)
		free(channel);
	free(id);
}

static void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

void cm_close(struct cm_id *id)
{
	close_fd(&id->sock);
	close_fd(&id->request_fd);
	close_fd(&id->response_fd);
}

int rdma_create_id(struct rdma_event_channel *channel, struct rdma_cm_id **out, void *context,
		   enum rdma_port_space ps)
{
	int err = fab_verb(VERB_RDMA_CREATE_ID);
	struct cm_id *id;

	if (err)
		return cm_fail(err);
	if (!channel || ps != RDMA_PS_TCP)
		return cm_fail(ENOSYS);
	pthread_mutex_lock(&cm_lock);
	id = cm_new(channel, context, ps);
	pthread_mutex_unlock(&cm_lock);
	if (!id)
		return cm_fail(ENOMEM);
	*out = &id->base;
	return 0;
}

/* Connections that nobody was told of, or was but did not take. */
static void drop_offers(struct cm_id *listener)
{
	struct cm_id *id, *next;

	for (id = cm_ids; id; id = next) {
		next = id->next;
		if (id->listener != listener)
			continue;
		if (id->state == CM_REQ_RECEIVED)
			cm_say(id, CM_REJ);
		cm_close(id);
		cm_unlink(id);
		cm_free(id);
	}
}

void cm_take_leave(struct cm_id *id)
{
	switch (id->state) {
	case CM_REQ_RECEIVED:
	case CM_REP_RECEIVED:
		cm_say(id, CM_REJ);
		break;
	case CM_REP_SENT:
	case CM_CONNECTED:
		cm_say(id, CM_DREQ);
		break;
	case CM_DREQ_RECEIVED:
		cm_say(id, CM_DREP);
		break;
	default:
		break;
	}
}

int rdma_destroy_id(struct rdma_cm_id *base)
{
	struct cm_id *id = to_cm_id(base);
	int err = fab_verb(VERB_RDMA_DESTROY_ID);

	if (err)
		return cm_fail(err);
	pthread_mutex_lock(&cm_lock);
	if (cm_channel_of(id)->destroyed) {
		err = EBADF;
	} else {
		cm_unlink(id);
		cm_take_leave(id);
		cm_close(id);
		cm_forget_events(id);
		drop_offers(id);
		while (id->reported != id->completed)
			pthread_cond_wait(&cm_acknowledged, &cm_lock);
	}
	cm_free(id);
	pthread_mutex_unlock(&cm_lock);
	return cm_fail(err);
}

static int take_device(struct cm_id *id)
{
	id->base.verbs = fab_shared_context();
	id->base.port_num = 1;
	return id->base.verbs ? 0 : errno;
}

int rdma_bind_addr(struct rdma_cm_id *base, struct sockaddr *addr)
{
	struct cm_id *id = to_cm_id(base);
	int err = fab_verb(VERB_RDMA_BIND_ADDR);

	if (err)
		return cm_fail(err);
	pthread_mutex_lock(&cm_lock);
	if (id->state != CM_IDLE)
		err = EINVAL;
	else if (!cm_addr_any(addr) && !cm_addr_local(addr))
		err = EADDRNOTAVAIL;
	else
		err = cm_bind(id, addr);
	/* Bound to every address it belongs to no device yet. */
	if (!err && !cm_addr_any(addr))
		err = take_device(id);
	if (!err) {
		cm_addr_gid(&base->route.addr.src_addr, &base->route.addr.addr.ibaddr.sgid);
		id->state = CM_BOUND;
	}
	pthread_mutex_unlock(&cm_lock);
	return cm_fail(err);
}

int rdma_listen(struct rdma_cm_id *base, int backlog)
{
	struct cm_id *id = to_cm_id(base);
	int err = fab_verb(VERB_RDMA_LISTEN);

	if (err)
		return cm_fail(err);
	pthread_mutex_lock(&cm_lock);
	if (id->state != CM_BOUND)
		err = EINVAL;
	else if (listen(id->sock, backlog > 0 ? backlog : 128) != 0)
		err = errno;
	else
		err = cm_watch(id);
	if (!err)
		id->state = CM_LISTENING;
	pthread_mutex_unlock(&cm_lock);
	cm_wake();
	return cm_fail(err);
}

int rdma_resolve_addr(struct rdma_cm_id *base, struct sockaddr *src, struct sockaddr *dst,
		      int timeout_ms)
{
	static uint16_t ephemeral;
	struct cm_id *id = to_cm_id(base);
	struct rdma_addr *addr = &base->route.addr;
	int err = fab_verb(VERB_RDMA_RESOLVE_ADDR);

	(void)timeout_ms;
	if (err)
		return cm_fail(err);
	pthread_mutex_lock(&cm_lock);
	if (id->state != CM_IDLE) {
		err = EINVAL;
		goto out;
	}
	memcpy(&addr->dst_storage, dst, cm_addr_len(dst));
	if (!cm_addr_local(dst)) {
		cm_raise(id, RDMA_CM_EVENT_ADDR_ERROR, -ENODEV, NULL, 0);
		goto out;
	}
	err = take_device(id);
	if (err)
		goto out;
	/* All addresses are this host's: a route to one starts at the same. */
	memcpy(&addr->src_storage, src ? src : dst, cm_addr_len(src ? src : dst));
	if (!src || !*cm_addr_port(src))
		*cm_addr_port(&addr->src_addr) =
			htons(FIRST_EPHEMERAL + (ephemeral++ + getpid()) % FIRST_EPHEMERAL);
	cm_addr_gid(&addr->src_addr, &addr->addr.ibaddr.sgid);
	cm_addr_gid(&addr->dst_addr, &addr->addr.ibaddr.dgid);
	addr->addr.ibaddr.pkey = htobe16(0xffff);
	id->state = CM_ADDR_RESOLVED;
	cm_raise(id, RDMA_CM_EVENT_ADDR_RESOLVED, 0, NULL, 0);
out:
	pthread_mutex_unlock(&cm_lock);
	return cm_fail(err);
}

int rdma_resolve_route(struct rdma_cm_id *base, int timeout_ms)
{
	struct cm_id *id = to_cm_id(base);
	int err = fab_verb(VERB_RDMA_RESOLVE_ROUTE);

	(void)timeout_ms;
	if (err)
		return cm_fail(err);
	pthread_mutex_lock(&cm_lock);
	if (id->state != CM_ADDR_RESOLVED) {
		err = EINVAL;
	} else {
		id->state = CM_ROUTE_RESOLVED;
		cm_raise(id, RDMA_CM_EVENT_ROUTE_RESOLVED, 0, NULL, 0);
	}
	pthread_mutex_unlock(&cm_lock);
	return cm_fail(err);
}

/* The CM thread looks at it. */
static void set_qp(struct rdma_cm_id *id, struct ibv_qp *qp)
{
	pthread_mutex_lock(&cm_lock);
	id->qp = qp;
	pthread_mutex_unlock(&cm_lock);
}

int rdma_create_qp(struct rdma_cm_id *id, struct ibv_pd *pd, struct ibv_qp_init_attr *attr)
{
	struct ibv_qp_attr init = {.qp_state = IBV_QPS_INIT, .port_num = 1};
	int err = fab_verb(VERB_RDMA_CREATE_QP);
	struct ibv_qp *qp;

	if (err)
		return cm_fail(err);
	if (id->qp || !id->verbs || !pd || pd->context != id->verbs)
		return cm_fail(EINVAL);
	qp = ibv_create_qp(pd, attr);
	if (!qp)
		return -1;
	err = ibv_modify_qp(qp, &init, IBV_QP_STATE | IBV_QP_PKEY_INDEX | IBV_QP_PORT);
	if (err) {
		ibv_destroy_qp(qp);
		return cm_fail(err);
	}
	id->pd = pd;
	set_qp(id, qp);
	return 0;
}

void rdma_destroy_qp(struct rdma_cm_id *id)
{
	struct ibv_qp *qp = id->qp;

	fab_verb(VERB_RDMA_DESTROY_QP);
	set_qp(id, NULL);
	ibv_destroy_qp(qp);
}

static int fill_message(struct cm_message *message, enum cm_message_type type, struct cm_id *id,
			const struct rdma_conn_param *param, unsigned int room)
{
	*message = (struct cm_message){
		.type = type,
		.qp_num = id->base.qp ? id->base.qp->qp_num : 0,
		.probe = fab_wire_probe_address(),
		.src = id->base.route.addr.src_storage,
		.dst = id->base.route.addr.dst_storage,
	};
	if (!param)
		return 0;
	if (param->private_data_len > room)
		return EINVAL;
	message->responder_resources = param->responder_resources;
	message->initiator_depth = param->initiator_depth;
	message->flow_control = param->flow_control;
	message->retry_count = param->retry_count;
	message->rnr_retry_count = param->rnr_retry_count < 7 ? param->rnr_retry_count : 7;
	message->private_len = param->private_data_len;
	if (param->private_data_len)
		memcpy(message->private_data, param->private_data, param->private_data_len);
	return 0;
}

/* The two sockets the QPs talk through: [0] is ours, [1] the peer's. */
static int data_sockets(int requests[2], int responses[2])
{
	int size = DATA_SOCKET_BUFFER, i, err;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, requests) != 0)
		return errno;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, responses) != 0) {
		err = errno;
		close(requests[0]);
		close(requests[1]);
		return err;
	}
	for (i = 0; i < 2; i++) {
		setsockopt(requests[i], SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
		setsockopt(responses[i], SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	}
	return 0;
}

static int send_req(struct cm_id *id, struct cm_message *req)
{
	int requests[2], responses[2], theirs[2], err;

	err = cm_dial(id);
	if (err)
		return err;
	err = data_sockets(requests, responses);
	if (err)
		return err;
	id->request_fd = requests[0];
	id->response_fd = responses[0];
	/* Our requests are what the peer responds to. */
	theirs[0] = responses[1];
	theirs[1] = requests[1];
	req->by_socket = fab_config()->copy == COPY_SOCKET;
	err = cm_send(id, req, theirs, 2);
	close(requests[1]);
	close(responses[1]);
	return err;
}

int rdma_connect(struct rdma_cm_id *base, struct rdma_conn_param *param)
{
	struct cm_id *id = to_cm_id(base);
	int err = fab_verb(VERB_RDMA_CONNECT);
	struct cm_message req;

	if (err)
		return cm_fail(err);
	pthread_mutex_lock(&cm_lock);
	err = id->state == CM_ROUTE_RESOLVED && base->qp ? 0 : EINVAL;
	if (!err)
		err = fill_message(&req, CM_REQ, id, param, CM_REQ_PRIVATE);
	if (err)
		goto out;
	id->state = CM_REQ_SENT;
	id->deadline = fab_now() + fab_config()->cm_timeout_ns;
	if (fab_fault_link_down()) {
		id->lost = true;
		goto out;
	}
	err = send_req(id, &req);
	if (err) {
		cm_close(id);
		id->deadline = 0;
		id->state = CM_ROUTE_RESOLVED;
		if (err == ECONNREFUSED || err == ECONNRESET || err == EPIPE)
			cm_raise(id, RDMA_CM_EVENT_REJECTED, CM_REJ_NO_LISTENER, NULL, 0);
		else
			cm_raise(id, RDMA_CM_EVENT_UNREACHABLE, -err, NULL, 0);
		err = 0;
	}
out:
	pthread_mutex_unlock(&cm_lock);
	cm_wake();
	return cm_fail(err);
}

int rdma_accept(struct rdma_cm_id *base, struct rdma_conn_param *param)
{
	struct cm_id *id = to_cm_id(base);
	int err = fab_verb(VERB_RDMA_ACCEPT);
	struct qp_connection connection;
	struct cm_message rep;

	if (err)
		return cm_fail(err);
	pthread_mutex_lock(&cm_lock);
	err = id->state == CM_REQ_RECEIVED && base->qp ? 0 : EINVAL;
	if (!err)
		err = fill_message(&rep, CM_REP, id, param, CM_REP_PRIVATE);
	if (err)
		goto out;
	connection = (struct qp_connection){
		.request_fd = id->request_fd,
		.response_fd = id->response_fd,
		.peer_pid = id->peer_pid,
		.peer_qpn = id->peer.qp_num,
		.by_socket = id->by_socket,
		.rnr_retry = id->peer.rnr_retry_count,
	};
	err = fab_qp_connect(base->qp, &connection);
	if (err)
		goto out;
	id->request_fd = -1;
	id->response_fd = -1;
	rep.by_socket = id->by_socket;
	id->state = CM_REP_SENT;
	id->connected_at = fab_now();
	id->deadline = fab_now() + fab_config()->cm_timeout_ns;
	/* A peer that has gone is noticed by the CM thread. */
	cm_send(id, &rep, NULL, 0);
out:
	pthread_mutex_unlock(&cm_lock);
	cm_wake();
	return cm_fail(err);
}

int rdma_reject(struct rdma_cm_id *base, const void *private_data, uint8_t private_data_len)
{
	struct rdma_conn_param param = {.private_data = private_data,
					.private_data_len = private_data_len};
	struct cm_id *id = to_cm_id(base);
	int err = fab_verb(VERB_RDMA_REJECT);
	struct cm_message rej;

	if (err)
		return cm_fail(err);
	pthread_mutex_lock(&cm_lock);
	err = id->state == CM_REQ_RECEIVED ? 0 : EINVAL;
	if (!err)
		err = fill_message(&rej, CM_REJ, id, &param, CM_REJ_PRIVATE);
	if (!err) {
		rej.reason = CM_REJ_CONSUMER;
		cm_send(id, &rej, NULL, 0);
		cm_close(id);
		id->state = CM_OVER;
	}
	pthread_mutex_unlock(&cm_lock);
	return cm_fail(err);
}

int rdma_disconnect(struct rdma_cm_id *base)
{
	struct cm_id *id = to_cm_id(base);
	int err = fab_verb(VERB_RDMA_DISCONNECT);

	if (err)
		return cm_fail(err);
	pthread_mutex_lock(&cm_lock);
	if (cm_channel_of(id)->destroyed) {
		/* The QP is not the channel's. */
		if (base->qp)
			fab_qp_error(base->qp);
		err = EBADF;
		goto out;
	}
	if (id->state < CM_REP_SENT || id->state == CM_OVER) {
		err = EINVAL;
		goto out;
	}
	if (base->qp)
		fab_qp_error(base->qp);
	if (id->state == CM_DREQ_RECEIVED) {
		cm_say(id, CM_DREP);
		id->state = CM_TIMEWAIT;
		id->deadline = fab_now() + fab_config()->timewait_ns;
	} else if (id->state != CM_DREQ_SENT && id->state != CM_TIMEWAIT) {
		cm_say(id, CM_DREQ);
		id->state = CM_DREQ_SENT;
		id->deadline = fab_now() + fab_config()->cm_timeout_ns;
	}
out:
	pthread_mutex_unlock(&cm_lock);
	cm_wake();
	return cm_fail(err);
}

int rdma_set_option(struct rdma_cm_id *id, int level, int optname, void *optval, size_t optlen)
{
	int err = fab_verb(VERB_RDMA_SET_OPTION);

	(void)id;
	(void)optval;
	(void)optlen;
	if (err)
		return cm_fail(err);
	if (level != RDMA_OPTION_ID || optname < RDMA_OPTION_ID_TOS ||
	    optname > RDMA_OPTION_ID_ACK_TIMEOUT)
		return cm_fail(ENOSYS);
	return 0;
}

struct ibv_context **rdma_get_devices(int *num_devices)
{
	struct ibv_context **list = calloc(2, sizeof(struct ibv_context *));

	if (list)
		list[0] = fab_shared_context();
	if (num_devices)
		*num_devices = list && list[0] ? 1 : 0;
	return list;
}

void rdma_free_devices(struct ibv_context **list)
{
	free(list);
}
