/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A migration in which QEMU discards guest memory, in the steps that the scenarios of discard.h are
 * made of. All return 0, or -1 with the failure's text set.
 */
#ifndef TESTS_E2E_DISCARD_RUN_H
#define TESTS_E2E_DISCARD_RUN_H

#include "balloon.h"
#include "qtest.h"
#include "scenario.h"

#define MIB (UINT64_C(1) << 20)

/* Below are the BIOS and what else a PC has there; the rings are in the first MiB above. */
#define DISCARD_FROM	 (2 * MIB)
#define DISCARD_RAM_SIZE (64 * MIB)
#define DISCARD_PLACES	 4

enum discard_how { INFLATE, REPORT };

/* What QEMU discards. */
struct discard_place {
	const char *name;
	uint64_t at;
	enum discard_how how;
	uint64_t length; /* discard_begin's: a page, or a MiB if it is reported and that is more */
};

struct discard_run {
	const struct scenario_config *config;
	struct vmproc *vms;
	struct vmproc *to;		/* the destination: one of @vms */
	struct json_object *migrations; /* reported there */
	int64_t deadline;
	struct failure *failure;
	struct qtest qtest;
	struct balloon balloon;
	struct migration_config migration_config;
	struct migration migration;
	struct discard_place places[DISCARD_PLACES];
	size_t n_places;
	bool zeros; /* the MiB of each place is zero before, and lies between data */
};

void discard_init(struct discard_run *r, const struct scenario_config *config, struct vmproc *vms,
		  struct json_object *migrations, int64_t deadline, struct failure *failure);

/*
 * Start both ends, fill the source's RAM, and start the migration at @rate bytes per second. The
 * guest is stopped, and QEMU pauses before the switchover, when it has been through all of RAM: it
 * has no downtime limit.
 */
int discard_begin(struct discard_run *r, int64_t rate);

/* The migration was broken off: report it, end its destination, and start another to vms[THIRD]. */
int discard_begin_again(struct discard_run *r);

/* QEMU's own discard, seen to be one; then the guest writes there, @word and then @byte all over.
 */
int discard_one(struct discard_run *r, const struct discard_place *place, uint8_t byte,
		uint64_t word);

/* The places from @from to @to - 1. */
int discard_all(struct discard_run *r, size_t from, size_t to);

int discard_set_rate(struct discard_run *r, int64_t rate);

/* QEMU has been through all of RAM, and waits for leave to do what is left; then give it. */
int discard_wait_paused(struct discard_run *r);
int discard_resume(struct discard_run *r);

/*
 * To the end, and compare RAM: all of it is right, or with config->stale exactly what is in the
 * places (without any: something) is wrong.
 */
int discard_finish(struct discard_run *r);

void discard_release(struct discard_run *r);

#endif
