/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "objects.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#define CONTEXTS 4
#define PDS	 64
#define CQS	 128

struct fake_control fake_control;

/* Guards which objects there are, but for QPs. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct fake_live live;
static struct {
	struct ibv_context context;
	bool used;
} contexts[CONTEXTS];
static struct {
	struct ibv_pd pd;
	bool used;
} pds[PDS];
static struct fake_cq cqs[CQS];
struct fake_qp fake_qps[FAKE_QPS];
static struct ibv_device device = {.name = "fake0"};

/* The first unused element of a pool, cleared and taken; aborts when all are used. */
#define TAKE(pool)                                                               \
	({                                                                       \
		size_t i_ = 0;                                                   \
                                                                                 \
		while (i_ < sizeof(pool) / sizeof((pool)[0]) && (pool)[i_].used) \
			i_++;                                                    \
		if (i_ == sizeof(pool) / sizeof((pool)[0]))                      \
			abort();                                                 \
		memset(&(pool)[i_], 0, sizeof((pool)[i_]));                      \
		(pool)[i_].used = true;                                          \
		&(pool)[i_];                                                     \
	})

static bool within(const void *object, const void *pool, size_t size)
{
	return (const char *)object >= (const char *)pool &&
	       (const char *)object < (const char *)pool + size;
}

int fake_index(const void *object)
{
	if (within(object, contexts, sizeof(contexts)))
		return (int)(((const char *)object - (char *)contexts) / (long)sizeof(contexts[0]));
	if (within(object, pds, sizeof(pds)))
		return (int)(((const char *)object - (char *)pds) / (long)sizeof(pds[0]));
	if (within(object, cqs, sizeof(cqs)))
		return (int)(((const char *)object - (char *)cqs) / (long)sizeof(cqs[0]));
	if (within(object, fake_qps, sizeof(fake_qps)))
		return (int)(((const char *)object - (char *)fake_qps) / (long)sizeof(fake_qps[0]));
	return -1;
}

/* Without a lock, which would put what threads do here in an order. */
static void count(int *what, int change)
{
	__atomic_fetch_add(what, change, __ATOMIC_RELAXED);
}

void fake_count_mr(int change)
{
	count(&live.mrs, change);
}

void fake_count_id(int change)
{
	count(&live.ids, change);
}

void fake_get_live(struct fake_live *out)
{
	const int *from = (const int *)&live;
	int *to = (int *)out;

	for (size_t i = 0; i < sizeof(live) / sizeof(int); i++)
		to[i] = __atomic_load_n(&from[i], __ATOMIC_RELAXED);
}

int fake_fault(enum fake_call call, const void *object, size_t length)
{
	return fake_control.fault ? fake_control.fault(call, object, length) : 0;
}

void fake_complete(struct ibv_cq *ibcq, const struct ibv_wc *wc)
{
	struct fake_cq *cq = (struct fake_cq *)ibcq;

	pthread_mutex_lock(&cq->lock);
	if (cq->count == FAKE_WCS)
		abort();
	cq->wc[(cq->head + cq->count) % FAKE_WCS] = *wc;
	__atomic_fetch_add(&cq->count, 1, __ATOMIC_RELAXED);
	if (cq->armed && ibcq->channel)
		eventfd_write(ibcq->channel->fd, 1);
	cq->armed = false;
	pthread_mutex_unlock(&cq->lock);
}

static int poll_cq(struct ibv_cq *ibcq, int entries, struct ibv_wc *wc)
{
	struct fake_cq *cq = (struct fake_cq *)ibcq;
	int n = 0;

	/* One that finds nothing takes no lock, which would hide what is done without one. */
	if (!__atomic_load_n(&cq->count, __ATOMIC_RELAXED))
		goto out;
	pthread_mutex_lock(&cq->lock);
	for (; n < entries && cq->count; n++) {
		wc[n] = cq->wc[cq->head];
		cq->head = (cq->head + 1) % FAKE_WCS;
		__atomic_fetch_sub(&cq->count, 1, __ATOMIC_RELAXED);
	}
	pthread_mutex_unlock(&cq->lock);
out:
	fake_record("poll_cq cq%d entries=%d: %d", fake_index(ibcq), entries, n);
	return n;
}

static int req_notify_cq(struct ibv_cq *ibcq, int solicited_only)
{
	struct fake_cq *cq = (struct fake_cq *)ibcq;

	pthread_mutex_lock(&cq->lock);
	cq->armed = true;
	pthread_mutex_unlock(&cq->lock);
	fake_record("req_notify_cq cq%d solicited=%d", fake_index(ibcq), solicited_only);
	return 0;
}

static uint32_t hash(uint32_t h, const void *data, size_t len)
{
	const uint8_t *p = data;

	while (len--)
		h = (h ^ *p++) * 16777619u;
	return h;
}

/* The QP's lock is held. */
static void keep_sent(struct fake_qp *qp, const struct ibv_send_wr *wr)
{
	unsigned int slot;

	if (qp->sent_count == FAKE_SENTS) {
		qp->sent_head = (qp->sent_head + 1) % FAKE_SENTS;
		qp->sent_count--;
	}
	slot = (qp->sent_head + qp->sent_count++) % FAKE_SENTS;
	qp->sent[slot].len = 0;
	for (int i = 0; i < wr->num_sge; i++) {
		if (qp->sent[slot].len + wr->sg_list[i].length > FAKE_SENT_MAX)
			abort();
		memcpy(qp->sent[slot].data + qp->sent[slot].len,
		       (void *)(uintptr_t)wr->sg_list[i].addr, wr->sg_list[i].length);
		qp->sent[slot].len += wr->sg_list[i].length;
	}
}

static long cpu_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
	return now.tv_sec * 1000000000 + now.tv_nsec;
}

/* The processor is somebody else's for a while, or the provider has work to do. */
static void take_time(void)
{
	struct timespec sleep = {.tv_nsec = fake_control.send_sleep};
	long began = cpu_ns();

	if (sleep.tv_nsec)
		nanosleep(&sleep, NULL);
	while (cpu_ns() - began < fake_control.send_work)
		;
}

/* What posting a WRITE returns, decided before it is held up. */
static int refuse_write(const struct ibv_send_wr *wr)
{
	int error = __atomic_load_n(&fake_control.send_fails, __ATOMIC_RELAXED);

	take_time();
	if (__atomic_load_n(&fake_control.send_hold, __ATOMIC_ACQUIRE))
		__atomic_fetch_add(&fake_control.send_held, 1, __ATOMIC_RELAXED);
	while (__atomic_load_n(&fake_control.send_hold, __ATOMIC_ACQUIRE))
		sched_yield();
	if (!error) {
		__atomic_store_n(&fake_control.write_lkey, wr->sg_list[0].lkey, __ATOMIC_RELAXED);
		__atomic_fetch_add(&fake_control.writes, 1, __ATOMIC_RELAXED);
	}
	return error;
}

static int post_send(struct ibv_qp *ibqp, struct ibv_send_wr *wr, struct ibv_send_wr **bad_wr)
{
	struct fake_qp *qp = (struct fake_qp *)ibqp;
	int ret = 0;

	for (; wr; wr = wr->next) {
		struct ibv_wc wc = {.wr_id = wr->wr_id, .qp_num = ibqp->qp_num};
		size_t len = 0;
		uint32_t h = 0;

		*bad_wr = wr;
		for (int i = 0; i < wr->num_sge; i++) {
			len += wr->sg_list[i].length;
			if (fake_recording())
				h = hash(h, (void *)(uintptr_t)wr->sg_list[i].addr,
					 wr->sg_list[i].length);
		}
		fake_record("post_send qp%d wr_id=%#llx opcode=%d flags=%u sge=%d length=%zu "
			    "data=%08x remote=%#llx rkey=%#x",
			    fake_index(ibqp), (unsigned long long)wr->wr_id, (int)wr->opcode,
			    wr->send_flags, wr->num_sge, len, h,
			    (unsigned long long)wr->wr.rdma.remote_addr, wr->wr.rdma.rkey);
		if (wr->opcode == IBV_WR_RDMA_WRITE && wr->num_sge) {
			int error = refuse_write(wr);

			if (error)
				return error;
		}
		wc.opcode = wr->opcode == IBV_WR_SEND ? IBV_WC_SEND : IBV_WC_RDMA_WRITE;
		pthread_mutex_lock(&qp->lock);
		if (qp->peer && !qp->error) {
			ret = fake_wire_post(qp, wr);
		} else {
			if (wr->opcode == IBV_WR_SEND && !qp->error)
				keep_sent(qp, wr);
			wc.status = qp->error ? IBV_WC_WR_FLUSH_ERR : IBV_WC_SUCCESS;
			if (qp->error || wr->send_flags & IBV_SEND_SIGNALED)
				fake_complete(ibqp->send_cq, &wc);
		}
		pthread_mutex_unlock(&qp->lock);
		if (ret)
			return ret;
	}
	return 0;
}

static int post_recv(struct ibv_qp *ibqp, struct ibv_recv_wr *wr, struct ibv_recv_wr **bad_wr)
{
	struct fake_qp *qp = (struct fake_qp *)ibqp;
	int ret = 0;

	pthread_mutex_lock(&qp->lock);
	for (; wr; wr = wr->next) {
		*bad_wr = wr;
		fake_record("post_recv qp%d wr_id=%#llx sge=%d length=%u", fake_index(ibqp),
			    (unsigned long long)wr->wr_id, wr->num_sge, wr->sg_list[0].length);
		if (qp->error) {
			fake_complete(ibqp->recv_cq, &(struct ibv_wc){.wr_id = wr->wr_id,
								      .status = IBV_WC_WR_FLUSH_ERR,
								      .opcode = IBV_WC_RECV});
			continue;
		}
		if (fake_control.recv_fails && fake_control.recv_works-- == 0)
			ret = fake_control.recv_fails;
		else
			ret = fake_fault(FAKE_POST_RECV, ibqp, 0);
		if (ret)
			break;
		if (qp->recv_count == qp->max_recv_wr) {
			ret = ENOMEM;
			break;
		}
		qp->recv[(qp->recv_head + qp->recv_count++) % FAKE_RECVS] = (struct fake_recv){
			.wr_id = wr->wr_id,
			.addr = (void *)(uintptr_t)wr->sg_list[0].addr,
			.length = wr->sg_list[0].length,
		};
	}
	pthread_mutex_unlock(&qp->lock);
	return ret;
}

bool fake_receive(struct fake_qp *qp, const void *msg, uint32_t len)
{
	struct ibv_wc wc = {.opcode = IBV_WC_RECV, .byte_len = len, .qp_num = qp->qp.qp_num};
	struct fake_recv *recv = &qp->recv[qp->recv_head];

	if (!qp->recv_count || len > recv->length)
		return false;
	memcpy(recv->addr, msg, len);
	wc.wr_id = recv->wr_id;
	qp->recv_head = (qp->recv_head + 1) % FAKE_RECVS;
	qp->recv_count--;
	fake_complete(qp->qp.recv_cq, &wc);
	return true;
}

int fake_deliver(struct ibv_qp *ibqp, const void *msg, uint32_t len)
{
	struct fake_qp *qp = (struct fake_qp *)ibqp;
	bool taken;

	pthread_mutex_lock(&qp->lock);
	taken = fake_receive(qp, msg, len);
	pthread_mutex_unlock(&qp->lock);
	return taken ? 0 : -1;
}

static long oldest_sent(struct ibv_qp *ibqp, void *buf, size_t size, bool take)
{
	struct fake_qp *qp = (struct fake_qp *)ibqp;
	long len = -1;

	pthread_mutex_lock(&qp->lock);
	if (qp->sent_count && qp->sent[qp->sent_head].len <= size) {
		len = (long)qp->sent[qp->sent_head].len;
		memcpy(buf, qp->sent[qp->sent_head].data, (size_t)len);
	}
	if (take && len >= 0) {
		qp->sent_head = (qp->sent_head + 1) % FAKE_SENTS;
		qp->sent_count--;
	}
	pthread_mutex_unlock(&qp->lock);
	return len;
}

long fake_take_sent(struct ibv_qp *ibqp, void *buf, size_t size)
{
	return oldest_sent(ibqp, buf, size, true);
}

long fake_peek_sent(struct ibv_qp *ibqp, void *buf, size_t size)
{
	return oldest_sent(ibqp, buf, size, false);
}

struct ibv_device **ibv_get_device_list(int *num_devices)
{
	struct ibv_device **list = calloc(2, sizeof(struct ibv_device *));

	if (!list)
		return NULL;
	list[0] = &device;
	if (num_devices)
		*num_devices = 1;
	return list;
}

void ibv_free_device_list(struct ibv_device **list)
{
	free(list);
}

struct ibv_context *ibv_open_device(struct ibv_device *which)
{
	struct ibv_context *context;

	pthread_mutex_lock(&lock);
	context = &TAKE(contexts)->context;
	context->device = which;
	context->ops.poll_cq = poll_cq;
	context->ops.post_send = post_send;
	context->ops.post_recv = post_recv;
	context->ops.req_notify_cq = req_notify_cq;
	count(&live.contexts, 1);
	pthread_mutex_unlock(&lock);
	fake_record("ibv_open_device ctx%d", fake_index(context));
	return context;
}

int latest_ibv_close_device(struct ibv_context *context);
FAKE_LATEST(ibv_close_device);

int latest_ibv_close_device(struct ibv_context *context)
{
	int index = fake_index(context);

	fake_record("ibv_close_device ctx%d", index);
	if (fake_control.close_fails) {
		errno = EBUSY;
		return -1;
	}
	pthread_mutex_lock(&lock);
	contexts[index].used = false;
	count(&live.contexts, -1);
	pthread_mutex_unlock(&lock);
	return 0;
}

struct ibv_context *fake_context(void)
{
	return contexts[0].used ? &contexts[0].context : ibv_open_device(&device);
}

struct ibv_pd *ibv_alloc_pd(struct ibv_context *context)
{
	struct ibv_pd *pd;

	pthread_mutex_lock(&lock);
	pd = &TAKE(pds)->pd;
	pd->context = context;
	count(&live.pds, 1);
	pthread_mutex_unlock(&lock);
	fake_record("ibv_alloc_pd pd%d", fake_index(pd));
	return pd;
}

int ibv_dealloc_pd(struct ibv_pd *pd)
{
	fake_record("ibv_dealloc_pd pd%d", fake_index(pd));
	pthread_mutex_lock(&lock);
	pds[fake_index(pd)].used = false;
	count(&live.pds, -1);
	pthread_mutex_unlock(&lock);
	return 0;
}

struct ibv_comp_channel *ibv_create_comp_channel(struct ibv_context *context)
{
	struct ibv_comp_channel *channel = calloc(1, sizeof(*channel));

	if (!channel)
		return NULL;
	channel->context = context;
	channel->fd = eventfd(0, EFD_CLOEXEC);
	count(&live.channels, 1);
	fake_record("ibv_create_comp_channel");
	return channel;
}

int ibv_destroy_comp_channel(struct ibv_comp_channel *channel)
{
	fake_record("ibv_destroy_comp_channel");
	close(channel->fd);
	free(channel);
	count(&live.channels, -1);
	return 0;
}

struct ibv_cq *ibv_create_cq(struct ibv_context *context, int cqe, void *cq_context,
			     struct ibv_comp_channel *channel, int comp_vector)
{
	struct ibv_cq *cq;

	pthread_mutex_lock(&lock);
	cq = &TAKE(cqs)->cq;
	pthread_mutex_init(&((struct fake_cq *)cq)->lock, NULL);
	cq->context = context;
	cq->channel = channel;
	cq->cq_context = cq_context;
	cq->cqe = cqe;
	count(&live.cqs, 1);
	pthread_mutex_unlock(&lock);
	fake_record("ibv_create_cq cq%d cqe=%d vector=%d", fake_index(cq), cqe, comp_vector);
	return cq;
}

int ibv_destroy_cq(struct ibv_cq *cq)
{
	fake_record("ibv_destroy_cq cq%d", fake_index(cq));
	pthread_mutex_lock(&lock);
	cqs[fake_index(cq)].used = false;
	count(&live.cqs, -1);
	pthread_mutex_unlock(&lock);
	return 0;
}

struct ibv_qp *ibv_create_qp(struct ibv_pd *pd, struct ibv_qp_init_attr *attr)
{
	struct fake_qp *qp;
	int error = fake_fault(FAKE_CREATE_QP, pd, 0);

	if (error) {
		errno = error;
		return NULL;
	}
	if (attr->cap.max_recv_wr > FAKE_RECVS ||
	    (fake_control.create_refuses &&
	     attr->cap.max_recv_wr > (uint32_t)fake_control.create_refuses)) {
		errno = EINVAL;
		return NULL;
	}
	pthread_mutex_lock(&fake_wire_lock);
	qp = TAKE(fake_qps);
	pthread_mutex_init(&qp->lock, NULL);
	qp->qp.context = pd->context;
	qp->qp.pd = pd;
	qp->qp.send_cq = attr->send_cq;
	qp->qp.recv_cq = attr->recv_cq;
	qp->qp.qp_type = attr->qp_type;
	qp->qp.qp_num = 0x40 + (uint32_t)fake_index(qp);
	qp->max_recv_wr = attr->cap.max_recv_wr;
	count(&live.qps, 1);
	pthread_mutex_unlock(&fake_wire_lock);
	return &qp->qp;
}

int latest_ibv_modify_qp(struct ibv_qp *ibqp, struct ibv_qp_attr *attr, int mask);
FAKE_LATEST(ibv_modify_qp);

void fake_break(struct fake_qp *qp)
{
	struct ibv_wc wc = {.status = IBV_WC_WR_FLUSH_ERR, .opcode = IBV_WC_RECV};

	qp->error = true;
	for (; qp->recv_count; qp->recv_count--) {
		wc.wr_id = qp->recv[qp->recv_head].wr_id;
		qp->recv_head = (qp->recv_head + 1) % FAKE_RECVS;
		fake_complete(qp->qp.recv_cq, &wc);
	}
}

int latest_ibv_modify_qp(struct ibv_qp *ibqp, struct ibv_qp_attr *attr, int mask)
{
	struct fake_qp *qp = (struct fake_qp *)ibqp;

	fake_record("ibv_modify_qp qp%d mask=%#x state=%d", fake_index(ibqp), (unsigned int)mask,
		    (int)attr->qp_state);
	if (mask != IBV_QP_STATE || attr->qp_state != IBV_QPS_ERR)
		return EINVAL;
	pthread_mutex_lock(&fake_wire_lock);
	pthread_mutex_lock(&qp->lock);
	fake_wire_break(qp);
	pthread_mutex_unlock(&qp->lock);
	pthread_mutex_unlock(&fake_wire_lock);
	return 0;
}

void fake_qp_set_channel(struct ibv_qp *qp, struct rdma_event_channel *channel)
{
	((struct fake_qp *)qp)->channel = channel;
}

/* What the exported function fills: the structure as it was when it was exported. */
int latest_ibv_query_port(struct ibv_context *context, uint8_t port,
			  struct _compat_ibv_port_attr *attr);
FAKE_LATEST(ibv_query_port);

int latest_ibv_query_port(struct ibv_context *context, uint8_t port,
			  struct _compat_ibv_port_attr *attr)
{
	struct ibv_port_attr *known = (struct ibv_port_attr *)attr;

	fake_record("ibv_query_port ctx%d port=%u", fake_index(context), port);
	memset(attr, 0, offsetof(struct ibv_port_attr, link_layer));
	known->state = IBV_PORT_ACTIVE;
	known->max_msg_sz = 1u << 30;
	return 0;
}

int ibv_destroy_qp(struct ibv_qp *qp)
{
	fake_wire_leave((struct fake_qp *)qp);
	count(&live.qps, -1);
	return 0;
}
