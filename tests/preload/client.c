/* SPDX-License-Identifier: GPL-2.0-or-later */

/*
 * A program linked to libibverbs and librdmacm like any other: client MODE
 * [ARGUMENT...]. It prints what it gets from them, so that a run with the shim
 * can be compared with one without.
 */
#include "ahead.h"
#include "discard.h"
#include "migration.h"
#include "quit.h"

#include <dlfcn.h>
#include <errno.h>
#include <malloc.h>
#include <pthread.h>
#include <sched.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#undef ibv_reg_mr

struct ibv_mr *ibv_reg_mr_iova2(struct ibv_pd *pd, void *addr, size_t length, uint64_t iova,
				unsigned int access);

static char memory[4096];

static struct ibv_context *open_context(void)
{
	struct ibv_device **list = ibv_get_device_list(NULL);
	struct ibv_context *context;

	must(list && list[0]);
	context = ibv_open_device(list[0]);
	must(context);
	ibv_free_device_list(list);
	return context;
}

static void register_once(struct ibv_pd *pd)
{
	struct ibv_mr *mr = ibv_reg_mr(pd, memory, sizeof(memory), IBV_ACCESS_LOCAL_WRITE);

	must(mr && mr->addr == memory && mr->length == sizeof(memory));
	must(!ibv_dereg_mr(mr));
}

/* Each hook that needs no connection. */
static int run_hooks(char **args)
{
	struct ibv_context *context = open_context();
	struct ibv_pd *pd = ibv_alloc_pd(context);
	struct ibv_mr *mr;

	(void)args;
	register_once(pd);
	mr = ibv_reg_mr_iova2(pd, memory, 100, (uintptr_t)memory, 1);
	must(mr && !ibv_dereg_mr(mr));
	mr = ibv_reg_mr_iova2(pd, memory, 100, 0x1000, 1);
	must(mr && !ibv_dereg_mr(mr));
	must(!ibv_dealloc_pd(pd));
	must(!ibv_close_device(context));
	puts("hooks called");
	return 0;
}

static void print_completion(struct peer *p, struct ibv_cq *cq)
{
	struct ibv_wc wc;

	if (!peer_poll(cq, &wc)) {
		puts("no completion");
		return;
	}
	printf("status %d wr_id %llu opcode %d", wc.status, (unsigned long long)wc.wr_id,
	       wc.opcode);
	if (wc.opcode == IBV_WC_RECV)
		printf(" length %u type %u", wc.byte_len,
		       message_type(p->buffer[wc.wr_id - PEER_RECV]));
	printf(" qp %u\n", wc.qp_num - p->id->qp->qp_num);
}

/* Three messages in, for RECVs posted before; two out, and a write. */
static void traffic(struct peer *p)
{
	static const uint32_t incoming[3] = {WIRE_READY, WIRE_QEMU_FILE, WIRE_READY};
	struct message m;

	for (unsigned int i = 0; i < 3; i++) {
		message_begin(&m, incoming[i], 1);
		message_put(&m, "twelve bytes", i ? 12 : 0);
		must(!peer_deliver(p->id->qp, m.data, (uint32_t)m.len));
	}
	for (unsigned int i = 0; i < 3; i++) {
		print_completion(p, p->recv_cq);
		must(!peer_post_recv(p, i));
	}
	for (unsigned int i = 0; i < 2; i++) {
		message_begin(&m, WIRE_QEMU_FILE, 1);
		message_put(&m, "twelve bytes", 12 * i);
		must(!peer_send(p, &m));
		print_completion(p, p->send_cq);
	}
	must(!peer_post_write(p, p->mr[3], 4096, 0x7000, 0x99));
	print_completion(p, p->send_cq);
}

static uint8_t parse_hex(const char *hex, uint8_t *out)
{
	uint8_t n = 0;

	for (; hex[0] && hex[1]; hex += 2) {
		unsigned int byte;

		must(sscanf(hex, "%2x", &byte) == 1);
		out[n++] = (uint8_t)byte;
	}
	return n;
}

/*
 * client connect SHAPE CAPS ROLE: CAPS in hexadecimal, or "none"; ROLE is
 * source, destination, or destination-early, whose RECVs are there before it
 * accepts (QEMU's are not).
 */
static int run_connect(char **args)
{
	const struct peer_shape *shape = peer_shape_find(args[0]);
	bool source = !strcmp(args[2], "source"), late;
	uint8_t caps[64], len = 0;
	struct peer p;

	must(shape);
	if (strcmp(args[1], "none"))
		len = parse_hex(args[1], caps);
	peer_open(&p, shape, "192.0.2.7");
	late = !strcmp(args[2], "destination");
	for (unsigned int i = 0; i < 3 && !late; i++)
		must(!peer_post_recv(&p, i));
	must(!peer_connect(&p, source, len ? caps : NULL, len));
	for (unsigned int i = 0; i < 3 && late; i++)
		must(!peer_post_recv(&p, i));
	traffic(&p);
	peer_close(&p);
	puts("closed");
	return 0;
}

/* client refuse: rdma_create_qp() works with the three RECVs asked for, not more. */
static int run_refuse(char **args)
{
	static char *connect_args[] = {"qemu", "0000000100000000", "destination-early"};

	(void)args;
	/* The RECVs wait for the connection in the shim: they must fit too. */
	peer_control->create_refuses = 3;
	return run_connect(connect_args);
}

/* client broken ERRNO: the send queue takes no WRITE; what it says may be negative. */
static int run_broken(char **args)
{
	static const uint8_t caps[8] = {0, 0, 0, 1, 0, 0, 0, 0};
	struct ibv_wc wc;
	struct peer p;

	peer_open(&p, &peer_shapes[0], "192.0.2.11");
	for (unsigned int i = 0; i < 3; i++)
		must(!peer_post_recv(&p, i));
	must(!peer_connect(&p, true, caps, sizeof(caps)));
	peer_control->send_fails = atoi(args[0]);
	printf("post_send %s\n", strerror(peer_post_write(&p, p.mr[3], 4096, 0x7000, 0x99)));
	for (unsigned int i = 0; i < 3; i++)
		if (peer_poll(p.recv_cq, &wc))
			printf("recv status %d\n", wc.status);
	printf("again %s\n", strerror(peer_post_send(&p, 16)));
	peer_control->send_fails = 0;
	peer_close(&p);
	return 0;
}

/* client recv-fails N ERRNO: the shim can post N RECVs, and the next fails. */
static int run_recv_fails(char **args)
{
	static const uint8_t caps[8] = {0, 0, 0, 1, 0, 0, 0, 0};
	struct peer p;

	peer_open(&p, &peer_shapes[0], "192.0.2.11");
	peer_control->recv_works = atoi(args[0]);
	peer_control->recv_fails = atoi(args[1]);
	errno = 0;
	printf("connect %d", peer_connect(&p, true, caps, sizeof(caps)));
	printf(" %s\n", strerror(errno));
	peer_control->recv_fails = 0;
	peer_close(&p);
	return 0;
}

static int post_recv_of_two(struct peer *p)
{
	struct ibv_sge sge[2] = {
		{(uintptr_t)p->buffer[0], 4096, p->mr[0]->lkey},
		{(uintptr_t)p->buffer[1], 4096, p->mr[1]->lkey},
	};
	struct ibv_recv_wr wr = {.wr_id = PEER_RECV, .sg_list = sge, .num_sge = 2}, *bad;

	return ibv_post_recv(p->id->qp, &wr, &bad);
}

static int post_odd_send(struct peer *p, enum ibv_wr_opcode opcode, unsigned int flags, int sges)
{
	struct ibv_sge sge[2] = {
		{(uintptr_t)p->buffer[0], 16, p->mr[0]->lkey},
		{(uintptr_t)p->buffer[1], 16, p->mr[1]->lkey},
	};
	struct ibv_send_wr wr = {
		.opcode = opcode, .send_flags = flags, .sg_list = sge, .num_sge = sges};
	struct ibv_send_wr *bad = NULL;
	int error = ibv_post_send(p->id->qp, &wr, &bad);

	must(!error || bad == &wr);
	return error;
}

/* client odd: what QEMU never posts, to a connection of its own: refused, and nothing else happens.
 * Before it is connected it shows that it is not QEMU's. */
static int run_odd(char **args)
{
	struct migration m;
	struct ibv_mr *mr;
	struct peer p;
	uint32_t rkey;

	(void)args;
	migration_open(&m, "192.0.2.7");
	mr = migration_send_chunk(&m, 0, &rkey);
	must(post_recv_of_two(&m.peer) == EINVAL);
	must(post_odd_send(&m.peer, IBV_WR_RDMA_READ, IBV_SEND_SIGNALED, 1) == EINVAL);
	must(post_odd_send(&m.peer, IBV_WR_SEND, 0, 1) == EINVAL);
	must(post_odd_send(&m.peer, IBV_WR_SEND, IBV_SEND_SIGNALED, 2) == EINVAL);
	migration_finish(&m);
	must(!ibv_dereg_mr(mr));
	peer_close(&m.peer);

	peer_open(&p, &peer_shapes[0], "192.0.2.7");
	must(!post_recv_of_two(&p));
	must(!post_odd_send(&p, IBV_WR_SEND, 0, 1));
	peer_close(&p);
	puts("refused");
	return 0;
}

/* client dereg-fails: the device cannot let go of a chunk's MR. */
static int run_dereg_fails(char **args)
{
	struct migration m;
	struct ibv_mr *mr;
	uint32_t rkey;
	int ret;

	(void)args;
	migration_open(&m, "192.0.2.7");
	mr = migration_send_chunk(&m, 0, &rkey);
	peer_control->dereg_fails = EBUSY;
	errno = 0;
	ret = ibv_dereg_mr(mr);
	printf("ibv_dereg_mr %s, errno: %s\n", strerror(ret), strerror(errno));
	peer_control->dereg_fails = 0;
	migration_finish(&m);
	peer_close(&m.peer);
	return 0;
}

/* client migrate ADDRESS source|source-late|destination... */
static int run_migrate(char **args)
{
	struct migration_counts counts = {0, 0};

	for (int i = 1; args[i]; i++) {
		if (!strcmp(args[i], "destination"))
			migration_destination(args[0], &counts);
		else
			migration_source(args[0], !strcmp(args[i], "source-late"), &counts);
	}
	printf("requests %u registered %u\n", counts.requests, counts.registered);
	return 0;
}

/* client switch PATH: migrations at both ends while the file says off, and once it is gone. */
static int run_switch(char **args)
{
	static char *migrate_args[] = {"192.0.2.7", "source", "destination", NULL};
	FILE *file = fopen(args[0], "w");

	must(file && fputs("off\n", file) >= 0 && !fclose(file));
	run_migrate(migrate_args);
	must(!unlink(args[0]));
	run_migrate(migrate_args);
	return 0;
}

/* client posting sleep|work: so posting a WRITE takes 2 ms; eight are posted one by one. */
static int run_posting(char **args)
{
	struct ibv_mr *mr[MIGRATION_CHUNKS];
	struct migration m;
	uint32_t rkey;

	/* To log what a WRITE has in it takes longer still. */
	unsetenv("FAKE_LOG");
	*(strcmp(args[0], "work") ? &peer_control->send_sleep : &peer_control->send_work) = 2000000;
	migration_open(&m, "192.0.2.7");
	for (unsigned int i = 0; i < MIGRATION_CHUNKS; i++) {
		mr[i] = migration_send_chunk(&m, i, &rkey);
		migration_finish(&m);
		migration_ready(&m);
	}
	must(peer_control->writes == (int)MIGRATION_CHUNKS);
	for (unsigned int i = 0; i < MIGRATION_CHUNKS; i++)
		must(!ibv_dereg_mr(mr[i]));
	peer_close(&m.peer);
	return 0;
}

/* client limit BYTES: the device registers no more than that at once. */
static int run_limit(char **args)
{
	static char *migrate_args[] = {"192.0.2.7", "source", NULL};

	peer_control->reg_limit = strtoul(args[0], NULL, 0);
	return run_migrate(migrate_args);
}

static void print_live(void)
{
	struct fake_live live;

	peer_get_live(&live);
	printf("live: contexts %d pds %d mrs %d channels %d cqs %d qps %d ids %d\n", live.contexts,
	       live.pds, live.mrs, live.channels, live.cqs, live.qps, live.ids);
}

static size_t heap(void)
{
	struct mallinfo2 info = mallinfo2();

	return info.uordblks + info.hblkhd;
}

/* client ahead-rounds N: the same for migrations that register ahead. */
static int run_ahead_rounds(char **args)
{
	int rounds = atoi(args[0]), warm = rounds / 10 + 1;
	size_t before = 0;

	for (int i = 0; i < rounds; i++) {
		if (i == warm)
			before = heap();
		ahead_round(i);
	}
	before = heap() - before;
	print_live();
	printf("grown %ld threads %u\n", (long)before, ahead_threads());
	return 0;
}

/* client rounds N: so many migrations; the heap must not grow after the first tenth. */
static int run_rounds(char **args)
{
	int rounds = atoi(args[0]), warm = rounds / 10 + 1;
	struct migration_counts counts = {0, 0};
	size_t before = 0;

	for (int i = 0; i < rounds; i++) {
		if (i == warm)
			before = heap();
		migration_source("192.0.2.7", i & 1, &counts);
		migration_destination("2001:db8::7", &counts);
	}
	/* Printing allocates. */
	before = heap() - before;
	print_live();
	printf("grown %ld\n", (long)before);
	return 0;
}

/* client mixed: a migration and, on the same context, a connection of another kind. */
static int run_mixed(char **args)
{
	static const uint8_t caps[8] = {0, 0, 0, 1, 0, 0, 0, 0};
	struct peer migration, other;

	(void)args;
	peer_open(&migration, &peer_shapes[0], "192.0.2.7");
	peer_open(&other, peer_shape_find("recv-wr"), "192.0.2.8");
	must(migration.id->verbs == other.id->verbs);
	for (unsigned int i = 0; i < 3; i++) {
		must(!peer_post_recv(&migration, i));
		must(!peer_post_recv(&other, i));
	}
	must(!peer_connect(&migration, true, caps, sizeof(caps)));
	must(!peer_connect(&other, true, NULL, 0));
	traffic(&other);
	traffic(&migration);
	peer_close(&migration);
	/* The session is over; what it patched stays. */
	for (unsigned int i = 0; i < 3; i++)
		must(!peer_deliver(other.id->qp, "0123456789abcdef", 16));
	for (unsigned int i = 0; i < 3; i++)
		print_completion(&other, other.recv_cq);
	peer_close(&other);
	return 0;
}

/* client reopen: two contexts, one after the other, at the same address. */
static int run_reopen(char **args)
{
	const struct ibv_context *first = NULL;
	struct migration_counts counts;

	(void)args;
	for (int i = 0; i < 2; i++) {
		struct peer p;

		peer_open(&p, &peer_shapes[1], "192.0.2.9");
		must(!first || first == p.id->verbs);
		first = p.id->verbs;
		peer_close(&p);
		print_live();
		counts = (struct migration_counts){0, 0};
		migration_source("192.0.2.7", false, &counts);
		printf("requests %u\n", counts.requests);
		print_live();
	}
	return 0;
}

/* client close-fails: a context that could not be closed is still good. */
static int run_close_fails(char **args)
{
	struct peer p;

	(void)args;
	peer_open(&p, &peer_shapes[0], "192.0.2.7");
	peer_control->close_fails = 1;
	errno = 0;
	must(ibv_close_device(p.id->verbs) == -1 && errno == EBUSY);
	peer_control->close_fails = 0;
	for (unsigned int i = 0; i < 3; i++)
		must(!peer_post_recv(&p, i));
	must(!peer_connect(&p, true, NULL, 0));
	traffic(&p);
	peer_close(&p);
	print_live();
	return 0;
}

static void child(void)
{
	char *no_args[] = {NULL};

	run_hooks(no_args);
	run_migrate((char *[]){"192.0.2.11", "source", "destination", NULL});
	fflush(stdout);
	exit(5);
}

/* client fork: in the middle of a connection; both go on. */
static int run_fork(char **args)
{
	static const uint8_t caps[8] = {0, 0, 0, 1, 0, 0, 0, 0};
	struct peer p;
	int status;
	pid_t pid;

	(void)args;
	peer_open(&p, &peer_shapes[0], "192.0.2.10");
	for (unsigned int i = 0; i < 3; i++)
		must(!peer_post_recv(&p, i));
	must(!peer_connect(&p, true, caps, sizeof(caps)));
	fflush(stdout);
	pid = fork();
	must(pid >= 0);
	if (!pid)
		child();
	must(waitpid(pid, &status, 0) == pid);
	printf("child %s %d\n", WIFEXITED(status) ? "exited" : "was killed",
	       WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status));
	traffic(&p);
	peer_close(&p);
	return 0;
}

/* Whose CQs are polled and armed, which its owner may not destroy meanwhile. */
struct polled {
	pthread_rwlock_t lock;
	struct peer *peer;
	unsigned long rounds;
	bool stop;
};

static void *poll_and_arm(void *argument)
{
	struct polled *polled = argument;
	struct ibv_wc wc;

	for (bool stop = false; !stop;) {
		pthread_rwlock_rdlock(&polled->lock);
		stop = __atomic_load_n(&polled->stop, __ATOMIC_RELAXED);
		if (polled->peer) {
			ibv_poll_cq(polled->peer->send_cq, 1, &wc);
			ibv_poll_cq(polled->peer->recv_cq, 1, &wc);
			ibv_req_notify_cq(polled->peer->send_cq, 0);
			ibv_req_notify_cq(polled->peer->recv_cq, 0);
		}
		__atomic_fetch_add(&polled->rounds, 1, __ATOMIC_RELAXED);
		pthread_rwlock_unlock(&polled->lock);
	}
	return NULL;
}

static void set_polled(struct polled *polled, struct peer *peer)
{
	pthread_rwlock_wrlock(&polled->lock);
	polled->peer = peer;
	pthread_rwlock_unlock(&polled->lock);
}

/* It has begun with something new, and come to its end. */
static void wait_for_a_round(struct polled *polled)
{
	unsigned long before = __atomic_load_n(&polled->rounds, __ATOMIC_RELAXED);

	while (__atomic_load_n(&polled->rounds, __ATOMIC_RELAXED) < before + 2)
		sched_yield();
}

/*
 * client polls N: another thread polls and arms the CQs of N connections, and goes on when the QP
 * has been destroyed and the next has been made.
 */
static int run_polls(char **args)
{
	static const uint8_t caps[8] = {0, 0, 0, 1, 0, 0, 0, 0};
	struct polled polled = {.lock = PTHREAD_RWLOCK_INITIALIZER};
	struct peer peers[2], *last = NULL;
	pthread_t thread;

	/* All the polls there are would fill the disk. */
	unsetenv("FAKE_LOG");
	must(!pthread_create(&thread, NULL, poll_and_arm, &polled));
	for (int i = 0; i < atoi(args[0]); i++) {
		struct peer *p = &peers[i % 2];

		peer_open(p, &peer_shapes[0], "192.0.2.7");
		must(!peer_connect(p, i % 3, caps, sizeof(caps)));
		set_polled(&polled, p);
		if (last)
			peer_close(last);
		last = p;
		wait_for_a_round(&polled);
		rdma_destroy_qp(p->id);
	}
	set_polled(&polled, NULL);
	peer_close(last);
	__atomic_store_n(&polled.stop, true, __ATOMIC_RELAXED);
	pthread_join(thread, NULL);
	print_live();
	return 0;
}

/*
 * client contexts N: N contexts come and go, each with a QP that has it patched, while another
 * thread uses one that stays.
 */
static int run_contexts(char **args)
{
	struct polled polled = {.lock = PTHREAD_RWLOCK_INITIALIZER};
	struct peer stays, other;
	pthread_t thread;

	unsetenv("FAKE_LOG");
	peer_open(&stays, &peer_shapes[0], "192.0.2.7");
	set_polled(&polled, &stays);
	must(!pthread_create(&thread, NULL, poll_and_arm, &polled));
	for (int i = 0; i < atoi(args[0]); i++) {
		peer_device = open_context();
		must(peer_device != stays.id->verbs);
		peer_open(&other, &peer_shapes[0], "192.0.2.8");
		wait_for_a_round(&polled);
		peer_close(&other);
		must(!ibv_close_device(peer_device));
		wait_for_a_round(&polled);
	}
	peer_device = NULL;
	__atomic_store_n(&polled.stop, true, __ATOMIC_RELAXED);
	pthread_join(thread, NULL);
	peer_close(&stays);
	print_live();
	return 0;
}

static pthread_barrier_t barrier;

static void *enter_hooks(void *pd)
{
	pthread_barrier_wait(&barrier);
	for (int i = 0; i < 100; i++)
		register_once(pd);
	return NULL;
}

/* client threads N: the first hook is entered by N threads at once. */
static int run_threads(char **args)
{
	unsigned int n = (unsigned int)atoi(args[0]);
	struct ibv_context *context = open_context();
	struct ibv_pd *pd = ibv_alloc_pd(context);
	pthread_t thread[64];

	must(n <= 64);
	pthread_barrier_init(&barrier, NULL, n);
	for (unsigned int i = 0; i < n; i++)
		must(!pthread_create(&thread[i], NULL, enter_hooks, pd));
	for (unsigned int i = 0; i < n; i++)
		pthread_join(thread[i], NULL);
	/* With LD_DEBUG=bindings this look-up marks the place. */
	must(dlsym(RTLD_DEFAULT, "fake_get_live"));
	register_once(pd);
	must(!ibv_dealloc_pd(pd));
	must(!ibv_close_device(context));
	print_live();
	return 0;
}

/*
 * client real: works with the real libraries and no device. An id that has a QP
 * is refused by librdmacm before it looks at anything else.
 */
static int run_real(char **args)
{
	static union {
		struct rdma_cm_id id;
		char room[8192]; /* librdmacm's own structure around it is larger */
	} u;
	struct ibv_qp_init_attr attr = {.qp_type = IBV_QPT_RC};
	struct ibv_qp qp = {.qp_num = 1};
	int ret;

	(void)args;
	u.id.qp = &qp;
	errno = 0;
	ret = rdma_create_qp(&u.id, NULL, &attr);
	printf("rdma_create_qp %d %s\n", ret, strerror(errno));
	return 0;
}

/* client dlopen PATH: the shim comes late, and goes. */
static int run_dlopen(char **args)
{
	static char *connect_args[] = {"qemu", "0000000100000000", "source"};
	void *handle = dlopen(args[0], RTLD_NOW | RTLD_GLOBAL);

	if (!handle)
		fprintf(stderr, "%s\n", dlerror());
	must(handle);
	run_hooks(NULL);
	run_connect(connect_args);
	must(!dlclose(handle));
	return run_connect(connect_args);
}

static const struct {
	const char *name;
	int args; /* at least */
	bool fake;
	int (*run)(char **args);
} modes[] = {
	{"ahead", 1, true, ahead_run},
	{"ahead-rounds", 1, true, run_ahead_rounds},
	{"close-fails", 0, true, run_close_fails},
	{"connect", 3, true, run_connect},
	{"discard", 1, true, discard_run},
	{"contexts", 1, true, run_contexts},
	{"dereg-fails", 0, true, run_dereg_fails},
	{"dlopen", 1, true, run_dlopen},
	{"fork", 0, true, run_fork},
	{"hooks", 0, true, run_hooks},
	{"limit", 1, true, run_limit},
	{"migrate", 2, true, run_migrate},
	{"mixed", 0, true, run_mixed},
	{"odd", 0, true, run_odd},
	{"quit", 1, true, quit_run},
	{"polls", 1, true, run_polls},
	{"posting", 1, true, run_posting},
	{"real", 0, false, run_real},
	{"broken", 1, true, run_broken},
	{"recv-fails", 2, true, run_recv_fails},
	{"refuse", 0, true, run_refuse},
	{"reopen", 0, true, run_reopen},
	{"rounds", 1, true, run_rounds},
	{"switch", 1, true, run_switch},
	{"threads", 1, true, run_threads},
};

int main(int argc, char **argv)
{
	peer_find_fake();
	for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
		if (argc < 2 || strcmp(argv[1], modes[i].name))
			continue;
		must(argc - 2 >= modes[i].args);
		must(!modes[i].fake || peer_deliver);
		return modes[i].run(argv + 2);
	}
	fprintf(stderr, "usage: client MODE [ARGUMENT...]\n");
	return 2;
}
