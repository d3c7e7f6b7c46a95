/* SPDX-License-Identifier: GPL-2.0-or-later */

/*
 * stress COUNT SEED WORKERS THREADS: so many short migrations of a guest, by so many at a time,
 * both ends in this process. There are the threads that QEMU has: one that migrates, one that takes
 * in, one that cleans up when the next may have begun, and one that writes guest memory and gives
 * it back; and the NIC's. What happens in each migration, which fault it has and when it is
 * cancelled follows from SEED; how the threads meet does not. One in THREADS of the module's
 * threads cannot be created; 0: all can.
 *
 * A migration without a fault that QEMU is told of has to come to its end, with identical RAM. One
 * with it may fail, at both ends. Nothing may be left behind.
 */
#include <dirent.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "fault.h"
#include "guest.h"
#include "qemu.h"

#define WORKERS	     8
#define HANG_SECONDS 120

static const uint8_t caps[8] = {0, 0, 0, 1, 0, 0, 0, 0};

struct migration {
	unsigned int number;
	struct random random;
	struct fault *fault; /* outlives it: calls on their way may look at it */
	struct guest guest;
	bool discards;
	unsigned int rounds;	 /* of QEMU's, before the last */
	unsigned int passes;	 /* through RAM in each */
	unsigned long cancel_at; /* when it has come so far; 0: never */
	bool cancel_destination;
	bool qp_first; /* is destroyed before the chunks are deregistered */
	bool stop;     /* the guest does; the canceller, too */
	struct qemu source, destination;
	bool done[2]; /* source, destination */
	pthread_t cleaner;
};

/* For the watchdog, which may look at those that are there while it has the lock. */
static pthread_mutex_t watched = PTHREAD_MUTEX_INITIALIZER;
static struct migration *current[WORKERS];
static unsigned long finished; /* migrations */
static bool stop_all;
static unsigned int totals[3]; /* complete, failed, cancelled */
static unsigned int sessions;
static uint64_t seed;
static unsigned int count, workers;
static struct fault *faults;

static void nap(long us)
{
	struct timespec time = {.tv_nsec = us * 1000};

	nanosleep(&time, NULL);
}

static bool is_set(const bool *flag)
{
	return __atomic_load_n(flag, __ATOMIC_ACQUIRE);
}

static void set(bool *flag)
{
	__atomic_store_n(flag, true, __ATOMIC_RELEASE);
}

static unsigned long steps(const struct migration *m)
{
	return __atomic_load_n(&m->source.steps, __ATOMIC_RELAXED) +
	       __atomic_load_n(&m->destination.steps, __ATOMIC_RELAXED);
}

static void *run_nic(void *argument)
{
	struct random r = {seed ^ 0x4e4943};

	(void)argument;
	while (!is_set(&stop_all)) {
		if (!fake_wire_step((unsigned int)random_next(&r)))
			nap(20);
		else if (random_percent(&r, 5))
			nap(1 + random_below(&r, random_percent(&r, 20) ? 3000 : 200));
	}
	return NULL;
}

/* Somebody else on the same device. */
static void *run_bystander(void *argument)
{
	struct peer *p = argument;
	struct ibv_wc wc;

	while (!is_set(&stop_all)) {
		must(!ibv_poll_cq(p->send_cq, 1, &wc));
		must(!ibv_req_notify_cq(p->recv_cq, 0));
		nap(50);
	}
	return NULL;
}

static void describe(const struct migration *m)
{
	const struct qemu *s = &m->source, *d = &m->destination;

	fprintf(stderr,
		"migration %u of seed %llu: fault %s%s, %s\n"
		"  source %s, %u writes under way%s\n"
		"  destination %s%s\n",
		m->number, (unsigned long long)seed, fault_name(m->fault->kind),
		m->fault->happened ? " happened" : "", m->discards ? "discards" : "no discards",
		s->doing, s->writes, s->cancelled ? ", cancelled" : "", d->doing,
		d->cancelled ? ", cancelled" : "");
}

static void *watch(void *argument)
{
	unsigned long last = 0, now;
	unsigned int quiet = 0;

	(void)argument;
	while (!is_set(&stop_all)) {
		nap(100000);
		now = __atomic_load_n(&finished, __ATOMIC_RELAXED);
		pthread_mutex_lock(&watched);
		for (unsigned int i = 0; i < WORKERS; i++)
			now += current[i] ? steps(current[i]) : 0;
		pthread_mutex_unlock(&watched);
		quiet = now == last ? quiet + 1 : 0;
		last = now;
		if (quiet < HANG_SECONDS * 10)
			continue;
		fprintf(stderr, "nothing moves any more\n");
		for (unsigned int i = 0; i < WORKERS; i++)
			if (current[i])
				describe(current[i]);
		abort();
	}
	return NULL;
}

static void *run_guest(void *argument)
{
	struct migration *m = argument;
	struct random r = {m->random.state ^ 0x475545};

	while (!is_set(&m->stop)) {
		pthread_mutex_lock(&m->guest.lock);
		/* It may have been stopped while this waited. */
		if (!is_set(&m->stop))
			guest_act(&m->guest, &r, m->discards);
		pthread_mutex_unlock(&m->guest.lock);
		nap(1 + random_below(&r, 1000));
	}
	return NULL;
}

static void *run_canceller(void *argument)
{
	struct migration *m = argument;

	while (!is_set(&m->stop) && steps(m) < m->cancel_at)
		nap(50);
	set(m->cancel_destination ? &m->destination.cancelled : &m->source.cancelled);
	return NULL;
}

/* Once through RAM. */
static bool send_pass(struct migration *m)
{
	size_t page = GUEST_PAGE, piece = 16, pages = m->guest.length / page, first, end;

	for (first = 0; first < pages; first = end) {
		end = first + piece;
		if (!guest_take_dirty(&m->guest, first, end))
			continue;
		/* QEMU gathers what follows, within a chunk. */
		while (end % (GUEST_CHUNK / page) && guest_take_dirty(&m->guest, end, end + piece))
			end += piece;
		if (!qemu_send_range(&m->source, first * page, (end - first) * page))
			return false;
	}
	return true;
}

/* QEMU may come past the end of RAM, and to what it has written just now. */
static bool send_dirty(struct migration *m)
{
	for (unsigned int i = 0; i < m->passes; i++)
		if (!send_pass(m))
			return false;
	return qemu_drain(&m->source) && qemu_send(&m->source, WIRE_REGISTER_FINISHED);
}

static bool migrate(struct migration *m)
{
	struct qemu *q = &m->source;

	if (peer_connect(&q->peer, true, caps, sizeof(caps)))
		return false;
	/* Then it passed through: QEMU is alone, and sends what it gave back. */
	pthread_mutex_lock(&m->guest.lock);
	m->discards = m->discards && !is_set(&m->fault->happened);
	pthread_mutex_unlock(&m->guest.lock);
	/* A source asks a destination for all at once, and that cannot do with less. */
	if (m->fault->kind == FAULT_WIDE)
		fault_watch(q->peer.pd, m->fault);
	if (peer_post_recv(&q->peer, 1))
		return false;
	if (!qemu_learn_blocks(q))
		return false;
	for (unsigned int i = 0; i < m->rounds; i++)
		if (!send_dirty(m))
			return false;
	/* The guest stops: what it is in the middle of is done first. */
	set(&m->stop);
	pthread_mutex_lock(&m->guest.lock);
	pthread_mutex_unlock(&m->guest.lock);
	return send_dirty(m) && qemu_send(q, WIRE_QEMU_FILE);
}

static bool take_in(struct migration *m)
{
	struct qemu *q = &m->destination;

	if (peer_connect(&q->peer, false, caps, sizeof(caps)) || peer_post_recv(&q->peer, 1))
		return false;
	return qemu_serve(q, WIRE_QEMU_FILE);
}

/* One that gives up lets the other know, which it does by disconnecting. */
static void *run_source(void *argument)
{
	struct migration *m = argument;

	m->done[0] = migrate(m);
	if (!m->done[0])
		rdma_disconnect(m->source.peer.id);
	return NULL;
}

static void *run_destination(void *argument)
{
	struct migration *m = argument;

	m->done[1] = take_in(m);
	if (!m->done[1])
		rdma_disconnect(m->destination.peer.id);
	return NULL;
}

static void close_end(struct qemu *q, bool qp_first)
{
	rdma_disconnect(q->peer.id);
	if (qp_first)
		rdma_destroy_qp(q->peer.id);
	qemu_deregister(q);
	peer_close(&q->peer);
}

/* QEMU does this in another thread, and may begin the next migration meanwhile. */
static void *clean_up(void *argument)
{
	struct migration *m = argument;

	fault_forget(m->fault);
	close_end(&m->source, m->qp_first);
	close_end(&m->destination, !m->qp_first);
	munmap(m->destination.ram, m->guest.length);
	guest_close(&m->guest);
	free(m);
	return NULL;
}

static void open_end(struct qemu *q, struct migration *m, char *ram)
{
	char address[32];

	q->ram = ram;
	q->length = m->guest.length;
	q->doing = "opens";
	/* One that gave up is asked for less the next time. */
	snprintf(address, sizeof(address), "2001:db8::%x", m->number);
	peer_open(&q->peer, &peer_shapes[0], address);
	if (m->fault->kind == FAULT_WIDE)
		return;
	fault_watch(q->peer.pd, m->fault);
	fault_watch(q->peer.id->qp, m->fault);
}

static struct migration *begin(unsigned int number)
{
	struct migration *m = calloc(1, sizeof(*m));
	struct random *r = &m->random;
	char *ram;

	must(m);
	m->number = number;
	m->fault = &faults[number];
	r->state = seed * 1000003 + number;
	fault_choose(m->fault, r);
	guest_open(&m->guest, r, random_percent(r, 30));
	m->discards = random_percent(r, 60);
	m->rounds = random_below(r, 4);
	m->passes = 1 + random_below(r, 4);
	m->cancel_at = random_percent(r, 20) ? 1 + random_below(r, 200) : 0;
	m->cancel_destination = random_percent(r, 30);
	m->qp_first = random_percent(r, 50);
	ram = mmap(NULL, m->guest.length, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
		   0);
	must(ram != MAP_FAILED);
	/* What is not sent is not there. */
	memset(ram, 0x55, m->guest.length);
	fault_watch_thread(m->fault);
	open_end(&m->source, m, m->guest.ram);
	fault_watch_thread(NULL);
	open_end(&m->destination, m, ram);
	fake_wire_connect(m->source.peer.id->qp, m->destination.peer.id->qp,
			  66 + random_below(r, 63));
	return m;
}

static void report_difference(const struct migration *m)
{
	unsigned int pages = 0, first = 0;

	for (size_t at = m->guest.length; at; at -= GUEST_PAGE) {
		if (!memcmp(m->guest.ram + at - GUEST_PAGE, m->destination.ram + at - GUEST_PAGE,
			    GUEST_PAGE))
			continue;
		first = (unsigned int)(at / GUEST_PAGE - 1);
		pages++;
	}
	fprintf(stderr, "%u pages differ, the first is %u\n", pages, first);
}

static void judge(const struct migration *m)
{
	bool cancelled = m->source.cancelled || m->destination.cancelled;
	bool complete = m->done[0] && m->done[1];

	if (complete && memcmp(m->guest.ram, m->destination.ram, m->guest.length)) {
		describe(m);
		report_difference(m);
		exit(3);
	}
	if (!complete && !cancelled && !m->fault->happened) {
		describe(m);
		fprintf(stderr, "it failed, and nothing was wrong\n");
		exit(3);
	}
	/* A source whose QP could not have our RECVs has none. */
	__atomic_fetch_add(&sessions, m->fault->kind == FAULT_CREATE_QP ? 1 : 2, __ATOMIC_RELAXED);
	__atomic_fetch_add(&totals[complete ? 0 : cancelled ? 2 : 1], 1, __ATOMIC_RELAXED);
}

static void run_one(struct migration *m)
{
	pthread_t source, destination, guest, canceller;

	if (m->fault->kind == FAULT_MEMORY && workers == 1) {
		/* It may do without knowing of what QEMU gives back, as stock QEMU does. */
		m->discards = false;
		fault_watch_memory(m->fault);
	}
	must(!fault_own_thread(&destination, run_destination, m));
	must(!fault_own_thread(&source, run_source, m));
	must(!fault_own_thread(&guest, run_guest, m));
	if (m->cancel_at)
		must(!fault_own_thread(&canceller, run_canceller, m));
	pthread_join(source, NULL);
	pthread_join(destination, NULL);
	set(&m->stop);
	pthread_join(guest, NULL);
	if (m->cancel_at)
		pthread_join(canceller, NULL);
	fault_watch_memory(NULL);
	judge(m);
}

static void set_current(unsigned int worker, struct migration *m)
{
	pthread_mutex_lock(&watched);
	current[worker] = m;
	pthread_mutex_unlock(&watched);
}

static void *run_worker(void *argument)
{
	unsigned int which = (unsigned int)(uintptr_t)argument;
	pthread_t cleaner;
	bool cleaning = false;

	for (unsigned int i = which; i < count; i += workers) {
		struct migration *m = begin(i);

		set_current(which, m);
		run_one(m);
		set_current(which, NULL);
		__atomic_fetch_add(&finished, 1, __ATOMIC_RELAXED);
		if (cleaning)
			pthread_join(cleaner, NULL);
		must(!fault_own_thread(&cleaner, clean_up, m));
		cleaning = true;
	}
	if (cleaning)
		pthread_join(cleaner, NULL);
	return NULL;
}

/* Threads of the module's that a migration has: the one that writes files stays. */
static unsigned int module_threads(void)
{
	DIR *dir = opendir("/proc/self/task");
	unsigned int n = 0;

	must(dir);
	for (struct dirent *entry; (entry = readdir(dir));) {
		char path[64], name[32] = "";
		FILE *f;

		snprintf(path, sizeof(path), "/proc/self/task/%.20s/comm", entry->d_name);
		f = fopen(path, "re");
		if (!f)
			continue;
		if (fgets(name, sizeof(name), f))
			n += !strncmp(name, "rdmachunk-", 10) && strcmp(name, "rdmachunk-file\n");
		fclose(f);
	}
	closedir(dir);
	return n;
}

static void must_be_gone(void)
{
	struct fake_live live;

	peer_get_live(&live);
	if (live.contexts || live.pds || live.mrs || live.channels || live.cqs || live.qps ||
	    live.ids) {
		fprintf(stderr,
			"left: contexts %d pds %d mrs %d channels %d cqs %d qps %d ids %d\n",
			live.contexts, live.pds, live.mrs, live.channels, live.cqs, live.qps,
			live.ids);
		exit(3);
	}
	/* One that has been joined is listed for a moment more. */
	for (int i = 0; i < 1000 && module_threads(); i++)
		nap(10000);
	must(!module_threads());
	must(!peer_control->violations);
}

static void run_all(void)
{
	pthread_t nic, bystander, dog, worker[WORKERS];
	struct peer other, first;

	peer_open(&other, peer_shape_find("recv-wr"), "192.0.2.8");
	/* A first QP of QEMU's shape, for the device's table to be patched: the macros of verbs.h
	 * read it without any order. */
	peer_open(&first, &peer_shapes[0], "192.0.2.9");
	peer_close(&first);
	must(!fault_own_thread(&nic, run_nic, NULL));
	must(!fault_own_thread(&bystander, run_bystander, &other));
	must(!fault_own_thread(&dog, watch, NULL));
	for (unsigned int i = 0; i < workers; i++)
		must(!fault_own_thread(&worker[i], run_worker, (void *)(uintptr_t)i));
	for (unsigned int i = 0; i < workers; i++)
		pthread_join(worker[i], NULL);
	set(&stop_all);
	pthread_join(nic, NULL);
	pthread_join(bystander, NULL);
	pthread_join(dog, NULL);
	peer_close(&other);
}

int main(int argc, char **argv)
{
	if (argc != 5) {
		fprintf(stderr, "usage: stress COUNT SEED WORKERS THREADS\n");
		return 2;
	}
	count = (unsigned int)atoi(argv[1]);
	seed = strtoull(argv[2], NULL, 0);
	workers = (unsigned int)atoi(argv[3]);
	must(workers && workers <= WORKERS);
	faults = calloc(count, sizeof(*faults));
	must(faults);
	peer_find_fake();
	must(peer_control);
	peer_control->page_version = guest_page_version;
	fault_begin((unsigned int)atoi(argv[4]));
	run_all();
	must_be_gone();
	free(faults);
	printf("complete %u failed %u cancelled %u sessions %u\n", totals[0], totals[1], totals[2],
	       sessions);
	return 0;
}
