/* SPDX-License-Identifier: GPL-2.0-or-later */

/*
 * A source's connection with guests that are too large for a test to have: "scale TIB SHIFT". QEMU,
 * the NIC, the other end and the guest's memory are as simple as can be; the core is the real one.
 * All chunks are sent once, and ten times more those that the guest has written to again: of a
 * large guest a million at a time. Three lines, each "ok" or "FAIL": processor time for a chunk,
 * events that take long, memory for a chunk. What ends the connection for good, conn_free(), is no
 * event: the guest runs elsewhere by then.
 */
#include <errno.h>
#include <malloc.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/conn.h"
#include "core/verbs_values.h"
#include "engine/handle.h"
#include "message.h"
#include "random.h"
#include "util/pool.h"

#define MIB    (UINT64_C(1) << 20)
#define LOCAL  (UINT64_C(1) << 45)
#define REMOTE (UINT64_C(1) << 46)

/* migration/rdma.c: RDMA_WRID_*, and which RECV is for what. */
#define WRID_WRITE 1
#define WRID_SEND  2000
#define WRID_RECV  4000
#define RECV_READY 0
#define RECV_DATA  1

#define PASSES 11
/* Chunks of a pass after the first, about. */
#define DIRTY_CHUNKS (1 << 20)

#define SMALL_BLOCKS 15 /* of ROMs and devices; the last block is the guest's RAM */
#define SMALL_LENGTH (2 * MIB)
#define QUEUE	     4096
#define SLOW_MAX     100000
#define RUNS	     3
#define NIC_BEHIND   2 /* completions */

/* Before this pass, one chunk of so many has been. */
#define DISCARD_PASS 5
#define DISCARDED    64

/* An adapter of 100 Gbit/s: a WRITE of a MiB, a message, a registration and a page of it. */
#define WRITE_NS   84000
#define MESSAGE_NS 50000
#define REG_NS	   50000
#define PAGE_NS	   1

#define LIMIT_CPU_NS   2000
#define LIMIT_EVENT_NS 50000
#define LIMIT_BYTES    150

typedef unsigned long long ull;

/* As large as a handle of the engine's. */
struct handle {
	struct mr *mr;
	char rest[HANDLE_BYTES - sizeof(struct mr *)];
};

/* An event that took longer than it may. */
struct slow {
	uint64_t event, ns;
};

/* What happened in a run. */
struct account {
	uint64_t events;
	uint64_t cpu_ns;   /* of all of it */
	uint64_t first_ns; /* of the first pass */
	uint64_t first_chunks;
	uint64_t registered, made;
	uint64_t chunks; /* that were sent, each time counted */
	uint64_t renewed;
	struct slow slow[SLOW_MAX];
	unsigned int slow_count;
	size_t bytes; /* of memory, in the end */
};

struct bench {
	struct conn *conn;
	struct pool handles;
	uint64_t length; /* of the guest's RAM */
	uint64_t chunks;
	struct handle **handle; /* QEMU's, by chunk; NULL for what is all zeros */
	uint64_t next_lkey;
	unsigned int waiting; /* WRITEs that QEMU has not been told of */
	bool ready;	      /* the other end is, for the next message */
	/* The NIC's. */
	struct completion done[QUEUE];
	uint64_t done_head, done_tail;
	struct conn_recv recv[QUEUE];
	uint64_t recv_head, recv_tail;
	struct message incoming[QUEUE];
	uint64_t in_after[QUEUE]; /* what was asked for went behind so many completions */
	uint64_t in_head, in_tail;
	uint64_t now; /* ns: an adapter's time, not ours */
	uint8_t own[POSTING_MEMORY_LEN];
	uint8_t buffer[2][1024];
	uint8_t message[256]; /* that QEMU sends */
	struct account *account;
	uint64_t began; /* the event */
};

static void fatal(const char *what)
{
	fprintf(stderr, "scale: %s\n", what);
	exit(2);
}

static void must(bool ok, const char *what)
{
	if (!ok)
		fatal(what);
}

static uint64_t now_ns(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

/* One call of QEMU's has returned: what it had core do, and what this program did meanwhile. */
static void event(struct bench *b)
{
	uint64_t now = now_ns(CLOCK_MONOTONIC), took = now - b->began;
	struct account *a = b->account;

	if (took > LIMIT_EVENT_NS) {
		must(a->slow_count < SLOW_MAX, "the machine is too busy for this");
		a->slow[a->slow_count++] = (struct slow){a->events, took};
	}
	a->events++;
	b->began = now;
}

/* ---- The guest, and its registrations ---- */

/* One chunk in ten has nothing but zeros, and they lie together in some places. */
static bool chunk_has_data(uint64_t chunk)
{
	struct random r = {chunk / 8};

	return random_next(&r) % 10 != 0;
}

static bool has_data(void *context, uint64_t addr, uint64_t length, uint64_t *budget)
{
	(void)context;
	(void)length;
	(void)budget;
	return addr < LOCAL || chunk_has_data((addr - LOCAL) / MIB);
}

static int reg(void *context, uint64_t addr, uint64_t length, int access, struct mrs_real *real)
{
	struct bench *b = context;

	(void)addr;
	(void)length;
	(void)access;
	b->next_lkey++;
	*real = (struct mrs_real){(void *)(uintptr_t)b->next_lkey, (uint32_t)b->next_lkey};
	return 0;
}

static void dereg(void *context, void *real)
{
	(void)context;
	(void)real;
}

static int watch(void *context, struct ram_blocks *blocks, struct ram_block *block)
{
	(void)context;
	(void)blocks;
	must(!discard_map_init(&block->discards, block->length), "no memory");
	block->watched = true;
	return 0;
}

/* ---- The other end ---- */

static void answer(struct bench *b, const void *data, size_t len)
{
	struct message *m = &b->incoming[b->in_tail++ % QUEUE];

	b->in_after[(b->in_tail - 1) % QUEUE] = b->done_tail;
	must(b->in_tail - b->in_head <= QUEUE && len <= sizeof(m->data), "too many messages");
	memcpy(m->data, data, len);
	m->len = len;
}

static void answer_blocks(struct bench *b)
{
	uint64_t offset = 0;
	struct message m;

	message_begin(&m, WIRE_RAM_BLOCKS_RESULT, 1);
	for (unsigned int i = 0; i <= SMALL_BLOCKS; i++) {
		uint64_t length = i < SMALL_BLOCKS ? SMALL_LENGTH : b->length;

		message_put_block(&m, REMOTE + offset, offset, length);
		offset += length;
	}
	answer(b, m.data, m.len);
}

static uint64_t ram_offset(void)
{
	return SMALL_BLOCKS * SMALL_LENGTH;
}

static void reply_to(struct bench *b, const void *msg, size_t len)
{
	const struct wire_result result = {.rkey = 1, .host_addr = REMOTE + ram_offset()};
	uint8_t own[64] = {0};
	struct wire_header header;

	must(!wire_parse_header(msg, len, &header), "a message that is none");
	if (header.type == WIRE_RAM_BLOCKS_REQUEST)
		answer_blocks(b);
	else if (header.type == WIRE_REGISTER_REQUEST)
		answer(b, own, wire_build_register_result(own, &result));
	answer(b, own, wire_build_empty(own, WIRE_READY));
}

/* ---- What core has done ---- */

static void post(struct bench *b, const struct conn_action *a, struct conn_result *result)
{
	for (; result->posted < a->post.count; result->posted++) {
		const struct conn_send *wr = &a->post.wr[result->posted];

		if (wr->message)
			reply_to(b, (const void *)(uintptr_t)wr->addr, wr->length);
		if (!wr->signaled)
			continue;
		b->done[b->done_tail++ % QUEUE] = (struct completion){
			.wr_id = wr->wr_id,
			.opcode = wr->message ? VERBS_WC_SEND : VERBS_WC_RDMA_WRITE,
		};
		must(b->done_tail - b->done_head <= QUEUE, "too many completions");
	}
}

/* What that takes, in ns. */
static uint64_t reg_ahead(struct bench *b, const struct conn_action *a, struct mrs_real *mr)
{
	reg(b, a->memory.addr, a->memory.length, a->memory.access, mr);
	return REG_NS + a->memory.length / 4096 * PAGE_NS;
}

static void perform(struct bench *b, unsigned int kinds)
{
	struct conn_result result;
	struct conn_action a;

	while (conn_next(b->conn, kinds, &a)) {
		memset(&result, 0, sizeof(result));
		if (a.kind == CONN_POST_RECV)
			b->recv[b->recv_tail++ % QUEUE] = a.recv;
		else if (a.kind == CONN_POST_MESSAGE || a.kind == CONN_POST_WRITES)
			post(b, &a, &result);
		else if (a.kind == CONN_SCAN)
			result.found = prefetch_find(&a.scan);
		else if (a.kind == CONN_REGISTER)
			result.ns = reg_ahead(b, &a, &result.mr);
		else
			must(a.kind == CONN_DEREGISTER, "the connection fails");
		conn_done(b->conn, &a, &result);
	}
}

/* As driver_run(): what the engine's threads do is asked for when there is any. */
static void run(struct bench *b)
{
	const unsigned int ahead = CONN_KIND(CONN_SCAN) | CONN_KIND(CONN_REGISTER);
	const unsigned int now = CONN_ALL_KINDS & ~(ahead | CONN_KIND(CONN_LISTEN));

	perform(b, now);
	while (conn_has(b->conn, ahead)) {
		perform(b, ahead);
		perform(b, now);
	}
}

/* The NIC's next completion. False when it has nothing to do. */
static bool nic_step(struct bench *b)
{
	struct completion wc = {.opcode = VERBS_WC_RECV};
	const struct conn_recv *recv;
	const struct message *m;

	if (b->in_head < b->in_tail && b->recv_head < b->recv_tail &&
	    b->in_after[b->in_head % QUEUE] <= b->done_head) {
		m = &b->incoming[b->in_head++ % QUEUE];
		recv = &b->recv[b->recv_head++ % QUEUE];
		memcpy((void *)(uintptr_t)recv->addr, m->data, m->len);
		wc.wr_id = recv->wr_id;
		wc.byte_len = (uint32_t)m->len;
		b->now += MESSAGE_NS;
	} else if (b->done_head < b->done_tail) {
		wc = b->done[b->done_head++ % QUEUE];
		b->now += WRITE_NS;
	} else {
		return false;
	}
	conn_time(b->conn, b->now);
	conn_completed(b->conn, &wc);
	run(b);
	return true;
}

/* ---- QEMU ---- */

/* As ibv_poll_cq() of this CQ: one completion. */
static bool poll_one(struct bench *b, enum conn_cq cq, struct completion *wc)
{
	conn_polls(b->conn, cq);
	while (!conn_take_due(b->conn, cq, wc, 1)) {
		run(b);
		if (!nic_step(b))
			return false;
	}
	run(b);
	must(wc->status == VERBS_WC_SUCCESS, "a completion with an error");
	if (wc->opcode == VERBS_WC_RDMA_WRITE)
		b->waiting--;
	if (wc->wr_id == WRID_RECV + RECV_READY)
		b->ready = true;
	return true;
}

static void wait_for(struct bench *b, enum conn_cq cq, uint64_t wr_id)
{
	struct completion wc;

	do {
		while (!poll_one(b, cq, &wc)) {
			conn_arm(b->conn, cq);
			run(b);
			must(conn_count_due(b->conn, cq) || b->done_head < b->done_tail ||
				     b->in_head < b->in_tail,
			     "QEMU waits for ever");
		}
	} while (wc.wr_id != wr_id);
}

static void post_recv(struct bench *b, unsigned int which)
{
	const struct recv_request request = {
		.wr_id = WRID_RECV + which,
		.addr = b->buffer[which],
		.length = sizeof(b->buffer[which]),
	};

	must(!conn_post_recv(b->conn, &request), "a RECV is refused");
	run(b);
}

/* qemu_rdma_exchange_send() */
static void exchange(struct bench *b, size_t len, bool answered)
{
	struct conn_wr wr = {
		.wr_id = WRID_SEND,
		.message = true,
		.data = b->message,
		.local_addr = (uintptr_t)b->message,
		.length = len,
	};

	if (!b->ready)
		wait_for(b, CONN_RECV_CQ, WRID_RECV + RECV_READY);
	b->ready = false;
	if (answered)
		post_recv(b, RECV_DATA);
	post_recv(b, RECV_READY);
	must(!conn_post_send(b->conn, &wr), "a SEND is refused");
	run(b);
	wait_for(b, CONN_SEND_CQ, WRID_SEND);
	if (answered)
		wait_for(b, CONN_RECV_CQ, WRID_RECV + RECV_DATA);
}

static void register_chunk(struct bench *b, uint64_t chunk)
{
	struct conn_registration want = {.addr = LOCAL + chunk * MIB, .length = MIB, .access = 1};
	const struct wire_register request = {
		.addr = ram_offset() + chunk * MIB,
		.block = SMALL_BLOCKS,
	};
	struct mr *mr = NULL;

	exchange(b, wire_build_register_request(b->message, &request), true);
	event(b);
	must(!conn_register(b->conn, &want, &mr), "a registration is refused");
	run(b);
	b->handle[chunk] = pool_take(&b->handles);
	must(mr && b->handle[chunk], "no handle");
	b->handle[chunk]->mr = mr;
	event(b);
}

static void compress(struct bench *b, uint64_t chunk)
{
	const struct wire_compress zeros = {
		.block = SMALL_BLOCKS,
		.addr = ram_offset() + chunk * MIB,
		.length = MIB,
	};

	exchange(b, wire_build_compress(b->message, &zeros), false);
	event(b);
}

static void write_chunk(struct bench *b, uint64_t chunk)
{
	struct conn_wr wr = {
		.wr_id = WRID_WRITE | chunk << 30,
		.length = MIB,
		.local_addr = LOCAL + chunk * MIB,
		.remote_addr = REMOTE + ram_offset() + chunk * MIB,
		.lkey = b->handle[chunk]->mr->real.lkey,
		.rkey = 1,
	};
	struct completion wc;
	int ret;

	while ((ret = conn_post_send(b->conn, &wr))) {
		must(ret == CONN_AGAIN || ret == -ENOMEM, "a WRITE is refused");
		run(b);
		if (!poll_one(b, CONN_SEND_CQ, &wc))
			conn_arm(b->conn, CONN_SEND_CQ);
	}
	b->waiting++;
	run(b);
	/* qemu_rdma_save_page() polls after each page. The NIC is a little behind. */
	while (b->done_tail - b->done_head > NIC_BEHIND)
		nic_step(b);
	while (conn_count_due(b->conn, CONN_RECV_CQ) && poll_one(b, CONN_RECV_CQ, &wc))
		;
	while (conn_count_due(b->conn, CONN_SEND_CQ) && poll_one(b, CONN_SEND_CQ, &wc))
		;
	event(b);
}

/* qemu_rdma_registration_stop() */
static void stop(struct bench *b)
{
	struct completion wc;

	while (b->waiting)
		if (!poll_one(b, CONN_SEND_CQ, &wc))
			conn_arm(b->conn, CONN_SEND_CQ);
	exchange(b, wire_build_empty(b->message, WIRE_REGISTER_FINISHED), false);
	event(b);
}

/* The guest has written to so much of a large one since the pass before. */
static unsigned int parts(const struct bench *b)
{
	return (unsigned int)((b->chunks + DIRTY_CHUNKS - 1) / DIRTY_CHUNKS);
}

static void pass(struct bench *b, unsigned int n)
{
	for (uint64_t chunk = 0; chunk < b->chunks; chunk++) {
		/* Here and there, all over the guest. */
		if (n && chunk / 64 % parts(b) != n % parts(b))
			continue;
		if (!chunk_has_data(chunk)) {
			compress(b, chunk);
		} else {
			if (!b->handle[chunk])
				register_chunk(b, chunk);
			write_chunk(b, chunk);
		}
		/* ram_save_iterate() goes on for 50 ms. */
		if (++b->account->chunks % 4096 == 0)
			stop(b);
	}
	stop(b);
}

/* The guest gives back memory all over the place, and uses it again. */
static void discard(struct bench *b)
{
	struct ram_blocks *blocks = conn_blocks(b->conn);
	struct random r = {7};

	for (uint64_t n = 0; n < b->chunks / DISCARDED; n++) {
		uint64_t at = random_below(&r, b->chunks) * MIB;

		ram_blocks_discard(blocks, &blocks->block[SMALL_BLOCKS],
				   (struct range){at, at + MIB});
		event(b);
	}
}

static size_t memory_used(void)
{
	struct mallinfo2 info = mallinfo2();

	return info.uordblks + info.hblkhd;
}

static void start(struct bench *b, unsigned int shift)
{
	const struct conn_options options = {
		.shift = shift,
		.writes = true,
		.zeros = true,
		.prefetch = true,
		.memory = {.has_data = has_data, .context = b},
		.mrs = {.reg = reg, .dereg = dereg, .watch = watch, .context = b},
	};

	b->conn = conn_new(&options);
	must(b->conn, "no memory");
	conn_set_role(b->conn, CONN_SOURCE);
	post_recv(b, RECV_READY);
	conn_take_over(b->conn, b->own, 1);
	run(b);
	conn_start(b->conn, UINT64_C(1) << 31);
	run(b);
	answer(b, b->message, wire_build_empty(b->message, WIRE_READY));
	b->began = now_ns(CLOCK_MONOTONIC);
	exchange(b, wire_build_empty(b->message, WIRE_RAM_BLOCKS_REQUEST), true);
	event(b);
}

/* QEMU deregisters its chunks, and destroys the QP. */
static void end(struct bench *b)
{
	struct handle was;

	for (uint64_t chunk = 0; chunk < b->chunks; chunk++) {
		if (!b->handle[chunk])
			continue;
		must(pool_give(&b->handles, b->handle[chunk], &was), "no handle");
		mrs_put(was.mr);
		event(b);
	}
	while (conn_end(b->conn))
		event(b);
	conn_free(b->conn);
}

static void measure(struct account *a, uint64_t tib, unsigned int shift)
{
	static struct bench bench;
	struct bench *b = &bench;
	struct conn_figures figures;
	uint64_t began;
	size_t before;

	memset(b, 0, sizeof(*b));
	memset(a, 0, sizeof(*a));
	*b = (struct bench){
		.handles = POOL_OF(struct handle),
		.length = tib << 40,
		.chunks = (tib << 40) / MIB,
		.account = a,
	};
	b->handle = calloc(b->chunks, sizeof(struct handle *));
	must(b->handle, "no memory");
	before = memory_used();
	start(b, shift);
	began = now_ns(CLOCK_THREAD_CPUTIME_ID);
	for (unsigned int n = 0; n < PASSES; n++) {
		if (n == DISCARD_PASS)
			discard(b);
		pass(b, n);
		if (n)
			continue;
		a->first_ns = now_ns(CLOCK_THREAD_CPUTIME_ID) - began;
		a->first_chunks = a->chunks;
	}
	a->cpu_ns = now_ns(CLOCK_THREAD_CPUTIME_ID) - began;
	a->bytes = memory_used() - before;
	conn_figures(b->conn, &figures);
	a->registered = figures.mrs.asked;
	a->renewed = figures.mrs.renewed;
	a->made = figures.mrs.made;
	end(b);
	free(b->handle);
}

static bool is_quick(const struct account *a)
{
	return a->cpu_ns <= LIMIT_CPU_NS * a->chunks &&
	       a->first_ns <= LIMIT_CPU_NS * a->first_chunks;
}

/*
 * Both were the same migration: the first gets the events that took long in both, each as long as
 * in the quicker one, and the times of the quicker one.
 */
static void keep_common(struct account *a, const struct account *again)
{
	unsigned int kept = 0, n = 0;

	if (again->cpu_ns < a->cpu_ns)
		a->cpu_ns = again->cpu_ns;
	if (again->first_ns < a->first_ns)
		a->first_ns = again->first_ns;

	for (unsigned int i = 0; i < a->slow_count; i++) {
		while (n < again->slow_count && again->slow[n].event < a->slow[i].event)
			n++;
		if (n == again->slow_count || again->slow[n].event != a->slow[i].event)
			continue;
		a->slow[kept] = a->slow[i];
		if (again->slow[n].ns < a->slow[kept].ns)
			a->slow[kept] = again->slow[n];
		kept++;
	}
	a->slow_count = kept;
}

static bool verdict(bool ok, const char *format, ...)
{
	va_list args;

	fputs(ok ? "ok   " : "FAIL ", stdout);
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	putchar('\n');
	fflush(stdout);
	return ok;
}

static void describe(const struct account *a, uint64_t tib, unsigned int shift)
{
	printf("%llu TiB, regions of 2^%u bytes: %llu chunks sent in the first pass, %llu in each of %u "
	       "more\n",
	       (ull)tib, shift, (ull)a->first_chunks,
	       (ull)((a->chunks - a->first_chunks) / (PASSES - 1)), (unsigned int)PASSES - 1);
	printf("     %llu chunks registered, %llu MRs made, %llu of them after discards\n",
	       (ull)a->registered, (ull)a->made, (ull)a->renewed);
}

int main(int argc, char **argv)
{
	static struct account first, again;
	unsigned int shift, slow;
	uint64_t tib;
	bool ok;

	/* glibc puts the small ones that were freed together once in a while: a millisecond of its
	 * own. */
	mallopt(M_MXFAST, 0);
	must(argc == 3, "usage: scale TIB SHIFT");
	tib = strtoull(argv[1], NULL, 10);
	shift = (unsigned int)strtoul(argv[2], NULL, 10);
	must(tib > 0 && tib <= 16 && shift >= 20 && shift <= 40, "no such guest");
	measure(&first, tib, shift);
	slow = first.slow_count;
	for (unsigned int n = 1; n < RUNS && (first.slow_count || !is_quick(&first)); n++) {
		measure(&again, tib, shift);
		keep_common(&first, &again);
	}
	describe(&first, tib, shift);
	/* The machine has other things to do as well, and that only adds. */
	ok = verdict(is_quick(&first),
		     "%.2f us of processor time for a chunk, %.2f in the first pass (limit %.0f)",
		     (double)first.cpu_ns / (double)first.chunks / 1e3,
		     (double)first.first_ns / (double)first.first_chunks / 1e3, LIMIT_CPU_NS / 1e3);
	/* It never has at the same event. */
	ok &= verdict(!first.slow_count,
		      "%u of %llu events took over %.0f us, %u in each of %u runs", slow,
		      (ull)first.events, LIMIT_EVENT_NS / 1e3, first.slow_count, RUNS);
	for (unsigned int n = 0; n < first.slow_count && n < 20; n++)
		printf("     event %llu: %.0f us\n", (ull)first.slow[n].event,
		       (double)first.slow[n].ns / 1e3);
	ok &= verdict(first.bytes <= LIMIT_BYTES * first.registered,
		      "%.1f bytes of memory for a chunk (limit %u)",
		      (double)first.bytes / (double)first.registered, LIMIT_BYTES);
	return ok ? 0 : 1;
}
