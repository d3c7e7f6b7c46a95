// SPDX-License-Identifier: GPL-2.0-or-later
#include "device.h"

#include "completion.h"
#include "settings.h"
#include "event_queue.h"
#include "fault.h"
#include "queue_pair.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#undef ibv_query_port
#define ETHERNET_MTU IBV_MTU_4096
#define GUID	     0x0250fffe00464142ull

struct context {
	struct verbs_context verbs; /* last member of it: what callers hold */
	struct event_queue async;
	struct context *next;
};

static struct ibv_device device = {
	.node_type = IBV_NODE_CA,
	.transport_type = IBV_TRANSPORT_IB,
	.name = "fabric0",
	.dev_name = "uverbs_fabric0",
	.dev_path = "/nonexistent/fabric/uverbs0",
	.ibdev_path = "/nonexistent/fabric/fabric0",
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct context *contexts;
static struct ibv_context *shared;

static struct context *to_context(struct ibv_context *base)
{
	return (struct context *)((char *)base - offsetof(struct context, verbs.context));
}

struct ibv_device **ibv_get_device_list(int *num_devices)
{
	int err = fab_verb(VERB_GET_DEVICE_LIST);
	struct ibv_device **list = err ? NULL : calloc(2, sizeof(struct ibv_device *));

	if (num_devices)
		*num_devices = list ? 1 : 0;
	if (!list) {
		errno = err ? err : ENOMEM;
		return NULL;
	}
	list[0] = &device;
	return list;
}

void ibv_free_device_list(struct ibv_device **list)
{
	free(list);
}

const char *ibv_get_device_name(struct ibv_device *dev)
{
	return dev->name;
}

__be64 ibv_get_device_guid(struct ibv_device *dev)
{
	(void)dev;
	return htobe64(GUID);
}

int ibv_get_device_index(struct ibv_device *dev)
{
	(void)dev;
	return 0;
}

static int query_port(struct ibv_context *context, uint8_t port, struct ibv_port_attr *out,
		      size_t size)
{
	struct ibv_port_attr attr = {
		.state = fab_fault_link_down() ? IBV_PORT_DOWN : IBV_PORT_ACTIVE,
		.max_mtu = ETHERNET_MTU,
		.active_mtu = ETHERNET_MTU,
		.gid_tbl_len = 1,
		.port_cap_flags = IBV_PORT_CM_SUP,
		.max_msg_sz = fab_config()->max_msg_size,
		.pkey_tbl_len = 1,
		.max_vl_num = 1,
		.active_width = 2,  /* 4x */
		.active_speed = 32, /* EDR */
		.phys_state = fab_fault_link_down() ? 3 : 5,
		.link_layer = IBV_LINK_LAYER_ETHERNET,
	};
	int err = fab_verb(VERB_QUERY_PORT);

	(void)context;
	if (err)
		return err;
	if (port != 1)
		return EINVAL;
	memset(out, 0, size);
	memcpy(out, &attr, size < sizeof(attr) ? size : sizeof(attr));
	return 0;
}

/* What callers compiled without the extended interface see: the part before port_cap_flags2. */
int ibv_query_port(struct ibv_context *context, uint8_t port, struct _compat_ibv_port_attr *attr)
{
	return query_port(context, port, (struct ibv_port_attr *)attr,
			  offsetof(struct ibv_port_attr, port_cap_flags2));
}

int ibv_query_device(struct ibv_context *context, struct ibv_device_attr *attr)
{
	const struct fabric_config *config = fab_config();
	int err = fab_verb(VERB_QUERY_DEVICE);

	(void)context;
	if (err)
		return err;
	*attr = (struct ibv_device_attr){
		.node_guid = htobe64(GUID),
		.sys_image_guid = htobe64(GUID),
		.max_mr_size = config->max_mr_size,
		.page_size_cap = 0xfffff000,
		.max_qp = 65536,
		.max_qp_wr = config->max_qp_wr,
		.device_cap_flags = IBV_DEVICE_RC_RNR_NAK_GEN,
		.max_sge = FAB_MAX_SGE,
		.max_cq = 65536,
		.max_cqe = config->max_cqe,
		.max_mr = config->max_mr,
		.max_pd = 65536,
		.max_qp_rd_atom = 16,
		.max_qp_init_rd_atom = 16,
		.atomic_cap = IBV_ATOMIC_NONE,
		.max_pkeys = 1,
		.local_ca_ack_delay = 15,
		.phys_port_cnt = 1,
	};
	snprintf(attr->fw_ver, sizeof(attr->fw_ver), "simulation");
	return 0;
}

static int query_device_ex(struct ibv_context *context,
			   const struct ibv_query_device_ex_input *input,
			   struct ibv_device_attr_ex *out, size_t size)
{
	struct ibv_device_attr_ex attr = {.phys_port_cnt_ex = 1};
	int err = ibv_query_device(context, &attr.orig_attr);

	(void)input;
	if (err)
		return err;
	memset(out, 0, size);
	memcpy(out, &attr, size < sizeof(attr) ? size : sizeof(attr));
	return 0;
}

static int advise_mr(struct ibv_pd *pd, enum ibv_advise_mr_advice advice, uint32_t flags,
		     struct ibv_sge *sg_list, uint32_t num_sge)
{
	(void)pd;
	(void)advice;
	(void)flags;
	(void)sg_list;
	(void)num_sge;
	fab_verb(VERB_ADVISE_MR);
	return EOPNOTSUPP;
}

int ibv_query_gid(struct ibv_context *context, uint8_t port, int index, union ibv_gid *gid)
{
	static const uint8_t loopback[16] = {0, 0, 0,	 0,    0,   0, 0, 0,
					     0, 0, 0xff, 0xff, 127, 0, 0, 1};

	(void)context;
	if (port != 1 || index != 0) {
		errno = EINVAL;
		return -1;
	}
	memcpy(gid->raw, loopback, sizeof(loopback));
	return 0;
}

int ibv_query_pkey(struct ibv_context *context, uint8_t port, int index, __be16 *pkey)
{
	(void)context;
	if (port != 1 || index != 0) {
		errno = EINVAL;
		return -1;
	}
	*pkey = htobe16(0xffff);
	return 0;
}

int ibv_get_pkey_index(struct ibv_context *context, uint8_t port, __be16 pkey)
{
	(void)context;
	return port == 1 && pkey == htobe16(0xffff) ? 0 : -1;
}

struct ibv_context *ibv_open_device(struct ibv_device *dev)
{
	int err = fab_verb(VERB_OPEN_DEVICE);
	struct ibv_context *base;
	struct context *context;

	if (err)
		goto fail;
	err = ENOMEM;
	context = calloc(1, sizeof(*context));
	if (!context)
		goto fail;
	err = fab_queue_init(&context->async);
	if (err) {
		free(context);
		goto fail;
	}
	context->verbs.sz = sizeof(context->verbs);
	context->verbs.query_port = query_port;
	context->verbs.query_device_ex = query_device_ex;
	context->verbs.advise_mr = advise_mr;
	base = &context->verbs.context;
	base->device = dev;
	base->cmd_fd = -1;
	base->async_fd = context->async.fd;
	base->num_comp_vectors = 1;
	base->abi_compat = __VERBS_ABI_IS_EXTENDED;
	pthread_mutex_init(&base->mutex, NULL);
	base->ops.poll_cq = fab_poll_cq;
	base->ops.req_notify_cq = fab_req_notify_cq;
	base->ops.post_send = fab_post_send;
	base->ops.post_recv = fab_post_recv;
	pthread_mutex_lock(&lock);
	context->next = contexts;
	contexts = context;
	pthread_mutex_unlock(&lock);
	fab_nic_start();
	return base;
fail:
	errno = err;
	return NULL;
}

int ibv_close_device(struct ibv_context *base)
{
	struct context *context = to_context(base), **p;

	pthread_mutex_lock(&lock);
	for (p = &contexts; *p != context; p = &(*p)->next)
		continue;
	*p = context->next;
	pthread_mutex_unlock(&lock);
	fab_queue_destroy(&context->async);
	pthread_mutex_destroy(&base->mutex);
	free(context);
	return 0;
}

struct ibv_context *fab_shared_context(void)
{
	static pthread_mutex_t once = PTHREAD_MUTEX_INITIALIZER;
	struct ibv_context *context;

	pthread_mutex_lock(&once);
	if (!shared)
		shared = ibv_open_device(&device);
	context = shared;
	pthread_mutex_unlock(&once);
	return context;
}

void fab_async_raise(struct ibv_context *base, enum ibv_event_type type, void *element)
{
	struct context *context;

	pthread_mutex_lock(&lock);
	for (context = contexts; context; context = context->next)
		if (!base || base == &context->verbs.context)
			fab_queue_push(&context->async, element, type);
	pthread_mutex_unlock(&lock);
}

static bool same_element(void *item, int kind, const void *arg)
{
	return item == arg && kind != IBV_EVENT_PORT_ERR;
}

void fab_async_forget(const void *element)
{
	struct context *context;

	pthread_mutex_lock(&lock);
	for (context = contexts; context; context = context->next)
		fab_queue_remove(&context->async, same_element, element);
	pthread_mutex_unlock(&lock);
}

int ibv_get_async_event(struct ibv_context *base, struct ibv_async_event *event)
{
	void *item;
	int kind;

	if (fab_queue_pop(&to_context(base)->async, &item, &kind) != 0)
		return -1;
	event->event_type = kind;
	if (kind == IBV_EVENT_PORT_ERR)
		event->element.port_num = 1;
	else if (kind == IBV_EVENT_CQ_ERR)
		event->element.cq = item;
	else
		event->element.qp = item;
	return 0;
}

/* Nothing waits for these: elements may be destroyed with events unacknowledged. */
void ibv_ack_async_event(struct ibv_async_event *event)
{
	(void)event;
}
