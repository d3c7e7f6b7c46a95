/* SPDX-License-Identifier: GPL-2.0-or-later */

/*
 * A program that the module is loaded into while it runs, as rdmachunk attach has QEMU load it:
 * attached MODE LIBRARY. Its functions are bound late.
 */
#include "ask.h"
#include "migration.h"
#include "slow.h"

#include <dlfcn.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sched.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#define ADDRESS "192.0.2.7"

static void *library;

static int request(enum attach_action action)
{
	return ask(library, action);
}

static void migrate(const char *what)
{
	struct migration_counts counts = {0};

	migration_source(ADDRESS, true, &counts);
	printf("%s %u\n", what, counts.requests);
}

/* How many requests there are tells whether the hooks are in. */
static int run_cycle(void)
{
	migrate("stock");
	for (int i = 0; i < 3; i++) {
		must(!request(ATTACH_PUT_IN));
		migrate("attached");
		must(!request(ATTACH_TAKE_OUT));
		migrate("stock");
	}
	return 0;
}

/* An id that is bound to the device keeps it open, as the real librdmacm does by itself. */
static struct rdma_cm_id *hold_device(void)
{
	struct sockaddr_in to = {.sin_family = AF_INET};
	struct rdma_cm_id *id;

	must(!rdma_create_id(NULL, &id, NULL, RDMA_PS_TCP));
	must(!rdma_resolve_addr(id, NULL, (struct sockaddr *)&to, 1000) && id->verbs);
	return id;
}

/* A thread that has read the device's table a moment before the hooks are taken out. */
static int run_late(void)
{
	struct rdma_cm_id *id = hold_device();
	const struct ibv_context_ops *ops = &id->verbs->ops;
	int (*poll)(struct ibv_cq *, int, struct ibv_wc *);
	int (*arm)(struct ibv_cq *, int);
	struct ibv_cq *cq = ibv_create_cq(id->verbs, 8, NULL, NULL, 0);
	struct ibv_wc wc;

	must(cq);
	for (int i = 0; i < 2; i++) {
		must(!request(ATTACH_PUT_IN));
		poll = ops->poll_cq;
		migrate("attached");
		must(poll != ops->poll_cq);
		poll = ops->poll_cq;
		arm = ops->req_notify_cq;
		must(!request(ATTACH_TAKE_OUT));
		must(poll != ops->poll_cq && arm != ops->req_notify_cq);
		must(!poll(cq, 1, &wc) && !arm(cq, 0));
	}
	must(!ibv_destroy_cq(cq));
	must(!rdma_destroy_id(id));
	puts("works");
	return 0;
}

static int (*other_next)(struct ibv_cq *, int, struct ibv_wc *);
static int other_calls;

static int other_poll(struct ibv_cq *cq, int entries, struct ibv_wc *wc)
{
	other_calls++;
	return other_next(cq, entries, wc);
}

/* A device is closed where nobody tells the module, and another one is at its address. */
static int run_closed(void)
{
	struct rdma_cm_id *id = hold_device();
	struct ibv_context *context = id->verbs;

	must(!request(ATTACH_PUT_IN));
	migrate("attached");
	must(!request(ATTACH_TAKE_OUT));
	must(!rdma_destroy_id(id));
	id = hold_device();
	must(id->verbs == context);
	other_next = context->ops.poll_cq;
	context->ops.poll_cq = other_poll;

	must(!request(ATTACH_PUT_IN) && !request(ATTACH_TAKE_OUT));
	must(context->ops.poll_cq == other_poll);
	must(!request(ATTACH_PUT_IN));
	peer_control->close_fails = 1;
	must(ibv_close_device(context) == -1 && context->ops.poll_cq == other_poll);
	peer_control->close_fails = 0;
	migrate("attached");
	must(other_calls && context->ops.poll_cq != other_poll);
	must(!request(ATTACH_TAKE_OUT));
	must(context->ops.poll_cq == other_poll);
	must(!rdma_destroy_id(id));
	puts("works");
	return 0;
}

static struct slow_gate *gate;
static char page[4096] __attribute__((aligned(4096)));

static void *call_first(void *unused)
{
	__atomic_store_n(&gate->thread, (pid_t)syscall(SYS_gettid), __ATOMIC_RELEASE);
	must(!posix_madvise(page, sizeof(page), POSIX_MADV_DONTNEED));
	return unused;
}

/* Does the program's call come by way of the module? */
static const char *way(void)
{
	Dl_info info;

	must(!posix_madvise(page, sizeof(page), POSIX_MADV_DONTNEED));
	must(dladdr(gate->caller, &info));
	return strstr(info.dli_fname, "librdmachunk") ? "hooked" : "lost";
}

/*
 * The loader binds a function for one thread, and writes to its slot what it has found, when the
 * hook is there already.
 */
static int run_lazy(void)
{
	struct migration m;
	pthread_t thread;

	gate = dlsym(RTLD_DEFAULT, "slow_gate");
	must(gate && !pthread_create(&thread, NULL, call_first, NULL));
	while (!__atomic_load_n(&gate->inside, __ATOMIC_ACQUIRE))
		sched_yield();
	must(!request(ATTACH_PUT_IN));
	printf("meanwhile %s\n", way());
	__atomic_store_n(&gate->open, 1, __ATOMIC_RELEASE);
	pthread_join(thread, NULL);
	printf("bound %s\n", way());
	migration_open(&m, ADDRESS);
	printf("migrating %s\n", way());
	peer_close(&m.peer);
	must(!request(ATTACH_TAKE_OUT));
	printf("detached %s\n", way());
	return 0;
}

/* QEMU calls this one too, and without it nothing is attached. */
static int run_event(void)
{
	struct rdma_event_channel *events = rdma_create_event_channel();
	struct rdma_cm_event *event;

	return events ? rdma_get_cm_event(events, &event) : 1;
}

static const struct {
	const char *name;
	int (*run)(void);
} modes[] = {
	{"closed", run_closed}, {"cycle", run_cycle}, {"event", run_event},
	{"late", run_late},	{"lazy", run_lazy},
};

int main(int argc, char **argv)
{
	peer_find_fake();
	library = argc > 2 ? ask_open(argv[2]) : NULL;
	for (size_t i = 0; library && i < sizeof(modes) / sizeof(modes[0]); i++)
		if (!strcmp(argv[1], modes[i].name))
			return modes[i].run();
	fprintf(stderr, "usage: attached MODE LIBRARY\n");
	return 2;
}
