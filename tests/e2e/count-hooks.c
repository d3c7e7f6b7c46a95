// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The interposed functions of the counting preload.
 *
 * count.map gives each function the version that rdma-core gives it, so that whoever looks for that
 * version finds it, too.
 *
 * post_send, post_recv and poll_cq are inline functions that go through context->ops. They are
 * patched after rdma_create_qp, once for each context, and pass on what belongs to other QPs.
 */
#include "count.h"
#include "count-fail.h"

#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <endian.h>
#include <infiniband/verbs.h>
#include <rdma/rdma_cma.h>

/* verbs.h wraps it in a macro that picks between two functions; here we are the functions. */
#undef ibv_reg_mr

#define CONTEXTS_MAX 16

struct patched_context {
	_Atomic(struct ibv_context *) context;
	struct ibv_context_ops real;
};

static struct patched_context contexts[CONTEXTS_MAX];
static pthread_mutex_t contexts_lock = PTHREAD_MUTEX_INITIALIZER;

/* libibverbs' own ibv_reg_mr calls ibv_reg_mr_iova2 through the PLT: count the caller's call. */
static __thread int inside_reg_mr;

static void *resolve(const char *name, const char *version, const char *soname)
{
	void *sym = dlvsym(RTLD_NEXT, name, version);
	void *lib;

	if (sym)
		return sym;
	/* QEMU may have loaded the library with dlopen, as a module's dependency. */
	lib = dlopen(soname, RTLD_LAZY | RTLD_NOLOAD);
	sym = lib ? dlvsym(lib, name, version) : NULL;
	if (!sym) {
		fprintf(stderr, "rdmachunk-count: no %s@%s\n", name, version);
		abort();
	}
	return sym;
}

static void *resolve_once(_Atomic(void *) *cache, const char *name, const char *version,
			  const char *soname)
{
	if (!*cache)
		*cache = resolve(name, version, soname);
	return *cache;
}

/* The real function, of the type of the hook that stands in for it. */
#define REAL(name, version, soname)                                                 \
	({                                                                          \
		static _Atomic(void *) cache_;                                      \
		(__typeof__(&(name)))resolve_once(&cache_, #name, version, soname); \
	})
#define REAL_VERBS(name, version) REAL(name, version, "libibverbs.so.1")
#define REAL_CM(name)		  REAL(name, "RDMACM_1.0", "librdmacm.so.1")

static int injected_failure(struct count_conn *conn, size_t length)
{
	int err = fail_check(FAIL_REG_MR, length);

	if (err) {
		count_add(conn, COUNT_REG_MR_FAILURES, 1);
		count_add(conn, COUNT_REG_MR_INJECTED, 1);
		errno = err;
	}
	return err;
}

static void count_reg_mr_result(struct count_conn *conn, struct ibv_mr *mr, size_t length,
				int access)
{
	if (mr)
		count_registration(conn, length, access);
	else
		count_add(conn, COUNT_REG_MR_FAILURES, 1);
}

struct ibv_mr *ibv_reg_mr(struct ibv_pd *pd, void *addr, size_t length, int access)
{
	__typeof__(&ibv_reg_mr) real = REAL_VERBS(ibv_reg_mr, "IBVERBS_1.1");
	struct count_conn *conn = count_conn_by_pd(pd);
	struct ibv_mr *mr;

	count_add(conn, COUNT_REG_MR_CALLS, 1);
	if (injected_failure(conn, length))
		return NULL;
	inside_reg_mr++;
	mr = real(pd, addr, length, access);
	inside_reg_mr--;
	count_reg_mr_result(conn, mr, length, access);
	return mr;
}

struct ibv_mr *ibv_reg_mr_iova2(struct ibv_pd *pd, void *addr, size_t length, uint64_t iova,
				unsigned int access)
{
	__typeof__(&ibv_reg_mr_iova2) real = REAL_VERBS(ibv_reg_mr_iova2, "IBVERBS_1.8");
	struct count_conn *conn = count_conn_by_pd(pd);
	struct ibv_mr *mr;

	if (inside_reg_mr)
		return real(pd, addr, length, iova, access);
	count_add(conn, COUNT_REG_MR_CALLS, 1);
	if (injected_failure(conn, length))
		return NULL;
	mr = real(pd, addr, length, iova, access);
	count_reg_mr_result(conn, mr, length, (int)access);
	return mr;
}

int ibv_dereg_mr(struct ibv_mr *mr)
{
	__typeof__(&ibv_dereg_mr) real = REAL_VERBS(ibv_dereg_mr, "IBVERBS_1.1");
	struct count_conn *conn = count_conn_by_pd(mr->pd);
	int ret = real(mr);

	count_add(conn, COUNT_DEREG_MR_CALLS, 1);
	if (ret)
		count_add(conn, COUNT_DEREG_MR_FAILURES, 1);
	else
		count_deregistration(conn);
	return ret;
}

int ibv_get_cq_event(struct ibv_comp_channel *channel, struct ibv_cq **cq, void **cq_context)
{
	__typeof__(&ibv_get_cq_event) real = REAL_VERBS(ibv_get_cq_event, "IBVERBS_1.1");
	int ret = real(channel, cq, cq_context);

	count_add(ret ? NULL : count_conn_by_cq(*cq), COUNT_CQ_EVENTS, 1);
	return ret;
}

static const struct ibv_context_ops *real_ops(const struct ibv_context *context)
{
	for (int i = 0; i < CONTEXTS_MAX; i++)
		if (contexts[i].context == context)
			return &contexts[i].real;
	abort(); /* our functions are only ever in the ops of a context in the table */
}

/* QEMU's control header: be32 length, type, repeat, padding. */
static void count_control(struct count_conn *conn, const struct ibv_send_wr *wr)
{
	unsigned int counter = COUNT_SEND_OTHER;
	uint32_t header[4];

	count_add(conn, COUNT_SENDS, 1);
	if (wr->num_sge >= 1 && wr->sg_list[0].length >= sizeof(header)) {
		memcpy(header, (const void *)(uintptr_t)wr->sg_list[0].addr, sizeof(header));
		if (be32toh(header[1]) < COUNT_CONTROL_TYPES)
			counter = COUNT_SEND_FIRST_TYPE + be32toh(header[1]);
	}
	count_add(conn, counter, 1);
}

static void count_send_wr(struct count_conn *conn, const struct ibv_send_wr *wr)
{
	count_add(conn, COUNT_SEND_WRS, 1);
	if (wr->send_flags & IBV_SEND_SIGNALED)
		count_add(conn, COUNT_SIGNALED_WRS, 1);
	if (wr->opcode == IBV_WR_SEND) {
		count_control(conn, wr);
	} else if (wr->opcode == IBV_WR_RDMA_WRITE) {
		count_add(conn, COUNT_RDMA_WRITES, 1);
		for (int i = 0; i < wr->num_sge; i++)
			count_add(conn, COUNT_RDMA_WRITE_BYTES, wr->sg_list[i].length);
	}
}

static int counted_post_send(struct ibv_qp *qp, struct ibv_send_wr *wr, struct ibv_send_wr **bad_wr)
{
	const struct ibv_context_ops *real = real_ops(qp->context);
	struct count_conn *conn = count_conn_by_qp(qp);
	struct ibv_send_wr *end = NULL;
	int ret;

	if (!conn)
		return real->post_send(qp, wr, bad_wr);
	ret = fail_check(FAIL_POST_SEND, 0);
	if (ret)
		*bad_wr = wr;
	else
		ret = real->post_send(qp, wr, bad_wr);
	count_add(conn, COUNT_POST_SEND_CALLS, 1);
	if (ret) {
		count_add(conn, COUNT_POST_SEND_FAILURES, 1);
		end = *bad_wr;
	}
	for (; wr != end; wr = wr->next)
		count_send_wr(conn, wr);
	return ret;
}

static int counted_post_recv(struct ibv_qp *qp, struct ibv_recv_wr *wr, struct ibv_recv_wr **bad_wr)
{
	struct count_conn *conn = count_conn_by_qp(qp);
	struct ibv_recv_wr *end = NULL;
	int ret = real_ops(qp->context)->post_recv(qp, wr, bad_wr);

	if (!conn)
		return ret;
	if (ret)
		end = *bad_wr;
	for (; wr != end; wr = wr->next)
		count_add(conn, COUNT_RECV_WRS, 1);
	return ret;
}

static int counted_poll_cq(struct ibv_cq *cq, int num_entries, struct ibv_wc *wc)
{
	int n = real_ops(cq->context)->poll_cq(cq, num_entries, wc);
	struct count_conn *conn;

	if (n <= 0)
		return n;
	conn = count_conn_by_cq(cq);
	if (!conn)
		return n;
	for (int i = 0; i < n; i++) {
		count_add(conn, COUNT_COMPLETIONS, 1);
		if (wc[i].status == IBV_WC_WR_FLUSH_ERR)
			count_add(conn, COUNT_COMPLETION_FLUSHES, 1);
		else if (wc[i].status != IBV_WC_SUCCESS)
			count_add(conn, COUNT_COMPLETION_ERRORS, 1);
	}
	return n;
}

static void patch_context(struct ibv_context *context)
{
	struct patched_context *slot = NULL;

	pthread_mutex_lock(&contexts_lock);
	for (int i = 0; i < CONTEXTS_MAX; i++) {
		/* Already ours, even if the shim has meanwhile put its own functions on top. */
		if (contexts[i].context == context)
			goto out;
		if (!contexts[i].context && !slot)
			slot = &contexts[i];
	}
	if (!slot)
		goto out;
	slot->real = context->ops;
	slot->context = context;
	context->ops.post_send = counted_post_send;
	context->ops.post_recv = counted_post_recv;
	context->ops.poll_cq = counted_poll_cq;
out:
	pthread_mutex_unlock(&contexts_lock);
}

int ibv_close_device(struct ibv_context *context)
{
	__typeof__(&ibv_close_device) real = REAL_VERBS(ibv_close_device, "IBVERBS_1.1");

	/* The next context may get the same address, with ops that are not patched. */
	pthread_mutex_lock(&contexts_lock);
	for (int i = 0; i < CONTEXTS_MAX; i++)
		if (contexts[i].context == context)
			contexts[i].context = NULL;
	pthread_mutex_unlock(&contexts_lock);
	return real(context);
}

int rdma_create_qp(struct rdma_cm_id *id, struct ibv_pd *pd, struct ibv_qp_init_attr *attr)
{
	int ret = REAL_CM(rdma_create_qp)(id, pd, attr);

	if (ret)
		return ret;
	patch_context(id->qp->context);
	count_conn_open(id->qp, id->qp->pd, id->qp->send_cq, id->qp->recv_cq);
	return 0;
}

void rdma_destroy_qp(struct rdma_cm_id *id)
{
	struct count_conn *conn = count_conn_by_qp(id->qp);

	/* Before the real call: afterwards the QP's address may be another connection's. */
	if (conn)
		count_conn_close(conn);
	REAL_CM(rdma_destroy_qp)(id);
	count_report_write();
}

int rdma_disconnect(struct rdma_cm_id *id)
{
	struct count_conn *conn = id->qp ? count_conn_by_qp(id->qp) : NULL;

	if (conn)
		count_conn_disconnected(conn);
	return REAL_CM(rdma_disconnect)(id);
}

int ibv_dealloc_pd(struct ibv_pd *pd)
{
	struct count_conn *conn = count_conn_by_pd(pd);
	int ret = REAL_VERBS(ibv_dealloc_pd, "IBVERBS_1.1")(pd);

	if (conn) {
		count_conn_gone(conn);
		count_report_write();
	}
	return ret;
}
