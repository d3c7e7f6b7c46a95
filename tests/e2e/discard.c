// SPDX-License-Identifier: GPL-2.0-or-later
#include "discard.h"

#include <string.h>

#include "discard_run.h"

/* Half a second to where the discards of the first pass are made; there QEMU all but stands still.
 */
#define SLOW_RATE  (16 * MIB)
#define CRAWL_RATE (MIB / 4)

/*
 * The first two in the first pass, of which QEMU has done FIRST_PASS; the other two when it has
 * been through all of RAM (pre-switchover). A chunk of zeros lies between chunks with data.
 */
#define FIRST_PASS (8 * MIB)

static const struct discard_place zero_places[DISCARD_PLACES] = {
	{"zeros inflated in the first pass", 20 * MIB, INFLATE, 0},
	{"zeros reported in the first pass", 24 * MIB, REPORT, 0},
	{"zeros inflated after the first pass", 40 * MIB, INFLATE, 0},
	{"zeros reported after the first pass", 44 * MIB, REPORT, 0},
};

static const struct discard_place written_places[DISCARD_PLACES] = {
	{"data inflated in the first pass", 2 * MIB, INFLATE, 0},
	{"data reported in the first pass", 4 * MIB, REPORT, 0},
	{"data inflated after the first pass", 48 * MIB, INFLATE, 0},
	{"data reported after the first pass", 52 * MIB, REPORT, 0},
};

static int run(struct discard_run *r, const struct discard_place places[DISCARD_PLACES])
{
	memcpy(r->places, places, sizeof(r->places));
	r->n_places = DISCARD_PLACES;
	if (discard_begin(r, SLOW_RATE) ||
	    migration_wait_progress(&r->migration, FIRST_PASS, r->deadline, r->failure) ||
	    discard_set_rate(r, CRAWL_RATE) || discard_all(r, 0, DISCARD_PLACES / 2) ||
	    discard_set_rate(r, MIGRATION_UNLIMITED) || discard_wait_paused(r))
		return -1;
	return discard_all(r, DISCARD_PLACES / 2, DISCARD_PLACES);
}

static int run_zero(struct discard_run *r)
{
	r->zeros = true;
	return run(r, zero_places);
}

static int run_written(struct discard_run *r)
{
	return run(r, written_places);
}

/*
 * On a slow wire, which the caller has to provide: QEMU is without a limit, and what it sends goes
 * as far as a NIC that is busy, into the shim's queue or the NIC's own. When QEMU has sent that
 * much of RAM the wire has yet to come to the last places.
 */
#define SENT (60 * MIB)

static int run_queued(struct discard_run *r)
{
	r->places[0] = (struct discard_place){"queued data inflated", 54 * MIB, INFLATE, 0};
	r->places[1] = (struct discard_place){"queued data reported", 56 * MIB, REPORT, 0};
	r->n_places = 2;
	if (discard_begin(r, MIGRATION_UNLIMITED) ||
	    migration_wait_progress(&r->migration, SENT, r->deadline, r->failure) ||
	    discard_all(r, 0, r->n_places))
		return -1;
	return discard_wait_paused(r);
}

/* At a rate at which one pass follows another, as memory is discarded and written meanwhile. */
#define MANY_RATE     (48 * MIB)
#define MANY_DISCARDS 200
#define MANY_PASSES   5

static uint64_t draw(uint64_t *state, uint64_t below)
{
	*state = *state * 6364136223846793005u + 1442695040888963407u;
	return (*state >> 33) % below;
}

/* Anywhere above the rings, from a page to 16 of them or, of pages that are huge, one. */
static struct discard_place draw_place(const struct discard_run *r, uint64_t *state)
{
	uint64_t page = r->config->page_size, pages = r->config->ram_size / page;
	uint64_t first = DISCARD_FROM / page;
	struct discard_place place = {.name = "what was drawn"};

	place.length = page * (page < MIB ? 1 + draw(state, 16) : 1);
	place.at = page * (first + draw(state, pages - first - place.length / page + 1));
	place.how = draw(state, 2) ? INFLATE : REPORT;
	return place;
}

/* Whatever the migration is at. */
static int discard_random(struct discard_run *r, uint64_t *state)
{
	struct qmp *const qmps[] = {&r->vms[SRC].qmp, &r->to->qmp};
	struct discard_place place = draw_place(r, state);
	uint8_t byte = (uint8_t)(1 + draw(state, 255));

	if (discard_one(r, &place, byte, *state))
		return -1;
	qmp_wait(qmps, 2, wait_now());
	return 0;
}

/* Until QEMU has been through RAM often enough, or waits for us; then all the way. */
static int discard_many(struct discard_run *r, uint64_t *state)
{
	const char *status = r->vms[SRC].qmp.migration_status;
	const int *pass = &r->vms[SRC].qmp.migration_pass;

	for (int i = 0;
	     i < MANY_DISCARDS || (*pass < MANY_PASSES && strcmp(status, "pre-switchover")); i++) {
		if (discard_random(r, state))
			return -1;
		if (!strcmp(status, "failed"))
			return fail(r->failure, "the migration failed in pass %d", *pass);
	}
	if (discard_set_rate(r, MIGRATION_UNLIMITED))
		return -1;
	return discard_wait_paused(r);
}

static int begin_many(struct discard_run *r)
{
	if (discard_begin(r, MANY_RATE))
		return -1;
	/* A limit, so that QEMU looks for pages written meanwhile before it has sent all others. */
	return migration_set(&r->vms[SRC], "downtime-limit", 1, r->deadline, r->failure);
}

static int run_many(struct discard_run *r)
{
	uint64_t state = r->config->pattern.seed;

	return begin_many(r) ? -1 : discard_many(r, &state);
}

/* Of the first migration: about a third of a pass. */
#define CANCEL_AFTER (20 * MIB)

/* While QEMU takes the connection down, and in between, too. */
static int run_cancel(struct discard_run *r)
{
	const char *status = r->vms[SRC].qmp.migration_status;
	uint64_t state = r->config->pattern.seed;

	if (begin_many(r) ||
	    migration_wait_progress(&r->migration, CANCEL_AFTER, r->deadline, r->failure))
		return -1;
	for (int i = 0; i < MANY_DISCARDS / 4; i++)
		if (discard_random(r, &state))
			return -1;
	if (qmp_execute(&r->vms[SRC].qmp, "migrate_cancel", NULL, r->deadline, NULL, r->failure))
		return -1;
	while (strcmp(status, "cancelled")) {
		if (discard_random(r, &state))
			return -1;
		if (!strcmp(status, "completed") || !strcmp(status, "failed"))
			return fail(r->failure, "the migration has %s, and was cancelled", status);
	}
	if (discard_set_rate(r, MANY_RATE) || discard_begin_again(r))
		return -1;
	return discard_many(r, &state);
}

static int run_scenario(const struct scenario_config *config, struct vmproc vms[VMS],
			struct json_object *migrations, int64_t deadline, struct failure *failure,
			int (*to_switchover)(struct discard_run *r))
{
	struct discard_run r;
	int ret;

	discard_init(&r, config, vms, migrations, deadline, failure);
	ret = to_switchover(&r);
	if (!ret)
		ret = discard_resume(&r);
	if (!ret)
		ret = discard_finish(&r);
	discard_release(&r);
	return ret;
}

int discard_run_zero(const struct scenario_config *config, struct vmproc vms[VMS],
		     struct json_object *migrations, int64_t deadline, struct failure *failure)
{
	return run_scenario(config, vms, migrations, deadline, failure, run_zero);
}

int discard_run_written(const struct scenario_config *config, struct vmproc vms[VMS],
			struct json_object *migrations, int64_t deadline, struct failure *failure)
{
	return run_scenario(config, vms, migrations, deadline, failure, run_written);
}

int discard_run_queued(const struct scenario_config *config, struct vmproc vms[VMS],
		       struct json_object *migrations, int64_t deadline, struct failure *failure)
{
	return run_scenario(config, vms, migrations, deadline, failure, run_queued);
}

int discard_run_many(const struct scenario_config *config, struct vmproc vms[VMS],
		     struct json_object *migrations, int64_t deadline, struct failure *failure)
{
	return run_scenario(config, vms, migrations, deadline, failure, run_many);
}

int discard_run_cancel(const struct scenario_config *config, struct vmproc vms[VMS],
		       struct json_object *migrations, int64_t deadline, struct failure *failure)
{
	return run_scenario(config, vms, migrations, deadline, failure, run_cancel);
}
