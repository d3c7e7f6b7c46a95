/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "core/destination.h"
#include "core/prefetch.h"

#include "ahead.h"

/*
 * Both ends are preloaded, and may have several threads: what the source asks for decides how long
 * one request keeps QEMU's main loop at the destination, and whether that has registered ahead what
 * it is asked for then. Threads do not keep each other up.
 */

#define THREADS_MAX 8

/* Bytes a second on the wire, and what a page takes a thread; a registration has a cost of 200. */
static const struct {
	unsigned int threads;
	uint64_t page_ns;
	uint64_t wire;
} ends[] = {
	{8, 3000, UINT64_C(12500000000)},
	{4, 2000, UINT64_C(3000000000)},
};

#define ENDS (int)(sizeof(ends) / sizeof(ends[0]))

#define QUEUE_NS MS /* that a request waits for */

/* Runs of data, and what is between them. */
#define RAM (64 * GIB)
#define RUN (16 * GIB)
#define GAP GIB

static struct {
	bool works;
	uint64_t ends;
	struct range range;
} thread[THREADS_MAX];

static struct destination d;
static struct ram_block there;
static uint64_t now;
static unsigned int threads;
static uint64_t page_ns;

static void begin(int i)
{
	setup();
	threads = ends[i].threads;
	page_ns = ends[i].page_ns;
	block[0].length = RAM;
	blocks.new_bytes = 2 * RAM;
	for (uint64_t at = RUN; at <= RAM; at += RUN)
		fake_memory_hole(&memory, LOCAL + at - GAP, LOCAL + at);
	p.threads = threads;
	p.per_second = ends[i].wire;
	wire.per_second = ends[i].wire;
	memset(&d, 0, sizeof(d));
	memset(thread, 0, sizeof(thread));
	there = (struct ram_block){.length = RAM, .watched = true};
	now = 1000 * MS;
}

static void end(void)
{
	extent_map_clear(&there.local);
	teardown();
}

/* One thread for so many bytes. */
static uint64_t takes(uint64_t bytes)
{
	return (200 + bytes / 4096) * page_ns;
}

static void have(struct range range)
{
	ck_assert_int_eq(extent_map_insert(&there.local, range, 1), 0);
}

/* Those of the destination's threads that are free take what there is to register. */
static void take(void)
{
	for (unsigned int i = 0; i < threads; i++) {
		struct ram_block *where;
		struct range range;

		if (thread[i].works || !destination_prefetch(&d, threads, &where, &range))
			continue;
		destination_begins(&d, range);
		have(range);
		thread[i].works = true;
		thread[i].range = range;
		thread[i].ends = now + takes(range.end - range.start);
	}
}

/* The one that ends first; -1 when none works. */
static int first(void)
{
	int next = -1;

	for (unsigned int i = 0; i < threads; i++)
		if (thread[i].works && (next < 0 || thread[i].ends < thread[next].ends))
			next = (int)i;
	return next;
}

static void work_until(uint64_t time)
{
	int next;

	for (take(); (next = first()) >= 0 && thread[next].ends <= time; take()) {
		now = thread[next].ends;
		thread[next].works = false;
	}
	now = time;
}

/* QEMU at the destination registers `want`: how long that keeps its main loop. */
static uint64_t destination_registers(struct range want)
{
	uint64_t came = now, done = now;
	struct range gap;

	destination_asked(&d, &there, want);
	if (!extent_map_find(&there.local, want)) {
		/* By itself: nobody finds it where a part of it is registered. */
		if (extent_map_gap(&there.local, want, want, &gap))
			have(want);
		done += takes(want.end - want.start);
	}
	for (unsigned int i = 0; i < threads; i++)
		if (thread[i].works && range_contains(thread[i].range, want) &&
		    thread[i].ends > done)
			done = thread[i].ends;
	work_until(done);
	return done - came;
}

/* Here the threads share it, in parts of 4 MiB or more. */
static void source_registers(uint64_t bytes)
{
	uint64_t part = bytes / threads;

	prefetch_here(&p, bytes, takes(part < 4 * MIB ? 4 * MIB : part));
}

/* The next piece of a run; how long it keeps the destination. */
static uint64_t next_piece(void)
{
	uint64_t bytes, ns;

	plan();
	ck_assert(prefetch_ask(&p, &blocks, UINT64_MAX));
	bytes = p.asked.end - p.asked.start;
	prefetch_asked(&p, now, QUEUE_NS);
	work_until(now + QUEUE_NS);
	ns = destination_registers(p.asked);
	now += MS / 20;
	prefetch_measured(&p, bytes, now);
	prefetch_answered(&p, &blocks, 42);
	source_registers(bytes);
	prefetch_passed(&p, &blocks, 0, p.asked.end);
	return ns;
}

/* All data; the longest that one request kept the destination. */
static uint64_t all(void)
{
	uint64_t longest = 0;

	for (uint64_t at = 0; at < RAM; at += RUN) {
		prefetch_passed(&p, &blocks, 0, at ? at : MIB);
		while (p.position < at + RUN - GAP) {
			uint64_t ns = next_piece();

			longest = ns > longest ? ns : longest;
		}
	}
	return longest;
}

/* What was not registered ahead QEMU's main loop registers by itself, in one. */
START_TEST(no_request_keeps_the_destination_for_more_than_25_ms)
{
	begin(_i);
	ck_assert_uint_le(all(), PIECE_NS_MOST);
	end();
}
END_TEST

/* By several threads, then; and a part of a twentieth is in vain. */
START_TEST(what_is_registered_ahead_is_asked_for)
{
	begin(_i);
	all();
	ck_assert_uint_le(now, takes(RAM) / 2);
	ck_assert_uint_le(d.unasked, GIB);
	end();
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("ahead_both");
	TCase *both = tcase_create("both");

	tcase_add_loop_test(both, no_request_keeps_the_destination_for_more_than_25_ms, 0, ENDS);
	tcase_add_loop_test(both, what_is_registered_ahead_is_asked_for, 0, ENDS);
	suite_add_tcase(suite, both);
	return unit_run(suite);
}
