/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RDMACHUNK_ENGINE_VERBS_H
#define RDMACHUNK_ENGINE_VERBS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <infiniband/verbs.h>
#include <rdma/rdma_cma.h>

/* The macro of newer headers would hide the function of that name. */
#undef ibv_reg_mr

/*
 * The real functions behind our hooks. The hook layer finds them; any may be
 * NULL when the process does not have it. Errors are theirs.
 */
struct verbs_calls {
	struct ibv_mr *(*reg_mr)(struct ibv_pd *pd, void *addr, size_t length, int access);
	struct ibv_mr *(*reg_mr_iova2)(struct ibv_pd *pd, void *addr, size_t length, uint64_t iova,
				       unsigned int access);
	int (*dereg_mr)(struct ibv_mr *mr);
	int (*close_device)(struct ibv_context *context);
	/* The exported function knows the old, shorter struct: pass one that is
	 * all zero and longer. */
	int (*query_port)(struct ibv_context *context, uint8_t port,
			  struct _compat_ibv_port_attr *attr);
	int (*modify_qp)(struct ibv_qp *qp, struct ibv_qp_attr *attr, int mask);
	int (*create_qp)(struct rdma_cm_id *id, struct ibv_pd *pd, struct ibv_qp_init_attr *attr);
	void (*destroy_qp)(struct rdma_cm_id *id);
	int (*connect)(struct rdma_cm_id *id, struct rdma_conn_param *param);
	int (*accept)(struct rdma_cm_id *id, struct rdma_conn_param *param);
	int (*disconnect)(struct rdma_cm_id *id);
	int (*get_cm_event)(struct rdma_event_channel *channel, struct rdma_cm_event **event);
};

/* What a context's ops held before they were patched: these go inline through
 * context->ops and have no symbol to look up. */
struct verbs_ops {
	int (*post_send)(struct ibv_qp *qp, struct ibv_send_wr *wr, struct ibv_send_wr **bad_wr);
	int (*post_recv)(struct ibv_qp *qp, struct ibv_recv_wr *wr, struct ibv_recv_wr **bad_wr);
	int (*poll_cq)(struct ibv_cq *cq, int entries, struct ibv_wc *wc);
	int (*req_notify_cq)(struct ibv_cq *cq, int solicited_only);
};

/*
 * libibverbs and librdmacm call each other and themselves through the symbols
 * we export (ibv_reg_mr() calls ibv_reg_mr_iova2() that way), so a hook that is
 * entered from within a hook on the same thread, or from a thread of ours, must
 * pass straight on.
 */
extern _Thread_local unsigned int guard_depth;

static inline bool guard_enter(void)
{
	return guard_depth++ == 0;
}

static inline void guard_leave(void)
{
	guard_depth--;
}

/* Before anything else: where the real functions are. */
void verbs_init(const struct verbs_calls *calls);
const struct verbs_calls *verbs_real(void);

/*
 * The real functions as the engine calls them, with the guard: 0, or a negative errno
 * whatever the provider makes of it, for some return a negative one and some -1 with errno
 * set. errno is kept, but for what verbs_register() leaves in it.
 */
int verbs_post_send(const struct verbs_ops *ops, struct ibv_qp *qp, struct ibv_send_wr *wr,
		    struct ibv_send_wr **bad_wr);
int verbs_post_recv(const struct verbs_ops *ops, struct ibv_qp *qp, struct ibv_recv_wr *wr,
		    struct ibv_recv_wr **bad_wr);

/* Which function QEMU registers memory with, and so which we call. */
enum verbs_register {
	VERBS_REG_MR,
	VERBS_REG_MR_IOVA2,
};
int verbs_register(enum verbs_register with, struct ibv_pd *pd, void *addr, size_t length,
		   int access, struct ibv_mr **mr);
int verbs_deregister(struct ibv_mr *mr);

/* Put a QP into its error state, if that can be done. */
void verbs_fail_qp(struct ibv_qp *qp);

/* The longest message of the port's, in bytes; 0 when it will not tell. */
uint64_t verbs_max_message(struct ibv_context *context, uint8_t port);

#endif
