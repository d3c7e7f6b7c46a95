/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Counters of what really reaches libibverbs, for tests.
 *
 * The counting preload sits behind the shim (or alone, under a stock QEMU) and keeps one set of
 * counters for the whole process and one for each connection (rdma_create_qp to rdma_destroy_qp).
 * Everything here may be called from any thread; counting takes no lock.
 */
#ifndef TESTS_E2E_COUNT_H
#define TESTS_E2E_COUNT_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct ibv_cq;
struct ibv_pd;
struct ibv_qp;

/* Control message types of QEMU's protocol run from 0 (none) to 11 (UNREGISTER_FINISHED). */
#define COUNT_CONTROL_TYPES 12

enum counter {
	COUNT_REG_MR_CALLS,
	COUNT_REG_MR_FAILURES,
	COUNT_REG_MR_INJECTED, /* failures of COUNT_REG_MR_FAILURES that we made ourselves */
	COUNT_REG_MR_BYTES,
	COUNT_REG_MR_LARGEST, /* bytes; a maximum, as is COUNT_LIVE_MRS_PEAK */
	COUNT_DEREG_MR_CALLS,
	COUNT_DEREG_MR_FAILURES,
	COUNT_LIVE_MRS,
	COUNT_LIVE_MRS_PEAK,
	COUNT_ACCESS_OR, /* every access flag seen, OR'ed */
	COUNT_CQ_EVENTS, /* ibv_get_cq_event calls: waits on a completion channel */
	COUNT_POST_SEND_CALLS,
	COUNT_POST_SEND_FAILURES,
	COUNT_SEND_WRS,
	COUNT_SIGNALED_WRS,
	COUNT_RDMA_WRITES,
	COUNT_RDMA_WRITE_BYTES,
	COUNT_SENDS,
	COUNT_SEND_FIRST_TYPE, /* one counter for each control message type */
	COUNT_SEND_OTHER = COUNT_SEND_FIRST_TYPE + COUNT_CONTROL_TYPES,
	COUNT_RECV_WRS,
	COUNT_COMPLETIONS,
	COUNT_COMPLETION_ERRORS, /* flushed WRs are not errors: every disconnect makes some */
	COUNT_COMPLETION_FLUSHES,
	COUNT_CONNECTIONS,
	COUNT_THREADS,	       /* that the shim has created */
	COUNT_THREAD_FAILURES, /* or could not: all of them our own */
	COUNT_MAX
};

struct count_set {
	_Atomic uint64_t v[COUNT_MAX];
};

/* Registrations of one access flag value. @used is set last, when @access is valid. */
struct count_access {
	atomic_bool used;
	int access;
	_Atomic uint64_t calls, bytes, largest;
};

#define COUNT_ACCESS_MAX 8
#define COUNT_CONN_MAX	 64

/*
 * A connection's slot is never reused, so that the report can list all of them; connections past
 * the last slot count in the process totals only. @qp and the CQs are cleared when the QP ends,
 * because their addresses may come back as somebody else's; @pd is kept for MRs that outlive it.
 */
struct count_conn {
	_Atomic(struct ibv_qp *) qp;
	_Atomic(struct ibv_cq *) send_cq, recv_cq;
	_Atomic(struct ibv_pd *) pd;
	struct count_set set;
	_Atomic int64_t live_mrs_at_qp_end; /* -1 while the QP lives */
	/* ns of the monotonic clock: when rdma_disconnect() was called, and when the PD had been
	 * deallocated, which is the last that QEMU does; 0 before. */
	_Atomic uint64_t disconnected, gone;
};

/* The last connection whose QP, CQ or PD this is, or NULL. */
struct count_conn *count_conn_by_qp(const struct ibv_qp *qp);
struct count_conn *count_conn_by_cq(const struct ibv_cq *cq);
struct count_conn *count_conn_by_pd(const struct ibv_pd *pd);

/* Open a connection's slot; NULL when there is none left. */
struct count_conn *count_conn_open(struct ibv_qp *qp, struct ibv_pd *pd, struct ibv_cq *send_cq,
				   struct ibv_cq *recv_cq);
void count_conn_close(struct count_conn *conn);

/* It is disconnected; and it is gone, with its PD. */
void count_conn_disconnected(struct count_conn *conn);
void count_conn_gone(struct count_conn *conn);

/* Add to (or take the maximum, or OR into) the process's counter and, if not NULL, @conn's. */
void count_add(struct count_conn *conn, enum counter c, uint64_t n);
void count_max(struct count_conn *conn, enum counter c, uint64_t n);
void count_or(struct count_conn *conn, enum counter c, uint64_t bits);

void count_registration(struct count_conn *conn, size_t bytes, int access);
void count_deregistration(struct count_conn *conn);

/*
 * Write all counters as one JSON object to the file named by the environment variable
 * RDMACOUNT_FILE (%p is the process id), replacing it atomically. Does nothing without that
 * variable, in a forked child, or before anything was counted: a process that makes no RDMA
 * connection leaves no file. Preserves errno.
 */
void count_report_write(void);

#endif
