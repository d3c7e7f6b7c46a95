/* SPDX-License-Identifier: GPL-2.0-or-later */

/* A program that is not linked to libibverbs: plain MODE [ARGUMENT]. */
#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <infiniband/verbs.h>
#include <rdma/rdma_cma.h>

#define must(condition)                                                                 \
	do {                                                                            \
		if (!(condition)) {                                                     \
			fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition); \
			exit(3);                                                        \
		}                                                                       \
	} while (0)

static void *need(void *handle, const char *name)
{
	void *address = dlsym(handle, name);

	if (!address)
		fprintf(stderr, "%s\n", dlerror());
	must(address);
	return address;
}

static void *open_library(const char *name, int flags)
{
	void *handle = dlopen(name, RTLD_NOW | flags);

	if (!handle)
		fprintf(stderr, "%s\n", dlerror());
	must(handle);
	return handle;
}

/* One registration, every function looked up in `handle`. */
static struct ibv_context *use_verbs(void *handle)
{
	struct ibv_device **(*get_list)(int *) = need(handle, "ibv_get_device_list");
	void (*free_list)(struct ibv_device **) = need(handle, "ibv_free_device_list");
	struct ibv_context *(*open)(struct ibv_device *) = need(handle, "ibv_open_device");
	struct ibv_pd *(*alloc_pd)(struct ibv_context *) = need(handle, "ibv_alloc_pd");
	int (*dealloc_pd)(struct ibv_pd *) = need(handle, "ibv_dealloc_pd");
	struct ibv_mr *(*reg)(struct ibv_pd *, void *, size_t, int) = need(handle, "ibv_reg_mr");
	int (*dereg)(struct ibv_mr *) = need(handle, "ibv_dereg_mr");
	struct ibv_device **list = get_list(NULL);
	struct ibv_context *context;
	static char memory[128];
	struct ibv_mr *mr;
	struct ibv_pd *pd;

	must(list && list[0]);
	context = open(list[0]);
	must(context);
	free_list(list);
	pd = alloc_pd(context);
	must(pd);
	mr = reg(pd, memory, sizeof(memory), IBV_ACCESS_LOCAL_WRITE);
	must(mr && mr->length == sizeof(memory));
	must(!dereg(mr));
	must(!dealloc_pd(pd));
	puts("registered");
	return context;
}

static int run_local(const char *argument)
{
	void *handle = open_library("libibverbs.so.1", RTLD_LOCAL);
	int (*close_device)(struct ibv_context *) = need(handle, "ibv_close_device");

	(void)argument;
	must(!close_device(use_verbs(handle)));
	return 0;
}

static int run_global(const char *argument)
{
	int (*close_device)(struct ibv_context *);

	(void)argument;
	open_library("libibverbs.so.1", RTLD_GLOBAL);
	close_device = need(RTLD_DEFAULT, "ibv_close_device");
	must(!close_device(use_verbs(RTLD_DEFAULT)));
	return 0;
}

/* As a plug-in does that needs librdmacm, after another that needs libibverbs. */
static int run_cm_later(const char *argument)
{
	int (*create_id)(struct rdma_event_channel *, struct rdma_cm_id **, void *,
			 enum rdma_port_space);
	int (*create_qp)(struct rdma_cm_id *, struct ibv_pd *, struct ibv_qp_init_attr *);
	void (*destroy_qp)(struct rdma_cm_id *);
	int (*destroy_id)(struct rdma_cm_id *);
	struct ibv_qp_init_attr attr = {.qp_type = IBV_QPT_RC, .cap = {8, 8, 1, 1, 0}};
	struct ibv_pd *(*alloc_pd)(struct ibv_context *);
	struct ibv_context *context;
	struct rdma_cm_id *id;
	struct ibv_pd *pd;

	(void)argument;
	open_library("libibverbs.so.1", RTLD_GLOBAL);
	context = use_verbs(RTLD_DEFAULT);
	open_library("librdmacm.so.1", RTLD_GLOBAL);
	alloc_pd = need(RTLD_DEFAULT, "ibv_alloc_pd");
	create_id = need(RTLD_DEFAULT, "rdma_create_id");
	create_qp = need(RTLD_DEFAULT, "rdma_create_qp");
	destroy_qp = need(RTLD_DEFAULT, "rdma_destroy_qp");
	destroy_id = need(RTLD_DEFAULT, "rdma_destroy_id");
	must(!create_id(NULL, &id, NULL, RDMA_PS_TCP));
	pd = alloc_pd(context);
	errno = 0;
	if (create_qp(id, pd, &attr)) {
		printf("rdma_create_qp: %s\n", strerror(errno));
		return 0;
	}
	puts("created");
	destroy_qp(id);
	printf("destroyed %d\n", !id->qp);
	must(!destroy_id(id));
	return 0;
}

/* plain shim PATH: the module as a library among others. */
static int run_shim(const char *argument)
{
	void *handle = open_library(argument, RTLD_LOCAL);
	struct ibv_mr *(*reg)(struct ibv_pd *, void *, size_t, int) = need(handle, "ibv_reg_mr");

	/* There is no libibverbs to hand this to. */
	errno = 0;
	must(!reg(NULL, NULL, 0, 0) && errno == ENOSYS);
	must(!dlclose(handle));
	puts("harmless");
	return 0;
}

/* The exported functions, in a process that has no other of their names. */
static int run_without(const char *argument)
{
	static const char *const calls[] = {
		"rdma_create_qp",  "rdma_connect", "rdma_accept",
		"rdma_disconnect", "ibv_reg_mr",   "rdma_get_cm_event",
	};
	struct ibv_mr *(*reg_iova2)(struct ibv_pd *, void *, size_t, uint64_t, unsigned int) =
		need(RTLD_DEFAULT, "ibv_reg_mr_iova2");
	void (*destroy_qp)(struct rdma_cm_id *) = need(RTLD_DEFAULT, "rdma_destroy_qp");
	int (*dereg)(struct ibv_mr *) = need(RTLD_DEFAULT, "ibv_dereg_mr");
	int (*close_device)(struct ibv_context *) = need(RTLD_DEFAULT, "ibv_close_device");

	(void)argument;
	for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
		/* Their arguments are not looked at. */
		int (*call)(void *, void *, void *, int) = need(RTLD_DEFAULT, calls[i]);

		errno = 0;
		call(NULL, NULL, NULL, 0);
		must(errno == ENOSYS);
	}
	must(!reg_iova2(NULL, NULL, 0, 0, 0) && errno == ENOSYS);
	must(dereg(NULL) == ENOSYS);
	must(close_device(NULL) == -1 && errno == ENOSYS);
	destroy_qp(NULL);
	puts("harmless");
	return 0;
}

/* plain next VERSION: is that the ibv_reg_mr that a search by name finds next? */
static int run_next(const char *argument)
{
	void *wanted;

	open_library("libibverbs.so.1", RTLD_GLOBAL);
	wanted = dlvsym(RTLD_DEFAULT, "ibv_reg_mr", argument);
	must(wanted);
	puts(dlsym(RTLD_NEXT, "ibv_reg_mr") == wanted ? "the same" : "another");
	return 0;
}

static void *add_up(void *sum)
{
	static _Thread_local unsigned long mine;

	for (unsigned long i = 1; i <= 1000; i++)
		mine += i;
	__atomic_add_fetch((unsigned long *)sum, mine, __ATOMIC_RELAXED);
	return NULL;
}

static int run_threads(const char *argument)
{
	unsigned long sum = 0;
	pthread_t thread[8];

	(void)argument;
	for (int i = 0; i < 8; i++)
		must(!pthread_create(&thread[i], NULL, add_up, &sum));
	for (int i = 0; i < 8; i++)
		pthread_join(thread[i], NULL);
	printf("%lu\n", sum);
	fprintf(stderr, "and to standard error\n");
	return 7;
}

static const struct {
	const char *name;
	int (*run)(const char *argument);
} modes[] = {
	{"cm-later", run_cm_later}, {"global", run_global}, {"local", run_local},
	{"next", run_next},	    {"shim", run_shim},	    {"threads", run_threads},
	{"without", run_without},
};

int main(int argc, char **argv)
{
	for (size_t i = 0; argc > 1 && i < sizeof(modes) / sizeof(modes[0]); i++)
		if (!strcmp(argv[1], modes[i].name))
			return modes[i].run(argc > 2 ? argv[2] : "");
	fprintf(stderr, "usage: plain MODE [ARGUMENT]\n");
	return 2;
}
