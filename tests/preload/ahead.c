/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "ahead.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "ahead_block.h"
#include "ahead_destination.h"
#include "wait.h"

#undef ibv_reg_mr

/*
 * Where the data is, as much as the first piece has: how much a later one has depends on how long
 * this one took. QEMU writes chunks 0 and 1, behind which there is none for a while: they are
 * registered alone.
 */
#define DATA_CHUNK 40u
#define PIECE	   (4 * MIB)

struct run {
	struct migration m;
	struct ibv_mr *mr[LENGTH / MIB];
	unsigned int count; /* chunks that QEMU has written */
	int base;	    /* MRs before the first of guest memory */
};

/* The one that writes statistics has nothing to do with registrations. */
static bool writes_file(const char *task)
{
	char path[64], name[32] = "";
	FILE *f;

	snprintf(path, sizeof(path), "/proc/self/task/%.20s/comm", task);
	f = fopen(path, "re");
	if (!f)
		return false;
	if (!fgets(name, sizeof(name), f))
		name[0] = '\0';
	fclose(f);
	return !strcmp(name, "rdmachunk-file\n");
}

unsigned int ahead_threads(void)
{
	DIR *dir = opendir("/proc/self/task");
	unsigned int n = 0;

	must(dir);
	for (struct dirent *entry; (entry = readdir(dir));)
		n += entry->d_name[0] != '.' && !writes_file(entry->d_name);
	closedir(dir);
	return n;
}

static void write_chunk(struct run *r, unsigned int chunk)
{
	uint32_t rkey;

	must(r->count < LENGTH / MIB);
	r->mr[r->count++] = migration_send_chunk(&r->m, chunk, &rkey);
}

/*
 * QEMU has written two chunks, and may make the next request. The destination has answered so
 * many requests at most: the first two are QEMU's, and one made ahead may come at any time then.
 */
static void open_source(struct run *r, char *block, uint64_t length, unsigned int answers)
{
	memset(r, 0, sizeof(*r));
	migration_open_block(&r->m, "192.0.2.7", block, length);
	r->m.answers = answers;
	r->base = live_mrs();
	for (unsigned int chunk = 0; chunk < 2; chunk++)
		write_chunk(r, chunk);
	migration_take_ready(&r->m);
}

static bool request_ahead_came(struct run *r)
{
	migration_answer(&r->m);
	return r->m.requests == 3;
}

static void close_source(struct run *r)
{
	for (unsigned int i = 0; i < r->count; i++)
		must(!ibv_dereg_mr(r->mr[i]));
	peer_close(&r->m.peer);
	munmap(r->m.block, r->m.length);
}

/* A block with so much data from a chunk on: in the first page of each, which is looked at. */
static char *map_with_data(unsigned int chunk, uint64_t length)
{
	char *block = map(LENGTH);

	for (uint64_t at = 0; at < length; at += MIB)
		memset(block + chunk * MIB + at, 1, 4096);
	return block;
}

static void start(struct run *r)
{
	open_source(r, map_with_data(DATA_CHUNK, PIECE), LENGTH, UINT_MAX);
}

/* The registration ahead is under way. */
static void start_and_hold(struct run *r)
{
	int before = peer_control->reg_held;

	__atomic_store_n(&peer_control->reg_hold, PIECE, __ATOMIC_RELAXED);
	start(r);
	wait_for(request_ahead_came(r));
	wait_for(__atomic_load_n(&peer_control->reg_held, __ATOMIC_RELAXED) > before);
}

/* It is asked for, and registered here, before QEMU says a word of it. */
static int run_found(void)
{
	struct run r;

	start(&r);
	wait_for(request_ahead_came(&r));
	wait_for(live_mrs() == r.base + 3);
	write_chunk(&r, DATA_CHUNK);
	write_chunk(&r, DATA_CHUNK + 3);
	must(r.m.requests == 3 && live_mrs() == r.base + 3);
	must(r.mr[2]->lkey == r.mr[3]->lkey && r.mr[2]->lkey != r.mr[1]->lkey);
	migration_finish(&r.m);
	close_source(&r);
	puts("registered ahead");
	return 0;
}

/*
 * As much data as several pieces have: each that the destination is asked for is registered here
 * in one, whoever does it.
 */
static int run_pieces(void)
{
	struct run r;

	open_source(&r, map_with_data(DATA_CHUNK, LENGTH - DATA_CHUNK * MIB), LENGTH, UINT_MAX);
	/* What the first took is known when the second is planned. */
	wait_for(request_ahead_came(&r));
	for (unsigned int chunk = DATA_CHUNK; chunk < LENGTH / MIB; chunk++) {
		write_chunk(&r, chunk);
		migration_take_ready(&r.m);
	}
	must(live_mrs() == r.base + (int)r.m.requests);
	migration_finish(&r.m);
	close_source(&r);
	puts("in pieces");
	return 0;
}

/* So many registrations are under way. QEMU polls meanwhile, in vain. */
static bool are_held(struct run *r, int count)
{
	struct ibv_wc wc;

	migration_answer(&r->m);
	must(!peer_poll(r->m.peer.send_cq, &wc) && !peer_poll(r->m.peer.recv_cq, &wc));
	return __atomic_load_n(&peer_control->reg_held, __ATOMIC_RELAXED) >= count;
}

/* Two pieces have 4 MiB. What comes then is for two threads: neither ends before both have begun.
 */
static int run_threads(void)
{
	char *block = map_with_data(DATA_CHUNK, LENGTH - DATA_CHUNK * MIB);
	const unsigned int third = LENGTH / MIB - 16;
	int before = peer_control->reg_held;
	struct run r;

	peer_control->reg_hold_bytes = LENGTH - third * MIB;
	__atomic_store_n(&peer_control->reg_hold_at, block + third * MIB, __ATOMIC_RELEASE);
	open_source(&r, block, LENGTH, UINT_MAX);
	wait_for(request_ahead_came(&r));
	wait_for(live_mrs() == r.base + 3);
	for (unsigned int chunk = DATA_CHUNK; chunk < LENGTH / MIB; chunk++) {
		if (chunk == third) {
			wait_for(are_held(&r, before + 2));
			__atomic_store_n(&peer_control->reg_hold_at, NULL, __ATOMIC_RELEASE);
		}
		write_chunk(&r, chunk);
		migration_take_ready(&r.m);
	}
	migration_finish(&r.m);
	close_source(&r);
	puts("at the same time");
	return 0;
}

/* QEMU asks for memory that nobody has asked for. The destination does not answer for a while;
 * this end need not wait for that to register it. */
static void ask_unanswered(struct run *r)
{
	memset(r, 0, sizeof(*r));
	migration_open_block(&r->m, "192.0.2.7", map_with_data(1, 3 * MIB), LENGTH);
	r->base = live_mrs();
	write_chunk(r, 0);
	migration_request(&r->m, 1);
	wait_for(live_mrs() == r->base + 2);
	must(r->m.requests == 1);
}

static int run_both_ends_at_once(void)
{
	uint32_t rkey;
	struct run r;

	ask_unanswered(&r);
	migration_answer(&r.m);
	must(r.m.requests == 2);
	r.mr[r.count++] = migration_send_requested(&r.m, 1, &rkey);
	write_chunk(&r, 3);
	must(r.m.requests == 2 && live_mrs() == r.base + 2);
	must(r.mr[1]->lkey == r.mr[2]->lkey && r.mr[1]->lkey != r.mr[0]->lkey);
	migration_finish(&r.m);
	close_source(&r);
	puts("at once");
	return 0;
}

/*
 * QEMU has been through the block when two chunks get data, with one between them that has none. It
 * asks for the first; the other is asked for, and registered here, before QEMU says a word of it.
 */
static int run_later_pass(void)
{
	unsigned int requests;
	struct run r;

	open_source(&r, map(LENGTH), LENGTH, UINT_MAX);
	write_chunk(&r, LENGTH / MIB - 1);
	migration_take_ready(&r.m);
	write_chunk(&r, 2);
	migration_take_ready(&r.m);
	r.m.block[DATA_CHUNK * MIB] = 1;
	r.m.block[(DATA_CHUNK + 2) * MIB] = 1;
	requests = r.m.requests;
	write_chunk(&r, DATA_CHUNK);
	migration_take_ready(&r.m);
	wait_for((migration_answer(&r.m), r.m.requests == requests + 2));
	wait_for(live_mrs() == r.base + 6);
	write_chunk(&r, DATA_CHUNK + 2);
	must(r.m.requests == requests + 2 && live_mrs() == r.base + 6);
	migration_finish(&r.m);
	close_source(&r);
	puts("what follows");
	return 0;
}

/* Without a thread for it nothing can come later: there are this one, and the one that listens. */
static int run_none(void)
{
	unsigned int threads = 2;
	struct run r;

	/* More than a piece: the size of those does not matter without prefetch. */
	open_source(&r, map_with_data(DATA_CHUNK, 2 * PIECE), LENGTH, UINT_MAX);
	/* A new thread has its creator's name at first. */
	wait_for(ahead_threads() == threads);
	write_chunk(&r, DATA_CHUNK);
	must(ahead_threads() == threads);
	migration_finish(&r.m);
	printf("requests %u mrs %d\n", r.m.requests, live_mrs() - r.base);
	close_source(&r);
	return 0;
}

/* The registration ahead fails for want of memory, QEMU's own with `limit` bytes at
 * most works: 0 for all. */
static int run_fails(size_t limit)
{
	struct run r;
	int before = peer_control->reg_failed;

	start_and_hold(&r);
	__atomic_store_n(&peer_control->reg_limit, PIECE / 2, __ATOMIC_RELAXED);
	__atomic_store_n(&peer_control->reg_hold, 0, __ATOMIC_RELEASE);
	wait_for(__atomic_load_n(&peer_control->reg_failed, __ATOMIC_RELAXED) > before);
	__atomic_store_n(&peer_control->reg_limit, limit, __ATOMIC_RELAXED);
	must(live_mrs() == r.base + 2);
	write_chunk(&r, DATA_CHUNK);
	must(r.m.requests == 3 && live_mrs() == r.base + 3);
	migration_finish(&r.m);
	close_source(&r);
	__atomic_store_n(&peer_control->reg_limit, 0, __ATOMIC_RELAXED);
	puts("went on");
	return 0;
}

static int run_fails_once(void)
{
	return run_fails(0);
}

static int run_fails_always(void)
{
	return run_fails(MIB);
}

struct helper {
	struct run *r;
	pid_t tid; /* 0 until it runs */
	bool done;
};

static bool sleeps(const struct helper *h)
{
	char path[64], state = 0;
	pid_t tid = __atomic_load_n(&h->tid, __ATOMIC_ACQUIRE);
	FILE *f;

	if (!tid)
		return false;
	snprintf(path, sizeof(path), "/proc/self/task/%d/stat", (int)tid);
	f = fopen(path, "re");
	must(f);
	must(fscanf(f, "%*d (%*[^)]) %c", &state) == 1);
	fclose(f);
	return state == 'S';
}

static void *destroy(void *argument)
{
	struct helper *h = argument;

	__atomic_store_n(&h->tid, gettid(), __ATOMIC_RELEASE);
	rdma_destroy_qp(h->r->m.peer.id);
	__atomic_store_n(&h->done, true, __ATOMIC_RELEASE);
	return NULL;
}

static void *write_data(void *argument)
{
	struct helper *h = argument;

	__atomic_store_n(&h->tid, gettid(), __ATOMIC_RELEASE);
	write_chunk(h->r, DATA_CHUNK);
	__atomic_store_n(&h->done, true, __ATOMIC_RELEASE);
	return NULL;
}

/* Something happens while the registration ahead is under way, and waits for it. */
static void meanwhile(struct run *r, void *(*run)(void *argument))
{
	struct helper h = {.r = r};
	struct fake_live live;
	pthread_t thread;

	start_and_hold(r);
	must(!pthread_create(&thread, NULL, run, &h));
	wait_for(sleeps(&h));
	must(!__atomic_load_n(&h.done, __ATOMIC_ACQUIRE));
	peer_get_live(&live);
	must(live.qps == 1 && live.mrs == r->base + 2);
	__atomic_store_n(&peer_control->reg_hold, 0, __ATOMIC_RELEASE);
	must(!pthread_join(thread, NULL));
}

/* Far from the data. */
#define FAR_CHUNK 20u

static void *write_far(void *argument)
{
	struct helper *h = argument;

	__atomic_store_n(&peer_control->mr_limit, live_mrs() + 1, __ATOMIC_RELAXED);
	__atomic_store_n(&h->tid, gettid(), __ATOMIC_RELEASE);
	write_chunk(h->r, FAR_CHUNK);
	__atomic_store_n(&h->done, true, __ATOMIC_RELEASE);
	return NULL;
}

/* What is under way takes the room of a chunk of QEMU's, and has to give it back. */
static int run_room_under_way(void)
{
	struct run r;

	meanwhile(&r, write_far);
	must(live_mrs() == r.base + 3);
	__atomic_store_n(&peer_control->mr_limit, 0, __ATOMIC_RELAXED);
	write_chunk(&r, DATA_CHUNK + 3);
	must(live_mrs() == r.base + 4);
	migration_finish(&r.m);
	close_source(&r);
	must(!live_mrs());
	puts("made room");
	return 0;
}

static int run_destroyed(void)
{
	struct run r;

	meanwhile(&r, destroy);
	/* Of what was registered ahead nothing is left, of QEMU's own all. */
	must(live_mrs() == r.base + 1);
	close_source(&r);
	puts("destroyed");
	return 0;
}

static int run_awaited(void)
{
	struct run r;

	meanwhile(&r, write_data);
	must(r.m.requests == 3 && live_mrs() == r.base + 3);
	close_source(&r);
	puts("awaited");
	return 0;
}

/* Memory is discarded while it is being registered ahead: the MR may have the old page. */
static int run_discarded(void)
{
	struct run r;

	start_and_hold(&r);
	must(!madvise(r.m.block + DATA_CHUNK * MIB + MIB / 2, 4096, MADV_DONTNEED));
	__atomic_store_n(&peer_control->reg_hold, 0, __ATOMIC_RELEASE);
	wait_for(live_mrs() == r.base + 3);
	write_chunk(&r, DATA_CHUNK);
	write_chunk(&r, DATA_CHUNK + 1);
	must(r.m.requests == 3 && live_mrs() == r.base + 4);
	must(r.mr[2]->lkey != r.mr[3]->lkey);
	close_source(&r);
	puts("right");
	return 0;
}

/*
 * A gigabyte of which one page is there. The fake does not look at what is written,
 * for it keeps no log.
 */
#define SPARSE_LENGTH (1024 * MIB)
#define SPARSE_DATA   (60 * MIB)

static int run_sparse(void)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE), pages = SPARSE_LENGTH / page;
	unsigned char *resident = calloc(pages, 1);
	char *block = map(SPARSE_LENGTH);
	struct run r;

	unsetenv("FAKE_LOG");
	must(resident);
	/* A mapping of its own, so that no huge page is made for it. */
	must(!mprotect(block, SPARSE_LENGTH, PROT_READ));
	must(!mprotect(block + SPARSE_DATA, page, PROT_READ | PROT_WRITE));
	block[SPARSE_DATA + 17] = 1;
	must(!mprotect(block + SPARSE_DATA, page, PROT_READ));
	open_source(&r, block, SPARSE_LENGTH, UINT_MAX);
	/* It has looked at all before the page, and found that. */
	wait_for(request_ahead_came(&r));
	wait_for(live_mrs() == r.base + 3);
	must(!mincore(block, SPARSE_LENGTH, resident));
	for (size_t i = 0; i < pages; i++)
		must((resident[i] & 1) == (i == SPARSE_DATA / page));
	write_chunk(&r, SPARSE_DATA / MIB);
	must(r.m.requests == 3);
	close_source(&r);
	free(resident);
	puts("untouched");
	return 0;
}

/*
 * The destination answers what QEMU knows nothing of, and wrongly: QEMU, which may be asleep on the
 * other channel, has to wake.
 */
static int run_bad_result(void)
{
	struct ibv_wc wc;
	struct run r;

	/* Ours stays on the wire until it is answered badly. */
	open_source(&r, map_with_data(DATA_CHUNK, PIECE), LENGTH, 2);
	wait_for(migration_answer_badly(&r.m));
	/* Not a message for QEMU. Its RECVs are flushed, the send queue too. */
	must(!peer_poll(r.m.peer.recv_cq, &wc) || wc.status == IBV_WC_WR_FLUSH_ERR);
	must(peer_post_send(&r.m.peer, 16));
	close_source(&r);
	puts("failed");
	return 0;
}

/*
 * The poster finds the send queue full, and before it has the lock again QEMU has taken all
 * completions: nothing is on the wire any more that could tell of room, but there is room.
 */
static int fill_queue(int error)
{
	int writes = peer_control->writes, held = peer_control->send_held;
	struct migration m;
	struct ibv_mr *mr[3];
	struct ibv_wc wc;
	uint32_t rkey;

	migration_open(&m, "192.0.2.7");
	for (unsigned int i = 0; i < 2; i++)
		mr[i] = migration_send_chunk(&m, i, &rkey);
	wait_for(counted(&peer_control->writes) == writes + 2);
	__atomic_store_n(&peer_control->send_fails, error, __ATOMIC_RELAXED);
	__atomic_store_n(&peer_control->send_hold, 1, __ATOMIC_RELEASE);
	mr[2] = migration_send_chunk(&m, 2, &rkey);
	wait_for(counted(&peer_control->send_held) == held + 1);
	must(!peer_poll(m.peer.send_cq, &wc));
	__atomic_store_n(&peer_control->send_fails, 0, __ATOMIC_RELAXED);
	__atomic_store_n(&peer_control->send_hold, 0, __ATOMIC_RELEASE);
	wait_for(counted(&peer_control->writes) == writes + 3);
	migration_finish(&m);
	for (unsigned int i = 0; i < 3; i++)
		must(!ibv_dereg_mr(mr[i]));
	peer_close(&m.peer);
	munmap(m.block, m.length);
	puts("went on");
	return 0;
}

static int run_full(void)
{
	return fill_queue(ENOMEM);
}

static int run_full_negative(void)
{
	return fill_queue(-ENOMEM);
}

/* A migration of eight chunks with data; the requests it made. */
static unsigned int requests_to(const char *address)
{
	struct migration_counts counts = {0, 0};

	migration_source(address, false, &counts);
	return counts.requests;
}

/* The first chunk, four more, and three. Only if it took eight times as long as a piece should to
 * register the four are the three two pieces. */
static bool asks_for_more(const char *address)
{
	unsigned int requests = requests_to(address);

	return requests == 3 || requests == 4;
}

static void take_disconnection(struct run *r)
{
	struct rdma_cm_event *event;

	must(!rdma_get_cm_event(r->m.peer.events, &event));
	must(event->event == RDMA_CM_EVENT_DISCONNECTED && event->id == r->m.peer.id);
}

/* The destination is gone when it has been asked for four chunks, and not answered. */
static int run_refused(void)
{
	char msg[256];
	struct run r;

	/* Not while nothing is asked for. */
	start(&r);
	wait_for(request_ahead_came(&r));
	write_chunk(&r, DATA_CHUNK);
	take_disconnection(&r);
	close_source(&r);
	must(asks_for_more("192.0.2.7"));

	start(&r);
	wait_for(peer_take_sent(r.m.peer.id->qp, msg, sizeof(msg)) > 0);
	take_disconnection(&r);
	/* QEMU takes the connection down when it comes to it. */
	must(requests_to("192.0.2.7") == MIGRATION_CHUNKS);
	close_source(&r);
	must(requests_to("192.0.2.7") == MIGRATION_CHUNKS);
	/* Another peer has done nothing wrong. */
	must(asks_for_more("192.0.2.8"));
	puts("asked for less");
	return 0;
}

/* The same where QEMU has asked for the first of them, and waits. */
static int run_refused_while_held(void)
{
	struct run r;

	ask_unanswered(&r);
	take_disconnection(&r);
	close_source(&r);
	must(requests_to("192.0.2.7") == MIGRATION_CHUNKS);
	must(asks_for_more("192.0.2.8"));
	puts("asked for less");
	return 0;
}

static const struct {
	const char *name;
	int (*run)(void);
} cases[] = {
	{"found", run_found},
	{"pieces", run_pieces},
	{"threads", run_threads},
	{"both-ends-at-once", run_both_ends_at_once},
	{"later-pass", run_later_pass},
	{"none", run_none},
	{"fails-once", run_fails_once},
	{"fails-always", run_fails_always},
	{"destroyed", run_destroyed},
	{"discarded", run_discarded},
	{"awaited", run_awaited},
	{"destination", ahead_destination},
	{"disconnected", ahead_destination_disconnected},
	{"bad-result", run_bad_result},
	{"full", run_full},
	{"full-negative", run_full_negative},
	{"return-path", ahead_destination_return_path},
	{"refused", run_refused},
	{"refused-while-held", run_refused_while_held},
	{"room", ahead_destination_room},
	{"room-under-way", run_room_under_way},
	{"chunks-only", ahead_destination_chunks_only},
	{"sparse", run_sparse},
};

int ahead_run(char **args)
{
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		if (!strcmp(args[0], cases[i].name))
			return cases[i].run();
	fprintf(stderr, "no case %s\n", args[0]);
	return 2;
}

void ahead_round(int round)
{
	static int (*const rounds[])(void) = {run_found,   run_destroyed,     run_fails_once,
					      run_awaited, ahead_destination, run_both_ends_at_once,
					      run_pieces};

	rounds[(size_t)round % (sizeof(rounds) / sizeof(rounds[0]))]();
	/* One that has been joined is listed for a moment more. */
	wait_for(ahead_threads() == 1);
}
