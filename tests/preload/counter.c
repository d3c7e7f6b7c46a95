/* SPDX-License-Identifier: GPL-2.0-or-later */

/*
 * A profiler of verbs as others preload them: it notes each call in the file that
 * COUNTER_LOG names, and calls whoever is next. Built twice, with versions
 * (counter.map) and, as most are, without.
 */
#include <dlfcn.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <infiniband/verbs.h>
#include <rdma/rdma_cma.h>

#undef ibv_reg_mr
#undef ibv_query_port

static void note(const char *name)
{
	const char *path = getenv("COUNTER_LOG");
	char line[64];
	int fd, n;

	if (!path)
		return;
	n = snprintf(line, sizeof(line), "%s\n", name);
	fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
	if (fd < 0 || write(fd, line, (size_t)n) != n)
		abort();
	close(fd);
}

/* Where it is an RDMA library's turn, its twin for the ABI of 2005 is not meant. */
static void *next(const char *name, const char *version)
{
	void *address = dlsym(RTLD_NEXT, name);
	Dl_info info;

	if (!address || !dladdr(address, &info))
		abort();
	if (strstr(info.dli_fname, "libibverbs.so") || strstr(info.dli_fname, "librdmacm.so"))
		address = dlvsym(RTLD_NEXT, name, version);
	if (!address)
		abort();
	note(name);
	return address;
}

#define NEXT(function, version) ((__typeof__(&(function)))next(#function, version))

struct ibv_mr *ibv_reg_mr(struct ibv_pd *pd, void *addr, size_t length, int access)
{
	return NEXT(ibv_reg_mr, "IBVERBS_1.1")(pd, addr, length, access);
}

struct ibv_mr *ibv_reg_mr_iova2(struct ibv_pd *pd, void *addr, size_t length, uint64_t iova,
				unsigned int access)
{
	return NEXT(ibv_reg_mr_iova2, "IBVERBS_1.8")(pd, addr, length, iova, access);
}

int ibv_dereg_mr(struct ibv_mr *mr)
{
	return NEXT(ibv_dereg_mr, "IBVERBS_1.1")(mr);
}

int ibv_close_device(struct ibv_context *context)
{
	return NEXT(ibv_close_device, "IBVERBS_1.1")(context);
}

int ibv_modify_qp(struct ibv_qp *qp, struct ibv_qp_attr *attr, int mask)
{
	return NEXT(ibv_modify_qp, "IBVERBS_1.1")(qp, attr, mask);
}

int ibv_query_port(struct ibv_context *context, uint8_t port, struct _compat_ibv_port_attr *attr)
{
	return NEXT(ibv_query_port, "IBVERBS_1.1")(context, port, attr);
}

int rdma_create_qp(struct rdma_cm_id *id, struct ibv_pd *pd, struct ibv_qp_init_attr *attr)
{
	return NEXT(rdma_create_qp, "RDMACM_1.0")(id, pd, attr);
}

void rdma_destroy_qp(struct rdma_cm_id *id)
{
	NEXT(rdma_destroy_qp, "RDMACM_1.0")(id);
}

int rdma_connect(struct rdma_cm_id *id, struct rdma_conn_param *param)
{
	return NEXT(rdma_connect, "RDMACM_1.0")(id, param);
}

int rdma_accept(struct rdma_cm_id *id, struct rdma_conn_param *param)
{
	return NEXT(rdma_accept, "RDMACM_1.0")(id, param);
}

int rdma_disconnect(struct rdma_cm_id *id)
{
	return NEXT(rdma_disconnect, "RDMACM_1.0")(id);
}

int rdma_get_cm_event(struct rdma_event_channel *channel, struct rdma_cm_event **event)
{
	return NEXT(rdma_get_cm_event, "RDMACM_1.0")(channel, event);
}
