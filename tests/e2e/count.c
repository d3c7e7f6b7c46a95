// SPDX-License-Identifier: GPL-2.0-or-later
#include "count.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <pthread.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

static struct count_set totals;
static struct count_access accesses[COUNT_ACCESS_MAX];
static struct count_conn conns[COUNT_CONN_MAX];
static atomic_int n_conns;
static atomic_bool counted_anything;
/* RLIMIT_MEMLOCK when the last connection was made; -1: none was, or it has no limit. */
static _Atomic int64_t memlock = -1;
static pthread_mutex_t access_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_mutex_t report_lock = PTHREAD_MUTEX_INITIALIZER;
static pid_t load_pid;

static const char *const counter_names[COUNT_MAX] = {
	[COUNT_REG_MR_CALLS] = "reg_mr_calls",
	[COUNT_REG_MR_FAILURES] = "reg_mr_failures",
	[COUNT_REG_MR_INJECTED] = "reg_mr_injected",
	[COUNT_REG_MR_BYTES] = "reg_mr_bytes",
	[COUNT_REG_MR_LARGEST] = "reg_mr_largest",
	[COUNT_REG_MR_RUNNING] = "reg_mr_running",
	[COUNT_REG_MR_AT_ONCE] = "reg_mr_at_once",
	[COUNT_DEREG_MR_CALLS] = "dereg_mr_calls",
	[COUNT_DEREG_MR_FAILURES] = "dereg_mr_failures",
	[COUNT_LIVE_MRS] = "live_mrs",
	[COUNT_LIVE_MRS_PEAK] = "live_mrs_peak",
	[COUNT_ACCESS_OR] = "access_or",
	[COUNT_CQ_EVENTS] = "cq_events",
	[COUNT_POST_SEND_CALLS] = "post_send_calls",
	[COUNT_POST_SEND_FAILURES] = "post_send_failures",
	[COUNT_SEND_WRS] = "send_wrs",
	[COUNT_SIGNALED_WRS] = "signaled_wrs",
	[COUNT_RDMA_WRITES] = "rdma_writes",
	[COUNT_RDMA_WRITE_BYTES] = "rdma_write_bytes",
	[COUNT_SENDS] = "sends",
	[COUNT_SEND_FIRST_TYPE] = "send_none",
	"send_error",
	"send_ready",
	"send_qemu_file",
	"send_ram_blocks_request",
	"send_ram_blocks_result",
	"send_compress",
	"send_register_request",
	"send_register_result",
	"send_register_finished",
	"send_unregister_request",
	"send_unregister_finished",
	[COUNT_SEND_OTHER] = "send_other",
	[COUNT_RECV_WRS] = "recv_wrs",
	[COUNT_COMPLETIONS] = "completions",
	[COUNT_COMPLETION_ERRORS] = "completion_errors",
	[COUNT_COMPLETION_FLUSHES] = "completion_flushes",
	[COUNT_CONNECTIONS] = "connections",
	[COUNT_THREADS] = "threads",
	[COUNT_THREAD_FAILURES] = "thread_failures",
};

static int conns_used(void)
{
	int n = atomic_load(&n_conns);

	return n < COUNT_CONN_MAX ? n : COUNT_CONN_MAX;
}

struct count_conn *count_conn_by_qp(const struct ibv_qp *qp)
{
	for (int i = conns_used() - 1; i >= 0; i--)
		if (conns[i].qp == qp)
			return &conns[i];
	return NULL;
}

struct count_conn *count_conn_by_cq(const struct ibv_cq *cq)
{
	for (int i = conns_used() - 1; i >= 0; i--)
		if (conns[i].send_cq == cq || conns[i].recv_cq == cq)
			return &conns[i];
	return NULL;
}

struct count_conn *count_conn_by_pd(const struct ibv_pd *pd)
{
	for (int i = conns_used() - 1; i >= 0; i--)
		if (conns[i].pd == pd)
			return &conns[i];
	return NULL;
}

struct count_conn *count_conn_open(struct ibv_qp *qp, struct ibv_pd *pd, struct ibv_cq *send_cq,
				   struct ibv_cq *recv_cq)
{
	int slot = atomic_fetch_add(&n_conns, 1);
	struct count_conn *conn = slot < COUNT_CONN_MAX ? &conns[slot] : NULL;
	struct rlimit limit;

	if (conn) {
		conn->live_mrs_at_qp_end = -1;
		conn->send_cq = send_cq;
		conn->recv_cq = recv_cq;
		conn->pd = pd;
		conn->qp = qp;
	}
	count_add(conn, COUNT_CONNECTIONS, 1);
	if (!getrlimit(RLIMIT_MEMLOCK, &limit) && limit.rlim_cur != RLIM_INFINITY)
		memlock = (int64_t)limit.rlim_cur;
	return conn;
}

void count_conn_close(struct count_conn *conn)
{
	conn->live_mrs_at_qp_end = (int64_t)conn->set.v[COUNT_LIVE_MRS];
	conn->qp = NULL;
	conn->send_cq = NULL;
	conn->recv_cq = NULL;
}

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

void count_conn_disconnected(struct count_conn *conn)
{
	if (!conn->disconnected)
		conn->disconnected = now_ns();
}

void count_conn_gone(struct count_conn *conn)
{
	conn->gone = now_ns();
}

/* From its disconnection until it was gone; -1: it is not, or was never disconnected. */
static int64_t teardown_us(const struct count_conn *conn)
{
	if (!conn->disconnected || conn->gone < conn->disconnected)
		return -1;
	return (int64_t)(conn->gone - conn->disconnected) / 1000;
}

static void raise_to(_Atomic uint64_t *v, uint64_t n)
{
	uint64_t old = *v;

	while (old < n && !atomic_compare_exchange_weak(v, &old, n))
		;
}

void count_add(struct count_conn *conn, enum counter c, uint64_t n)
{
	counted_anything = true;
	totals.v[c] += n;
	if (conn)
		conn->set.v[c] += n;
}

void count_max(struct count_conn *conn, enum counter c, uint64_t n)
{
	raise_to(&totals.v[c], n);
	if (conn)
		raise_to(&conn->set.v[c], n);
}

void count_or(struct count_conn *conn, enum counter c, uint64_t bits)
{
	totals.v[c] |= bits;
	if (conn)
		conn->set.v[c] |= bits;
}

/* One more of what may become fewer again; `peak`: how many there were at most. */
static void count_one_more(struct count_conn *conn, enum counter c, enum counter peak)
{
	count_add(conn, c, 1);
	raise_to(&totals.v[peak], totals.v[c]);
	if (conn)
		raise_to(&conn->set.v[peak], conn->set.v[c]);
}

void count_registering(struct count_conn *conn)
{
	count_one_more(conn, COUNT_REG_MR_RUNNING, COUNT_REG_MR_AT_ONCE);
}

void count_registered(struct count_conn *conn)
{
	count_add(conn, COUNT_REG_MR_RUNNING, (uint64_t)-1);
}

static struct count_access *access_slot(int access)
{
	struct count_access *found = NULL;

	pthread_mutex_lock(&access_lock);
	for (int i = 0; i < COUNT_ACCESS_MAX && !found; i++) {
		struct count_access *a = &accesses[i];

		if (!a->used) {
			a->access = access;
			a->used = true;
		}
		if (a->access == access)
			found = a;
	}
	pthread_mutex_unlock(&access_lock);
	return found;
}

void count_registration(struct count_conn *conn, size_t bytes, int access)
{
	struct count_access *a = access_slot(access);

	count_add(conn, COUNT_REG_MR_BYTES, bytes);
	count_max(conn, COUNT_REG_MR_LARGEST, bytes);
	count_or(conn, COUNT_ACCESS_OR, (unsigned int)access);
	count_one_more(conn, COUNT_LIVE_MRS, COUNT_LIVE_MRS_PEAK);
	if (a) {
		a->calls++;
		a->bytes += bytes;
		raise_to(&a->largest, bytes);
	}
}

void count_deregistration(struct count_conn *conn)
{
	count_add(conn, COUNT_LIVE_MRS, (uint64_t)-1);
}

static void print_set(FILE *f, struct count_set *set)
{
	for (int c = 0; c < COUNT_MAX; c++)
		fprintf(f, "%s\"%s\": %" PRIu64, c ? ", " : "", counter_names[c], set->v[c]);
}

static void print_report(FILE *f)
{
	fprintf(f, "{ \"pid\": %d,\n  ", (int)getpid());
	print_set(f, &totals);
	fprintf(f, ",\n  \"memlock\": %" PRId64, memlock);
	fputs(",\n  \"access\": [", f);
	for (int i = 0; i < COUNT_ACCESS_MAX && accesses[i].used; i++)
		fprintf(f,
			"%s\n    { \"access\": %d, \"calls\": %" PRIu64 ", \"bytes\": %" PRIu64
			", \"largest\": %" PRIu64 " }",
			i ? "," : "", accesses[i].access, accesses[i].calls, accesses[i].bytes,
			accesses[i].largest);
	fputs(" ],\n  \"per_connection\": [", f);
	for (int i = 0; i < conns_used(); i++) {
		fprintf(f,
			"%s\n    { \"live_mrs_at_qp_end\": %" PRId64 ", \"teardown_us\": %" PRId64
			", ",
			i ? "," : "", conns[i].live_mrs_at_qp_end, teardown_us(&conns[i]));
		print_set(f, &conns[i].set);
		fputs(" }", f);
	}
	fputs(" ]\n}\n", f);
}

/* Expand %p to the process id. False if the result does not fit. */
static bool report_path(const char *pattern, char *path, size_t size)
{
	size_t n = 0;

	for (const char *p = pattern; *p; p++) {
		int len;

		if (p[0] == '%' && p[1] == 'p') {
			len = snprintf(path + n, size - n, "%d", (int)getpid());
			p++;
		} else {
			len = snprintf(path + n, size - n, "%c", *p);
		}
		if (len < 0 || (size_t)len >= size - n)
			return false;
		n += (size_t)len;
	}
	return n > 0;
}

void count_report_write(void)
{
	const char *pattern = getenv("RDMACOUNT_FILE");
	int saved_errno = errno;
	char path[4000], tmp[4096];
	FILE *f;

	if (!pattern || !counted_anything || getpid() != load_pid ||
	    !report_path(pattern, path, sizeof(path)))
		goto out;
	pthread_mutex_lock(&report_lock);
	snprintf(tmp, sizeof(tmp), "%s.tmp", path);
	f = fopen(tmp, "we");
	if (!f) {
		fprintf(stderr, "rdmachunk-count: cannot write %s: %m\n", tmp);
	} else {
		print_report(f);
		if (fclose(f) || rename(tmp, path))
			fprintf(stderr, "rdmachunk-count: cannot write %s: %m\n", path);
	}
	pthread_mutex_unlock(&report_lock);
out:
	errno = saved_errno;
}

__attribute__((constructor)) static void remember_process(void)
{
	load_pid = getpid();
}

__attribute__((destructor)) static void report_at_exit(void)
{
	count_report_write();
}
