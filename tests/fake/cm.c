/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "fake.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <rdma/rdma_cma.h>

struct channel {
	struct rdma_event_channel channel;
	struct rdma_cm_event event;
	struct rdma_cm_id *last_id; /* of those alive, or NULL */
};

struct rdma_event_channel *rdma_create_event_channel(void)
{
	struct channel *channel = calloc(1, sizeof(*channel));

	if (!channel)
		return NULL;
	channel->channel.fd = eventfd(0, EFD_CLOEXEC);
	return &channel->channel;
}

void rdma_destroy_event_channel(struct rdma_event_channel *channel)
{
	close(channel->fd);
	free(channel);
}

int rdma_create_id(struct rdma_event_channel *channel, struct rdma_cm_id **id, void *context,
		   enum rdma_port_space ps)
{
	*id = calloc(1, sizeof(**id));
	if (!*id)
		return -1;
	(*id)->channel = channel;
	(*id)->context = context;
	(*id)->ps = ps;
	if (channel)
		((struct channel *)channel)->last_id = *id;
	fake_count_id(1);
	return 0;
}

int rdma_destroy_id(struct rdma_cm_id *id)
{
	struct ibv_context *verbs = id->verbs;
	struct channel *channel = (struct channel *)id->channel;
	struct fake_live live;

	if (channel && id == channel->last_id)
		channel->last_id = NULL;
	free(id);
	fake_count_id(-1);
	fake_get_live(&live);
	/* The last user closes the device, as librdmacm does. */
	if (verbs && !live.ids)
		ibv_close_device(verbs);
	return 0;
}

int rdma_resolve_addr(struct rdma_cm_id *id, struct sockaddr *src, struct sockaddr *dst,
		      int timeout_ms)
{
	(void)src;
	(void)timeout_ms;
	memcpy(&id->route.addr.dst_storage, dst,
	       dst->sa_family == AF_INET6 ? sizeof(struct sockaddr_in6)
					  : sizeof(struct sockaddr_in));
	id->verbs = fake_context();
	id->port_num = 1;
	return id->verbs ? 0 : -1;
}

int rdma_create_qp(struct rdma_cm_id *id, struct ibv_pd *pd, struct ibv_qp_init_attr *attr)
{
	fake_record("rdma_create_qp pd%d type=%d srq=%s sig_all=%d send_cq=cq%d recv_cq=cq%d "
		    "max_send_wr=%u max_recv_wr=%u max_send_sge=%u max_recv_sge=%u inline=%u",
		    fake_index(pd), (int)attr->qp_type, attr->srq ? "yes" : "no", attr->sq_sig_all,
		    fake_index(attr->send_cq), fake_index(attr->recv_cq), attr->cap.max_send_wr,
		    attr->cap.max_recv_wr, attr->cap.max_send_sge, attr->cap.max_recv_sge,
		    attr->cap.max_inline_data);
	id->qp = ibv_create_qp(pd, attr);
	if (!id->qp)
		return -1;
	fake_qp_set_channel(id->qp, id->channel);
	return 0;
}

void rdma_destroy_qp(struct rdma_cm_id *id)
{
	fake_record("rdma_destroy_qp qp%d", fake_index(id->qp));
	ibv_destroy_qp(id->qp);
	id->qp = NULL;
}

static void record_param(const char *what, const struct rdma_cm_id *id,
			 const struct rdma_conn_param *param)
{
	char data[2 * 256 + 1] = "";

	for (int i = 0; param && i < param->private_data_len; i++)
		snprintf(data + 2 * i, 3, "%02x", ((const uint8_t *)param->private_data)[i]);
	fake_record("%s qp%d param=%s private_data=%s retry=%d", what, fake_index(id->qp),
		    param ? "yes" : "no", data, param ? param->retry_count : 0);
}

int rdma_connect(struct rdma_cm_id *id, struct rdma_conn_param *param)
{
	record_param("rdma_connect", id, param);
	return 0;
}

int rdma_accept(struct rdma_cm_id *id, struct rdma_conn_param *param)
{
	record_param("rdma_accept", id, param);
	return 0;
}

/* Always that the other end of the channel's id made last has disconnected. */
int rdma_get_cm_event(struct rdma_event_channel *channel, struct rdma_cm_event **event)
{
	struct channel *c = (struct channel *)channel;

	fake_record("rdma_get_cm_event");
	if (!channel || !c->last_id) {
		errno = EINVAL;
		return -1;
	}
	c->event = (struct rdma_cm_event){.event = RDMA_CM_EVENT_DISCONNECTED, .id = c->last_id};
	*event = &c->event;
	return 0;
}

int rdma_disconnect(struct rdma_cm_id *id)
{
	fake_record("rdma_disconnect qp%d", fake_index(id->qp));
	fake_wire_disconnect(id->qp);
	return 0;
}
