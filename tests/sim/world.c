/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "world.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "core/verbs_values.h"
#include "interpose.h"

/* No migration of this size takes as many. */
#define STEPS_MAX 2000000

void world_trace(const struct world *w, const char *who, const char *format, ...)
{
	va_list args;

	if (__builtin_expect(!w->trace, 1))
		return;
	printf("%6u %-8s ", w->steps, who);
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	putchar('\n');
}

void world_fail(struct world *w, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(w->why, sizeof(w->why), format, args);
	va_end(args);
	longjmp(w->failed, 1);
}

bool world_fault(struct world *w, enum fault fault)
{
	if (w->settings.fault != fault || !w->fault_due || w->fault_fired)
		return false;
	world_trace(w, "fault", "now");
	w->fault_fired = true;
	return true;
}

/* Those faults that need nobody to ask for them. */
static void strike(struct world *w)
{
	static const uint32_t statuses[] = {
		VERBS_WC_LOC_LEN_ERR,
		NIC_WC_LOC_PROT_ERR,
		NIC_WC_REM_ACCESS_ERR,
		NIC_WC_RETRY_EXC_ERR,
	};
	struct nic_qp *qp = &w->nic.source;

	if (!w->fault_due && w->steps >= w->settings.fault_step)
		w->fault_due = true;
	if (!w->fault_due || w->fault_fired)
		return;
	if (qp->completed < qp->posted && world_fault(w, FAULT_WR))
		nic_fail(w, qp, statuses[random_below(&w->random, 4)]);
	if (world_fault(w, FAULT_QP))
		nic_fail(w, qp, VERBS_WC_WR_FLUSH_ERR);
	if (world_fault(w, FAULT_DEATH)) {
		w->nic.destination.dead = true;
		w->hang_up = true;
	}
	if (world_fault(w, FAULT_CANCEL))
		w->cancelled = true;
}

static bool can_act(const struct world *w, enum actor actor)
{
	switch (actor) {
	case ACTOR_EXECUTE:
		return nic_can_execute(&w->nic.source);
	case ACTOR_COMPLETE:
		return nic_can_complete(&w->nic.source);
	case ACTOR_DESTINATION_EXECUTE:
		return nic_can_execute(&w->nic.destination);
	case ACTOR_DESTINATION_COMPLETE:
		return nic_can_complete(&w->nic.destination);
	case ACTOR_DESTINATION:
		return qemu_destination_can_act(w);
	case ACTOR_PROGRESS:
		return !w->engine.locked && engine_can_progress(w);
	case ACTOR_AHEAD:
		return engine_can_ahead(w);
	case ACTOR_POSTER:
		return engine_can_post(w);
	case ACTOR_DISCONNECT:
		return w->hang_up && !w->disconnected;
	case ACTORS:
		break;
	}
	return false;
}

static void act(struct world *w, enum actor actor)
{
	switch (actor) {
	case ACTOR_EXECUTE:
		nic_execute(w, &w->nic.source);
		break;
	case ACTOR_COMPLETE:
		nic_complete(w, &w->nic.source);
		break;
	case ACTOR_DESTINATION_EXECUTE:
		nic_execute(w, &w->nic.destination);
		break;
	case ACTOR_DESTINATION_COMPLETE:
		nic_complete(w, &w->nic.destination);
		break;
	case ACTOR_DESTINATION:
		qemu_destination_act(w);
		break;
	case ACTOR_PROGRESS:
		engine_progress(w);
		break;
	case ACTOR_AHEAD:
		engine_ahead(w);
		break;
	case ACTOR_POSTER:
		engine_post(w);
		break;
	case ACTOR_DISCONNECT:
		world_trace(w, "cm", "the destination has hung up");
		w->disconnected = true;
		break;
	case ACTORS:
		break;
	}
}

bool world_step(struct world *w)
{
	unsigned int sum = 0, able = 0, n;

	world_expect(w, ++w->steps < STEPS_MAX, "no end is in sight");
	discard_step(w);
	strike(w);
	for (unsigned int i = 0; i < ACTORS; i++) {
		if (!can_act(w, (enum actor)i))
			continue;
		able |= 1u << i;
		sum += w->weight[i];
	}
	if (!sum)
		return false;
	n = random_below(&w->random, sum);
	for (unsigned int i = 0; i < ACTORS; i++) {
		if (!(able & 1u << i))
			continue;
		if (n < w->weight[i]) {
			act(w, (enum actor)i);
			break;
		}
		n -= w->weight[i];
	}
	return true;
}

static unsigned int one_of(struct world *w, const unsigned int *values, unsigned int count)
{
	return values[random_below(&w->random, count)];
}
#define ONE_OF(w, ...)                                   \
	one_of((w), (const unsigned int[]){__VA_ARGS__}, \
	       sizeof((const unsigned int[]){__VA_ARGS__}) / sizeof(unsigned int))

/* For a while some are much slower than others, and all than QEMU. */
static void choose_pace(struct world *w)
{
	for (unsigned int i = 0; i < ACTORS; i++)
		w->weight[i] = 1u << 2 * random_below(&w->random, 5);
	w->pace = ONE_OF(w, 2, 2, 10, 50, 200, 500, 900);
	w->period_left = 1 + random_below(&w->random, 1000);
}

void world_yield(struct world *w)
{
	if (!w->period_left--)
		choose_pace(w);
	if (random_percent(&w->random, w->settings.guest_percent))
		guest_write(w);
	discard_step(w);
	while (random_below(&w->random, 1000) < w->pace)
		if (!world_step(w))
			break;
}

static void choose_guest(struct world *w)
{
	struct settings *s = &w->settings;
	/* Now and then one that fills the send queue. */
	bool large = !random_below(&w->random, 400);

	s->chunk_shift = ONE_OF(w, 20, 20, 20, 21, 22, 25);
	s->chunk_pages = ONE_OF(w, 1, 2, 2, 4);
	s->blocks = 1 + random_below(&w->random, GUEST_BLOCKS);
	for (unsigned int i = 0; i < s->blocks; i++)
		s->block_pages[i] =
			1 + random_below(&w->random, large ? 600 : ONE_OF(w, 8, 32, 64, 128));
	s->zero_percent = ONE_OF(w, 0, 10, 20, 50, 80, 100);
	s->guest_zero_percent = ONE_OF(w, 0, 20, 50);
	s->guest_percent = ONE_OF(w, 1, 5, 20);
	s->guest_writes = ONE_OF(w, 0, 1, 3);
	s->iterations = 1 + random_below(&w->random, large ? 2 : 3);
	s->iteration_pages = large ? 2000 : ONE_OF(w, 8, 64, 200, 400);
	s->dirty_percent = ONE_OF(w, 50, 95, 100, 100);
}

void world_init(struct world *w, uint64_t seed, bool discards, bool trace)
{
	struct settings *s = &w->settings;

	memset(w, 0, offsetof(struct world, physical));
	w->seed = seed;
	w->trace = trace;
	w->random.state = seed;
	choose_guest(w);
	s->shift = s->chunk_shift + ONE_OF(w, 0, 1, 2, 3, 5, 7);
	if (s->shift > 30)
		s->shift = 30;
	s->writes = random_percent(&w->random, 80);
	s->zeros = random_percent(&w->random, 80);
	s->ahead = random_percent(&w->random, 80);
	s->poster = s->writes && random_percent(&w->random, 50);
	s->one_cq = random_percent(&w->random, 25);
	s->swallows = seed % 2;
	s->max_message = UINT64_C(1) << (s->chunk_shift + ONE_OF(w, 0, 1, 2, 5, 5));
	s->rewind_percent = ONE_OF(w, 0, 0, 5, 30);
	s->wide_fail_percent = ONE_OF(w, 0, 0, 0, 0, 0, 0, 50, 100);
	s->busy_percent = ONE_OF(w, 0, 0, 0, 0, 0, 0, 0, 20);
	if (random_percent(&w->random, 35)) {
		s->fault = (enum fault)(1 + random_below(&w->random, FAULTS - 1));
		s->fault_step = random_below(&w->random, ONE_OF(w, 40, 400, 2000));
	}
	choose_pace(w);
	world_trace(w, "seed", "%llu: chunks of 2^%u bytes and %u pages, regions of 2^%u bytes",
		    (unsigned long long)seed, s->chunk_shift, s->chunk_pages, s->shift);
	world_trace(w, "seed", "writes %s, zeros %s, ahead %s, %s CQ, fault %d at step %u",
		    s->writes ? "on" : "off", s->zeros ? "on" : "off", s->ahead ? "on" : "off",
		    s->one_cq ? "one" : "two", s->fault, s->fault_step);
	discard_init(w, discards);
	interpose_begin(w);
}

static void check_memory(struct world *w)
{
	const struct guest *g = &w->guest;
	uint32_t here, there;

	for (unsigned int i = 0; i < g->pages; i++) {
		here = memory_read(w, &g->here, i);
		there = memory_read(w, &g->there, i);
		/* The guest expects nothing of a page that it has given away. */
		world_expect(w,
			     here == there || (g->undefined[i] && there == g->written[i]) ||
				     (w->discards.unwatched[i] && g->here.discarded[i]),
			     "page %u is %u at the source and %u at the destination", i, here,
			     there);
	}
}

/* The destination comes to its end; nothing more leaves the source. */
static void end_well(struct world *w)
{
	world_trace(w, "qemu", "believes the migration complete");
	world_expect(w, !w->source.owed_writes && !w->source.owed_sends,
		     "%u WRITEs and %u SENDs of QEMU's have never completed", w->source.owed_writes,
		     w->source.owed_sends);
	world_expect(w, !w->engine.failed, "a failure is kept from QEMU");
	w->fault_fired |= w->settings.fault == FAULT_NONE ? false : w->nic.source.error;
	w->settings.fault = FAULT_NONE;
	w->nic.source.dead = true;
	while (world_step(w))
		;
	if (!w->fault_fired)
		engine_mr_check(w);
	if (w->destination.state == DESTINATION_DONE)
		check_memory(w);
	else
		world_expect(w, w->fault_fired, "the destination is left waiting");
}

static void end_badly(struct world *w)
{
	const struct qemu_source *q = &w->source;

	world_trace(w, "qemu", "gives up");
	world_expect(w, w->fault_fired, "the migration fails for nothing");
	qemu_source_clean_up(w);
	if (!w->nic.source.error) {
		/* What it has to say about that arrives, whatever was under way. */
		w->settings.fault = FAULT_NONE;
		while (world_step(w))
			;
		world_expect(w,
			     w->settings.busy_percent || w->nic.source.error ||
				     w->nic.destination.dead ||
				     w->destination.state == DESTINATION_FAILED ||
				     w->destination.state == DESTINATION_DONE,
			     "the destination is not told");
		return;
	}
	qemu_source_poll_rest(w);
	world_expect(w, q->gave_up_a_send || !q->owed_sends, "a SEND has never completed");
	world_expect(w, !q->owed_writes, "%u WRITEs have never completed", q->owed_writes);
	world_expect(w,
		     w->engine.conn.state == CONN_FAILED || !w->engine.failure ||
			     q->statuses & 1u << w->engine.failure,
		     "QEMU has not been told of status %u", w->engine.failure);
	for (unsigned int i = 0; i < SOURCE_RECVS; i++)
		world_expect(w, !q->owed_recvs[i], "RECV %u has never completed", i);
}

static void migrate(struct world *w)
{
	guest_init(w);
	nic_init(w);
	engine_init(w);
	qemu_source_init(w);
	/* rdma_connect() */
	engine_start(w);
	destination_mr_init(w);
	qemu_destination_init(w);
	w->succeeded = qemu_source_migrate(w);
	if (w->succeeded)
		end_well(w);
	else
		end_badly(w);
}

bool world_run(struct world *w)
{
	if (setjmp(w->failed)) {
		engine_clear(w);
		destination_mr_clear(w);
		return false;
	}
	migrate(w);
	engine_clear(w);
	destination_mr_clear(w);
	return true;
}
