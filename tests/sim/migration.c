/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "migration.h"

#include <stdarg.h>
#include <stdio.h>

#include "rules.h"

/* The source's shim's, for its receive buffers and messages; nothing has to be cleared. */
static uint8_t memory[POSTING_MEMORY_LEN];

/* guest_memory.has_data */
static bool has_data(void *context, uint64_t addr, uint64_t length, uint64_t *budget)
{
	struct world *w = context;
	const struct guest *g = &w->guest;
	int page = guest_page_here(g, addr);

	(void)budget;
	world_expect(w, page >= 0, "data is looked for outside the guest");
	return !guest_is_zero(w, (unsigned int)page, (unsigned int)(length / g->page_size));
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
	world_expect(w, !w->source_driver.failed, "a failure is kept from QEMU");
	w->fault_fired |= w->settings.fault == FAULT_NONE ? false : w->nic.source.error;
	w->settings.fault = FAULT_NONE;
	w->nic.source.dead = true;
	while (world_step(w))
		;
	if (!w->fault_fired)
		rules_check_mrs(&w->source_driver);
	if (w->destination.state == DESTINATION_DONE)
		check_memory(w);
	else
		world_expect(w, w->fault_fired, "the destination is left waiting");
}

static void end_badly(struct world *w)
{
	const struct driver *d = &w->source_driver;
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
		     conn_state(d->conn) == CONN_FAILED || !d->failure ||
			     q->statuses & 1u << d->failure,
		     "QEMU has not been told of status %u", d->failure);
	for (unsigned int i = 0; i < SOURCE_RECVS; i++)
		world_expect(w, !q->owed_recvs[i], "RECV %u has never completed", i);
}

/*
 * Bytes that can be pinned at the source: of some, as much as QEMU would without us, which
 * registers each chunk once. Then it may not fail for want of more, unless QEMU has MRs that are
 * not ours to give back.
 */
static uint64_t limit(const struct world *w)
{
	if (w->seed % 8 != 7 || w->discards.scarce || w->discards.refused)
		return 0;
	return w->guest.pages * w->guest.page_size;
}

static void init_source(struct world *w)
{
	const struct settings *s = &w->settings;
	struct conn_options options = {
		.one_cq = s->one_cq,
		.shift = s->shift,
		.writes = s->writes,
		.zeros = s->zeros,
		.prefetch = s->ahead,
		.threads = s->threads,
		.memory = {has_data, w},
	};

	driver_init(w, &w->source_driver, &w->nic.source, &options);
	w->source_driver.poster = s->poster;
	w->source_driver.limit = limit(w);
	qemu_source_init(w);
	driver_start(&w->source_driver, CONN_SOURCE, memory);
}

static void init_destination(struct world *w)
{
	struct random *r = &w->discards.random;
	struct conn_options options = {.prefetch = random_percent(r, 80)};

	if (!w->discards.destination) {
		qemu_destination_init(w);
		return;
	}
	options.shift = w->settings.chunk_shift + random_below(r, 6);
	options.threads = w->settings.threads;
	driver_init(w, &w->destination_driver, &w->nic.destination, &options);
	qemu_destination_init(w);
	driver_start(&w->destination_driver, CONN_DESTINATION, NULL);
}

static void migrate(struct world *w)
{
	guest_init(w);
	nic_init(w);
	init_source(w);
	init_destination(w);
	w->succeeded = qemu_source_migrate(w);
	if (w->succeeded)
		end_well(w);
	else
		end_badly(w);
	conn_figures(w->source_driver.conn, &w->figures);
	driver_end(&w->source_driver, w->seed & 1 ? DRIVER_PUTS_LATE : DRIVER_PUTS_FIRST);
	if (w->destination_driver.conn)
		driver_end(&w->destination_driver,
			   w->seed & 2 ? DRIVER_PUTS_LATE : DRIVER_PUTS_FIRST);
}

void world_fail(struct world *w, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(w->why, sizeof(w->why), format, args);
	va_end(args);
	longjmp(w->failed, 1);
}

bool migration_run(struct world *w)
{
	if (setjmp(w->failed)) {
		driver_clear(&w->source_driver);
		driver_clear(&w->destination_driver);
		return false;
	}
	migrate(w);
	return true;
}
