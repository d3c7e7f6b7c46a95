/* SPDX-License-Identifier: GPL-2.0-or-later */

/*
 * What each verb that the shim hooks costs in this process, which has the module
 * preloaded or not: a line "VERB OBJECT NANOSECONDS" for each, the object being
 * "untracked" or "tracked", or "idle" where there is no migration yet. Run on the libibverbs of
 * tests/preload; run-hooks compares. With "calls" as an argument it counts instead, with the help
 * of the module in calls.c.
 */
#include <dlfcn.h>
#include <string.h>
#include <time.h>

#include "bench.h"

#undef ibv_reg_mr

#define ADDRESS	 "127.0.0.1"
#define READINGS 5

static double now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

/* Nanoseconds for a call, with what looking at the clock takes in them. */
static double reading(const struct bench_case *c, struct subject *s)
{
	double sum = 0, start;

	for (unsigned int i = 0; i < c->repeats; i++) {
		if (c->prepare)
			c->prepare(s, c->calls);
		start = now_ns();
		c->run(s, c->calls);
		sum += now_ns() - start;
		if (c->finish)
			c->finish(s, c->calls);
	}
	return sum / c->repeats / c->calls;
}

/* Whatever else the machine does only adds: the quickest reading is the verb's. */
static double quickest(const struct bench_case *c, struct subject *s)
{
	double best = reading(c, s);

	for (int i = 1; i < READINGS; i++) {
		double again = reading(c, s);

		if (again < best)
			best = again;
	}
	return best;
}

static void nothing(struct subject *s, unsigned int calls)
{
	(void)s;
	(void)calls;
}

static const struct bench_case clock_case = {.calls = 1, .repeats = 10000, .run = nothing};

static void measure_idle(const struct bench_case *cases, struct subject *s)
{
	double clock = quickest(&clock_case, s);

	for (const struct bench_case *c = cases; c->verb; c++)
		printf("%s idle %.2f\n", c->verb, quickest(c, s) - clock / c->calls);
}

static void measure(const struct bench_case *cases, struct subject *untracked,
		    struct subject *tracked)
{
	double clock = quickest(&clock_case, untracked);

	for (const struct bench_case *c = cases; c->verb; c++) {
		printf("%s untracked %.2f\n", c->verb, quickest(c, untracked) - clock / c->calls);
		if (!c->untracked_only)
			printf("%s tracked %.2f\n", c->verb,
			       quickest(c, tracked) - clock / c->calls);
	}
}

/* A QP that is not QEMU's, and memory of its own; before any that is. */
static void open_untracked(struct subject *s, struct peer *peer)
{
	struct ibv_mr *mr;

	s->shape = peer_shape_find("send-wr");
	s->peer = peer;
	peer_open(peer, s->shape, ADDRESS);
	datapath_prepare(peer->id->verbs);
	s->memory = calloc(MIGRATION_CHUNKS, MIGRATION_CHUNK);
	must(s->memory);
	mr = ibv_reg_mr(peer->pd, s->memory, MIGRATION_CHUNK, 0);
	must(mr);
	s->lkey = mr->lkey;
	s->remote = migration_remote(0);
	s->rkey = 1;
}

/* A migration's source that has sent one chunk. */
static void open_tracked(struct subject *s, struct migration *m)
{
	struct ibv_mr *mr;

	s->tracked = true;
	s->shape = peer_shape_find("qemu");
	migration_open(m, ADDRESS);
	mr = migration_send_chunk(m, 0, &s->rkey);
	migration_take_ready(m);
	s->peer = &m->peer;
	s->memory = m->block;
	s->remote = migration_remote(0);
	s->lkey = mr->lkey;
}

static void drop_qp(struct subject *s, struct peer *peer, const struct subject *like)
{
	*s = (struct subject){.tracked = like->tracked, .shape = like->shape, .peer = peer};
	peer_open(peer, like->shape, ADDRESS);
	rdma_destroy_qp(peer->id);
}

/* Locks and allocations, first of polls that find nothing, then of a write, to see that it counts.
 */
static int count_calls(struct subject *untracked, struct subject *tracked)
{
	const unsigned long *calls = dlsym(RTLD_DEFAULT, "calls_counted");
	struct ibv_mr mr = {.addr = tracked->memory, .lkey = tracked->lkey};
	unsigned long before, idle;

	if (!calls) {
		printf("FAIL the counting module is not preloaded\n");
		return 1;
	}
	datapath_begin_idle(untracked, 0);
	before = *calls;
	datapath_poll_nothing(untracked, 1000);
	datapath_poll_nothing(tracked, 1000);
	idle = *calls - before;
	datapath_end_idle(untracked, 0);
	must(!peer_post_write(tracked->peer, &mr, 4096, tracked->remote, tracked->rkey));
	printf("%lu %lu\n", idle, *calls - before - idle);
	return 0;
}

int main(int argc, char **argv)
{
	struct subject untracked = {0}, tracked = {0}, bare_untracked, bare_tracked;
	struct peer other, bare[2];
	struct migration migration;

	peer_find_fake();
	must(peer_deliver);
	open_untracked(&untracked, &other);
	if (argc < 2)
		measure_idle(discard_cases, &untracked);
	open_tracked(&tracked, &migration);
	if (argc > 1 && !strcmp(argv[1], "calls"))
		return count_calls(&untracked, &tracked);
	measure(datapath_cases, &untracked, &tracked);
	measure(memory_cases, &untracked, &tracked);
	measure(discard_cases, &untracked, &tracked);
	drop_qp(&bare_untracked, &bare[0], &untracked);
	drop_qp(&bare_tracked, &bare[1], &tracked);
	measure(connection_cases, &bare_untracked, &bare_tracked);
	return 0;
}
