/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "fake.h"

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
#define QPS	 64
#define WCS	 1024 /* completions a CQ holds */
#define RECVS	 32
#define SENTS	 8    /* messages kept for fake_take_sent() */
#define SENT_MAX 4096 /* bytes of each */

struct fake_cq {
	struct ibv_cq cq;
	bool used;
	struct ibv_wc wc[WCS];
	unsigned int head, count;
};

struct fake_recv {
	uint64_t wr_id;
	void *addr;
	uint32_t length;
};

struct fake_qp {
	struct ibv_qp qp;
	bool used;
	bool error; /* flushes whatever it is given */
	uint32_t max_recv_wr;
	struct fake_recv recv[RECVS];
	unsigned int recv_head, recv_count;
	struct {
		uint8_t data[SENT_MAX];
		size_t len;
	} sent[SENTS];
	unsigned int sent_head, sent_count;
};

struct fake_control fake_control;

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
static struct fake_qp qps[QPS];
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
	if (within(object, qps, sizeof(qps)))
		return (int)(((const char *)object - (char *)qps) / (long)sizeof(qps[0]));
	return -1;
}

static void count(int *what, int change)
{
	pthread_mutex_lock(&lock);
	*what += change;
	pthread_mutex_unlock(&lock);
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
	pthread_mutex_lock(&lock);
	*out = live;
	pthread_mutex_unlock(&lock);
}

/* Lock held. */
static void complete(struct ibv_cq *ibcq, const struct ibv_wc *wc)
{
	struct fake_cq *cq = (struct fake_cq *)ibcq;

	if (cq->count == WCS)
		abort();
	cq->wc[(cq->head + cq->count++) % WCS] = *wc;
}

static int poll_cq(struct ibv_cq *ibcq, int entries, struct ibv_wc *wc)
{
	struct fake_cq *cq = (struct fake_cq *)ibcq;
	int n = 0;

	pthread_mutex_lock(&lock);
	for (; n < entries && cq->count; n++, cq->count--) {
		wc[n] = cq->wc[cq->head];
		cq->head = (cq->head + 1) % WCS;
	}
	pthread_mutex_unlock(&lock);
	fake_record("poll_cq cq%d entries=%d: %d", fake_index(ibcq), entries, n);
	return n;
}

static int req_notify_cq(struct ibv_cq *ibcq, int solicited_only)
{
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

/* Lock held. */
static void keep_sent(struct fake_qp *qp, const struct ibv_send_wr *wr)
{
	unsigned int slot;

	if (qp->sent_count == SENTS) {
		qp->sent_head = (qp->sent_head + 1) % SENTS;
		qp->sent_count--;
	}
	slot = (qp->sent_head + qp->sent_count++) % SENTS;
	qp->sent[slot].len = 0;
	for (int i = 0; i < wr->num_sge; i++) {
		if (qp->sent[slot].len + wr->sg_list[i].length > SENT_MAX)
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
		pthread_mutex_lock(&lock);
		if (wr->opcode == IBV_WR_SEND && !qp->error)
			keep_sent(qp, wr);
		wc.status = qp->error ? IBV_WC_WR_FLUSH_ERR : IBV_WC_SUCCESS;
		if (qp->error || wr->send_flags & IBV_SEND_SIGNALED)
			complete(ibqp->send_cq, &wc);
		pthread_mutex_unlock(&lock);
	}
	return 0;
}

static int post_recv(struct ibv_qp *ibqp, struct ibv_recv_wr *wr, struct ibv_recv_wr **bad_wr)
{
	struct fake_qp *qp = (struct fake_qp *)ibqp;
	int ret = 0;

	pthread_mutex_lock(&lock);
	for (; wr; wr = wr->next) {
		*bad_wr = wr;
		fake_record("post_recv qp%d wr_id=%#llx sge=%d length=%u", fake_index(ibqp),
			    (unsigned long long)wr->wr_id, wr->num_sge, wr->sg_list[0].length);
		if (qp->error) {
			complete(ibqp->recv_cq, &(struct ibv_wc){.wr_id = wr->wr_id,
								 .status = IBV_WC_WR_FLUSH_ERR,
								 .opcode = IBV_WC_RECV});
			continue;
		}
		if (fake_control.recv_fails && fake_control.recv_works-- == 0) {
			ret = fake_control.recv_fails;
			break;
		}
		if (qp->recv_count == qp->max_recv_wr) {
			ret = ENOMEM;
			break;
		}
		qp->recv[(qp->recv_head + qp->recv_count++) % RECVS] = (struct fake_recv){
			.wr_id = wr->wr_id,
			.addr = (void *)(uintptr_t)wr->sg_list[0].addr,
			.length = wr->sg_list[0].length,
		};
	}
	pthread_mutex_unlock(&lock);
	return ret;
}

int fake_deliver(struct ibv_qp *ibqp, const void *msg, uint32_t len)
{
	struct fake_qp *qp = (struct fake_qp *)ibqp;
	struct ibv_wc wc = {.opcode = IBV_WC_RECV, .byte_len = len, .qp_num = ibqp->qp_num};
	struct fake_recv *recv;
	int ret = -1;

	pthread_mutex_lock(&lock);
	if (!qp->recv_count)
		goto out;
	recv = &qp->recv[qp->recv_head];
	if (len > recv->length)
		goto out;
	memcpy(recv->addr, msg, len);
	wc.wr_id = recv->wr_id;
	qp->recv_head = (qp->recv_head + 1) % RECVS;
	qp->recv_count--;
	complete(ibqp->recv_cq, &wc);
	ret = 0;
out:
	pthread_mutex_unlock(&lock);
	return ret;
}

long fake_take_sent(struct ibv_qp *ibqp, void *buf, size_t size)
{
	struct fake_qp *qp = (struct fake_qp *)ibqp;
	long len = -1;

	pthread_mutex_lock(&lock);
	if (qp->sent_count && qp->sent[qp->sent_head].len <= size) {
		len = (long)qp->sent[qp->sent_head].len;
		memcpy(buf, qp->sent[qp->sent_head].data, (size_t)len);
		qp->sent_head = (qp->sent_head + 1) % SENTS;
		qp->sent_count--;
	}
	pthread_mutex_unlock(&lock);
	return len;
}

struct ibv_device **ibv_get_device_list(int *num_devices)
{
	struct ibv_device **list = calloc(2, sizeof(*list));

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
	live.contexts++;
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
	live.contexts--;
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
	live.pds++;
	pthread_mutex_unlock(&lock);
	fake_record("ibv_alloc_pd pd%d", fake_index(pd));
	return pd;
}

int ibv_dealloc_pd(struct ibv_pd *pd)
{
	fake_record("ibv_dealloc_pd pd%d", fake_index(pd));
	pthread_mutex_lock(&lock);
	pds[fake_index(pd)].used = false;
	live.pds--;
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
	cq->context = context;
	cq->channel = channel;
	cq->cq_context = cq_context;
	cq->cqe = cqe;
	live.cqs++;
	pthread_mutex_unlock(&lock);
	fake_record("ibv_create_cq cq%d cqe=%d vector=%d", fake_index(cq), cqe, comp_vector);
	return cq;
}

int ibv_destroy_cq(struct ibv_cq *cq)
{
	fake_record("ibv_destroy_cq cq%d", fake_index(cq));
	pthread_mutex_lock(&lock);
	cqs[fake_index(cq)].used = false;
	live.cqs--;
	pthread_mutex_unlock(&lock);
	return 0;
}

struct ibv_qp *ibv_create_qp(struct ibv_pd *pd, struct ibv_qp_init_attr *attr)
{
	struct fake_qp *qp;

	if (attr->cap.max_recv_wr > RECVS ||
	    (fake_control.create_refuses &&
	     attr->cap.max_recv_wr > (uint32_t)fake_control.create_refuses)) {
		errno = EINVAL;
		return NULL;
	}
	pthread_mutex_lock(&lock);
	qp = TAKE(qps);
	qp->qp.context = pd->context;
	qp->qp.pd = pd;
	qp->qp.send_cq = attr->send_cq;
	qp->qp.recv_cq = attr->recv_cq;
	qp->qp.qp_type = attr->qp_type;
	qp->qp.qp_num = 0x40 + (uint32_t)fake_index(qp);
	qp->max_recv_wr = attr->cap.max_recv_wr;
	live.qps++;
	pthread_mutex_unlock(&lock);
	return &qp->qp;
}

int latest_ibv_modify_qp(struct ibv_qp *ibqp, struct ibv_qp_attr *attr, int mask);
FAKE_LATEST(ibv_modify_qp);

int latest_ibv_modify_qp(struct ibv_qp *ibqp, struct ibv_qp_attr *attr, int mask)
{
	struct fake_qp *qp = (struct fake_qp *)ibqp;
	struct ibv_wc wc = {.status = IBV_WC_WR_FLUSH_ERR, .opcode = IBV_WC_RECV};

	fake_record("ibv_modify_qp qp%d mask=%#x state=%d", fake_index(ibqp), (unsigned int)mask,
		    (int)attr->qp_state);
	if (mask != IBV_QP_STATE || attr->qp_state != IBV_QPS_ERR)
		return EINVAL;
	pthread_mutex_lock(&lock);
	qp->error = true;
	for (; qp->recv_count; qp->recv_count--) {
		wc.wr_id = qp->recv[qp->recv_head].wr_id;
		qp->recv_head = (qp->recv_head + 1) % RECVS;
		complete(ibqp->recv_cq, &wc);
	}
	pthread_mutex_unlock(&lock);
	return 0;
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
	pthread_mutex_lock(&lock);
	qps[fake_index(qp)].used = false;
	live.qps--;
	pthread_mutex_unlock(&lock);
	return 0;
}
