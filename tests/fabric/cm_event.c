// SPDX-License-Identifier: GPL-2.0-or-later
#include "cm_internal.h"

#include "clock.h"
#include "settings.h"
#include "fault.h"
#include "queue_pair.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

pthread_cond_t cm_acknowledged = PTHREAD_COND_INITIALIZER;

struct rdma_event_channel *rdma_create_event_channel(void)
{
	int err = fab_verb(VERB_RDMA_CREATE_EVENT_CHANNEL);
	struct cm_channel *channel = NULL;

	if (!err)
		err = cm_start();
	if (!err) {
		channel = calloc(1, sizeof(*channel));
		err = channel ? fab_queue_init(&channel->events) : ENOMEM;
	}
	if (err) {
		free(channel);
		errno = err;
		return NULL;
	}
	channel->base.fd = channel->events.fd;
	return &channel->base;
}

/*
 * Ids of the channel may still be there: QEMU destroys the channel of its two connections with the
 * first of them. The kernel ends them when the channel is closed; what is done to them afterwards
 * fails, for librdmacm with EBADF, and does no harm.
 */
void rdma_destroy_event_channel(struct rdma_event_channel *base)
{
	struct cm_channel *channel = (struct cm_channel *)base;
	struct cm_id *id, *next;

	pthread_mutex_lock(&cm_lock);
	for (id = cm_ids; id; id = next) {
		next = id->next;
		if (id->base.channel != base)
			continue;
		cm_unlink(id);
		cm_take_leave(id);
		cm_close(id);
		cm_forget_events(id);
		id->state = CM_OVER;
		/* A connection that nobody has taken. */
		if (id->listener)
			cm_free(id);
	}
	fab_queue_destroy(&channel->events);
	channel->destroyed = true;
	if (!channel->ids)
		free(channel);
	pthread_mutex_unlock(&cm_lock);
}

void cm_raise(struct cm_id *id, enum rdma_cm_event_type type, int status,
	      const struct cm_message *message, unsigned int private_room)
{
	struct cm_id *counted = type == RDMA_CM_EVENT_CONNECT_REQUEST ? id->listener : id;
	struct cm_channel *channel = cm_channel_of(id);
	struct cm_event *event = calloc(1, sizeof(*event));

	if (!event || channel->destroyed) {
		free(event);
		return;
	}
	event->counted = counted;
	event->base.id = &id->base;
	event->base.event = type;
	event->base.status = status;
	if (type == RDMA_CM_EVENT_CONNECT_REQUEST)
		event->base.listen_id = &id->listener->base;
	if (message) {
		memcpy(event->private_data, message->private_data, private_room);
		event->base.param.conn = (struct rdma_conn_param){
			.private_data = private_room ? event->private_data : NULL,
			.private_data_len = private_room,
			.responder_resources = message->responder_resources,
			.initiator_depth = message->initiator_depth,
			.flow_control = message->flow_control,
			.retry_count = message->retry_count,
			.rnr_retry_count = message->rnr_retry_count,
			.qp_num = message->qp_num,
		};
	}
	if (fab_queue_push(&channel->events, event, type) != 0)
		free(event);
}

static bool about(void *item, int kind, const void *arg)
{
	const struct cm_id *id = arg;
	struct cm_event *event = item;

	(void)kind;
	if (event->counted != id && event->base.id != &id->base)
		return false;
	free(event);
	return true;
}

void cm_forget_events(struct cm_id *id)
{
	fab_queue_remove(&cm_channel_of(id)->events, about, id);
}

/*
 * The REP came: the QP goes to RTS and the RTU out when the caller takes the event, as librdmacm
 * does it, so that nothing reaches the caller's RECVs before.
 */
static void finish_connecting(struct cm_event *event)
{
	struct cm_id *id = to_cm_id(event->base.id);
	struct qp_connection connection;
	int err = EINVAL;

	pthread_mutex_lock(&cm_lock);
	if (id->state == CM_REP_RECEIVED && id->base.qp) {
		connection = (struct qp_connection){
			.request_fd = id->request_fd,
			.response_fd = id->response_fd,
			.peer_pid = id->peer_pid,
			.peer_qpn = id->peer.qp_num,
			.by_socket = id->by_socket,
			.rnr_retry = id->peer.rnr_retry_count,
		};
		err = fab_qp_connect(id->base.qp, &connection);
	}
	if (!err) {
		id->request_fd = -1;
		id->response_fd = -1;
		id->state = CM_CONNECTED;
		id->connected_at = fab_now();
		cm_say(id, CM_RTU);
		event->base.event = RDMA_CM_EVENT_ESTABLISHED;
	} else {
		cm_say(id, CM_REJ);
		cm_close(id);
		id->state = CM_OVER;
		event->base.event = RDMA_CM_EVENT_CONNECT_ERROR;
		event->base.status = -err;
	}
	pthread_mutex_unlock(&cm_lock);
}

int rdma_get_cm_event(struct rdma_event_channel *base, struct rdma_cm_event **out)
{
	struct cm_channel *channel = (struct cm_channel *)base;
	int err = fab_verb(VERB_RDMA_GET_CM_EVENT);
	struct cm_event *event;
	struct cm_id *id;
	void *item;

	if (err)
		return cm_fail(err);
	if (fab_queue_pop(&channel->events, &item, NULL) != 0)
		return -1;
	event = item;
	id = to_cm_id(event->base.id);
	pthread_mutex_lock(&cm_lock);
	event->counted->reported++;
	if (event->base.event == RDMA_CM_EVENT_CONNECT_REQUEST)
		id->listener = NULL;
	pthread_mutex_unlock(&cm_lock);
	if (event->base.event == RDMA_CM_EVENT_CONNECT_RESPONSE)
		finish_connecting(event);
	else if (event->base.event == RDMA_CM_EVENT_REJECTED && id->base.qp)
		fab_qp_error(id->base.qp);
	*out = &event->base;
	return 0;
}

int rdma_ack_cm_event(struct rdma_cm_event *base)
{
	struct cm_event *event = (struct cm_event *)base;
	int err = fab_verb(VERB_RDMA_ACK_CM_EVENT);

	if (!event)
		return cm_fail(EINVAL);
	pthread_mutex_lock(&cm_lock);
	event->counted->completed++;
	pthread_cond_broadcast(&cm_acknowledged);
	pthread_mutex_unlock(&cm_lock);
	free(event);
	return cm_fail(err);
}

const char *rdma_event_str(enum rdma_cm_event_type event)
{
	static const char *const names[] = {
		[RDMA_CM_EVENT_ADDR_RESOLVED] = "RDMA_CM_EVENT_ADDR_RESOLVED",
		[RDMA_CM_EVENT_ADDR_ERROR] = "RDMA_CM_EVENT_ADDR_ERROR",
		[RDMA_CM_EVENT_ROUTE_RESOLVED] = "RDMA_CM_EVENT_ROUTE_RESOLVED",
		[RDMA_CM_EVENT_ROUTE_ERROR] = "RDMA_CM_EVENT_ROUTE_ERROR",
		[RDMA_CM_EVENT_CONNECT_REQUEST] = "RDMA_CM_EVENT_CONNECT_REQUEST",
		[RDMA_CM_EVENT_CONNECT_RESPONSE] = "RDMA_CM_EVENT_CONNECT_RESPONSE",
		[RDMA_CM_EVENT_CONNECT_ERROR] = "RDMA_CM_EVENT_CONNECT_ERROR",
		[RDMA_CM_EVENT_UNREACHABLE] = "RDMA_CM_EVENT_UNREACHABLE",
		[RDMA_CM_EVENT_REJECTED] = "RDMA_CM_EVENT_REJECTED",
		[RDMA_CM_EVENT_ESTABLISHED] = "RDMA_CM_EVENT_ESTABLISHED",
		[RDMA_CM_EVENT_DISCONNECTED] = "RDMA_CM_EVENT_DISCONNECTED",
		[RDMA_CM_EVENT_DEVICE_REMOVAL] = "RDMA_CM_EVENT_DEVICE_REMOVAL",
		[RDMA_CM_EVENT_MULTICAST_JOIN] = "RDMA_CM_EVENT_MULTICAST_JOIN",
		[RDMA_CM_EVENT_MULTICAST_ERROR] = "RDMA_CM_EVENT_MULTICAST_ERROR",
		[RDMA_CM_EVENT_ADDR_CHANGE] = "RDMA_CM_EVENT_ADDR_CHANGE",
		[RDMA_CM_EVENT_TIMEWAIT_EXIT] = "RDMA_CM_EVENT_TIMEWAIT_EXIT",
	};

	if ((unsigned int)event >= sizeof(names) / sizeof(names[0]))
		return "UNKNOWN EVENT";
	return names[event];
}
