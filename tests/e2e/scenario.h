/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is done with QEMU processes, and what has to hold of it. */
#ifndef TESTS_E2E_SCENARIO_H
#define TESTS_E2E_SCENARIO_H

#include <stdbool.h>
#include <stdint.h>
#include <json-c/json.h>

#include "ab/migration.h"
#include "ab/pattern.h"
#include "ab/vmproc.h"
#include "latency.h"

/* The processes of a scenario. */
enum { SRC, DST, THIRD, VMS };

#define TOUCH_MAX 8

struct scenario_config {
	struct migration_config migration;
	struct vm_config src, dst;
	/* Run with the process number behind it once QEMU answers; or NULL. */
	const char *attach_src, *attach_dst;
	/* The same between two migrations, for the process that makes the second; or NULL. */
	const char *between;
	struct pattern pattern;
	uint64_t ram_size; /* bytes, a multiple of 1 MiB */
	/* For the scenarios `switchover' and `later': so many bytes of RAM, at its start, have
	 * data; and for the first of them offsets. */
	uint64_t data_size;
	uint64_t touch[TOUCH_MAX];
	size_t touches;
	struct latency *latency; /* of each process, or NULL: nobody asks them by QMP */
	bool junk;	     /* fill the destination's RAM with junk where the source has zeros */
	uint64_t page_size;  /* bytes of a page of the guest's RAM on this host */
	bool stale;	     /* pages discarded after they were sent are to be wrong, as in stock */
	int64_t timeout;     /* milliseconds for the whole scenario */
	const char *dir;     /* for logs */
	const char *ram_dir; /* for RAM files and sockets; a tmpfs */
};

struct scenario {
	const char *name;
	const char *help;
	int (*run)(const struct scenario_config *config, struct vmproc vms[VMS],
		   struct json_object *migrations, int64_t deadline, struct failure *failure);
	bool broken_off; /* the destination may end as it likes */
};

/* Ends with an entry whose name is NULL. */
extern const struct scenario scenarios[];

const struct scenario *scenario_find(const char *name);

/*
 * Run it once. @report, an object, gets "migrations" and one member for each process ("src",
 * "dst", "third"), whatever the outcome. Returns 0 when all that the scenario asks for held: the
 * states at the end, identical RAM, and exit status 0.
 */
int scenario_run(const struct scenario *scenario, const struct scenario_config *config,
		 struct json_object *report, struct failure *failure);

#endif
