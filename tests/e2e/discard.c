// SPDX-License-Identifier: GPL-2.0-or-later
#include "discard.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "balloon.h"
#include "qtest.h"
#include "report.h"
#include "teardown.h"

#define MIB (UINT64_C(1) << 20)

/* Below are the BIOS and what else a PC has there; the rings are in the first MiB above. */
#define FILL_FROM MIB
#define RINGS_AT  MIB

/* What a discarded range is filled with afterwards, and "AAAABBBB" at its beginning. */
#define REWRITTEN_BYTE 0xc3
#define REWRITTEN_WORD UINT64_C(0x4242424241414141)

/* Half a second to where the discards of the first pass are made; there QEMU all but stands still.
 */
#define SLOW_RATE  (16 * MIB)
#define CRAWL_RATE (MIB / 4)

enum how { INFLATE, REPORT };

/* What QEMU discards. Without a length it is a page, or a MiB where that is more. */
struct place {
	const char *name;
	uint64_t at;
	enum how how;
	uint64_t length; /* filled in */
};

/*
 * The first two in the first pass, of which QEMU has done FIRST_PASS; the other two when it has
 * been through all of RAM (pre-switchover). A chunk of zeros lies between chunks with data.
 */
#define FIRST_PASS (8 * MIB)
#define PLACES	   4

static const struct place zero_places[PLACES] = {
	{"zeros inflated in the first pass", 20 * MIB, INFLATE, 0},
	{"zeros reported in the first pass", 24 * MIB, REPORT, 0},
	{"zeros inflated after the first pass", 40 * MIB, INFLATE, 0},
	{"zeros reported after the first pass", 44 * MIB, REPORT, 0},
};

static const struct place written_places[PLACES] = {
	{"data inflated in the first pass", 2 * MIB, INFLATE, 0},
	{"data reported in the first pass", 4 * MIB, REPORT, 0},
	{"data inflated after the first pass", 48 * MIB, INFLATE, 0},
	{"data reported after the first pass", 52 * MIB, REPORT, 0},
};

/* All that a run has. */
struct run {
	const struct scenario_config *config;
	struct vmproc *vms;
	int64_t deadline;
	struct failure *failure;
	struct qtest qtest;
	struct balloon balloon;
	struct migration migration;
	struct place places[PLACES];
	size_t n_places;
};

static int start_process(struct run *r, int which, const struct vm_config *vm_config,
			 const char *const *more)
{
	const struct scenario_config *config = r->config;
	struct vm_config with = *vm_config;
	struct vm_start start = {
		.dir = config->dir,
		.ram_dir = config->ram_dir,
		.ram_size = config->ram_size,
		.paused = true,
		.incoming = which == DST,
	};
	size_t n = 0;

	while (with.extra[n])
		n++;
	for (; *more && n < VM_LIST_MAX - 1; more++)
		with.extra[n++] = *more;
	with.extra[n] = NULL;
	if (vm_prepare(&r->vms[which], which == DST ? "dst" : "src", &start, r->failure))
		return -1;
	return vm_start(&r->vms[which], &with, &start, r->failure);
}

static int start_pair(struct run *r)
{
	const char *const dst_more[] = {"-device", BALLOON_DEVICE, NULL};
	int inherited = qtest_open(&r->qtest, "src", r->deadline, r->failure), ret;
	const char *const src_more[] = {"-device", BALLOON_DEVICE,
					QTEST_ARGUMENTS(r->qtest.argument)};

	if (inherited < 0)
		return -1;
	ret = start_process(r, SRC, &r->config->src, src_more);
	close(inherited);
	if (ret || start_process(r, DST, &r->config->dst, dst_more) ||
	    vm_connect(&r->vms[SRC], r->deadline, r->failure))
		return -1;
	return vm_connect(&r->vms[DST], r->deadline, r->failure);
}

static bool is_zero_mib(const struct run *r, uint64_t at, bool zeros)
{
	for (size_t i = 0; zeros && i < r->n_places; i++)
		if (at >= r->places[i].at &&
		    at < r->places[i].at +
				    (r->config->page_size > MIB ? r->config->page_size : MIB))
			return true;
	return false;
}

/*
 * Each MiB has bytes of its own, and every 16th page begins with its number: a command for each
 * page would take longer than all the rest where the processor is emulated.
 */
static void fill(struct run *r, bool zeros)
{
	char lines[16 * 48], *end;

	for (uint64_t at = FILL_FROM; at < r->config->ram_size; at += MIB) {
		if (is_zero_mib(r, at, zeros))
			continue;
		qtest_memset(&r->qtest, at, MIB, (uint8_t)(1 + at / MIB % 0xc0));
		end = lines;
		for (uint64_t page = at; page < at + MIB; page += 0x10000)
			end += sprintf(end, "writeq 0x%llx 0x%llx\n", (unsigned long long)page,
				       (unsigned long long)page + 1);
		qtest_send(&r->qtest, lines);
	}
}

/* QEMU's own discard, seen to be one, and then what the guest writes. */
static int discard(struct run *r, const struct place *place, uint8_t byte, uint64_t word)
{
	if (place->how == INFLATE)
		balloon_inflate(&r->balloon, place->at, place->length);
	else
		balloon_report(&r->balloon, place->at, place->length);
	if ((qtest_read(&r->qtest, place->at, 8) ||
	     qtest_read(&r->qtest, place->at + place->length - 8, 8)) &&
	    !qtest_status(&r->qtest))
		fail(r->failure, "src: QEMU has not discarded %s (0x%llx)", place->name,
		     (unsigned long long)place->at);
	qtest_memset(&r->qtest, place->at, place->length, byte);
	qtest_write(&r->qtest, place->at, 8, word);
	return qtest_status(&r->qtest);
}

static int discard_all(struct run *r, size_t from, size_t to)
{
	for (size_t i = from; i < to; i++)
		if (discard(r, &r->places[i], REWRITTEN_BYTE, REWRITTEN_WORD))
			return -1;
	return 0;
}

static int set_rate(struct run *r, int64_t rate)
{
	return migration_set(&r->vms[SRC], "max-bandwidth", rate, r->deadline, r->failure);
}

static int begin(struct run *r, struct migration_config *config, bool zeros, int64_t rate)
{
	size_t n = 0;

	if (r->config->ram_size < DISCARD_RAM_SIZE)
		return fail(r->failure, "the discard scenarios need a guest of 64 MiB at least");
	for (size_t i = 0; i < r->n_places; i++)
		r->places[i].length = r->places[i].how == REPORT && r->config->page_size < MIB
					      ? MIB
					      : r->config->page_size;
	*config = r->config->migration;
	while (config->caps[n])
		n++;
	if (n < VM_LIST_MAX - 1)
		config->caps[n] = "pause-before-switchover";
	if (start_pair(r))
		return -1;
	fill(r, zeros);
	balloon_start(&r->balloon, &r->qtest, RINGS_AT);
	/* Without a downtime limit QEMU pauses when nothing is left, and no sooner. */
	if (qtest_status(&r->qtest) || set_rate(r, rate) ||
	    migration_set(&r->vms[SRC], "downtime-limit", 0, r->deadline, r->failure))
		return -1;
	return migration_start(&r->migration, config, &r->vms[SRC], &r->vms[DST], r->deadline,
			       r->failure);
}

/* QEMU has been through all of RAM, and waits for leave to do what is left. */
static int wait_paused(struct run *r)
{
	struct qmp *const qmps[] = {&r->vms[SRC].qmp, &r->vms[DST].qmp};
	const char *status = r->vms[SRC].qmp.migration_status;

	while (strcmp(status, "pre-switchover")) {
		if (!strcmp(status, "failed") || !qmp_wait(qmps, 2, r->deadline))
			return fail(r->failure,
				    "the migration did not come to the switchover: source %s, "
				    "destination %s",
				    status, r->vms[DST].qmp.migration_status);
	}
	return 0;
}

static int resume(struct run *r)
{
	struct json_object *args = json_object_new_object();

	json_object_object_add(args, "state", json_object_new_string("pre-switchover"));
	return qmp_execute(&r->vms[SRC].qmp, "migrate-continue", args, r->deadline, NULL,
			   r->failure);
}

/*
 * What the guest has in its memory, as QEMU itself reads it: most kinds of RAM nobody else can. Of
 * what is below 1 MiB a PC hides some, from both. Returns a descriptor, or -1.
 */
static int dump(struct run *r, struct vmproc *vm)
{
	struct json_object *args = json_object_new_object();
	char path[400];
	int fd;

	snprintf(path, sizeof(path), "%s/%s.memory", r->config->ram_dir, vm->name);
	json_object_object_add(args, "val", json_object_new_int64(0));
	json_object_object_add(args, "size", json_object_new_int64((int64_t)r->config->ram_size));
	json_object_object_add(args, "filename", json_object_new_string(path));
	if (qmp_execute(&vm->qmp, "pmemsave", args, r->deadline, NULL, r->failure))
		return -1;
	fd = open(path, O_RDONLY | O_CLOEXEC);
	unlink(path);
	if (fd < 0)
		fail(r->failure, "cannot open %s: %s", path, strerror(errno));
	return fd;
}

/* How many bytes of the range differ, or -1. */
static int64_t differing(struct run *r, const struct place *place, int src, int dst)
{
	unsigned char *a = malloc(2 * place->length), *b = a + place->length;
	ssize_t length = (ssize_t)place->length;
	uint64_t word = REWRITTEN_WORD;
	int64_t n = 0;

	if (!a || pread(src, a, place->length, (off_t)place->at) != length ||
	    pread(dst, b, place->length, (off_t)place->at) != length) {
		free(a);
		return fail(r->failure, "cannot read what memory was saved");
	}
	if (memcmp(a, &word, sizeof(word)))
		n = fail(r->failure, "src: its own memory is not what was written");
	for (uint64_t i = 0; n >= 0 && i < place->length; i++)
		n += a[i] != b[i];
	free(a);
	return n;
}

/* In stock QEMU what was sent before has to be wrong, and nothing else; else nothing is. */
static int judge(struct run *r, const struct comparison *ram, const int64_t differ[],
		 uint64_t elsewhere)
{
	char list[400] = "";
	size_t used = 0;

	if (!r->n_places && r->config->stale)
		return elsewhere ? 0 : fail(r->failure, "RAM is right, unlike in stock QEMU");
	if (elsewhere)
		return fail(r->failure, "RAM differs in %llu bytes%s, first of all at 0x%llx",
			    (unsigned long long)elsewhere,
			    r->n_places ? " where nothing was discarded" : "",
			    (unsigned long long)ram->first_difference);
	for (size_t i = 0; i < r->n_places; i++) {
		if (!differ[i] == !r->config->stale)
			continue;
		used += (size_t)snprintf(list + used, sizeof(list) - used, "%s%s (0x%llx)",
					 used ? ", " : "", r->places[i].name,
					 (unsigned long long)r->places[i].at);
	}
	if (!used)
		return 0;
	if (r->config->stale)
		return fail(r->failure, "right at the destination, unlike in stock QEMU: %s", list);
	return fail(r->failure, "wrong at the destination, %llu bytes: %s",
		    (unsigned long long)ram->differing_bytes, list);
}

static int compare(struct run *r, struct comparison *ram, struct json_object *places)
{
	int src = dump(r, &r->vms[SRC]), dst = src < 0 ? -1 : dump(r, &r->vms[DST]), ret = -1;
	uint64_t elsewhere;
	int64_t differ[PLACES];

	if (dst < 0 || pattern_compare(src, dst, r->config->ram_size, ram, r->failure))
		goto out;
	elsewhere = ram->differing_bytes;
	for (size_t i = 0; i < r->n_places; i++) {
		struct json_object *o = json_object_new_object();

		differ[i] = differing(r, &r->places[i], src, dst);
		json_object_object_add(o, "name", json_object_new_string(r->places[i].name));
		json_object_object_add(o, "differing_bytes", json_object_new_int64(differ[i]));
		json_object_array_add(places, o);
		if (differ[i] < 0)
			goto out;
		elsewhere -= (uint64_t)differ[i];
	}
	ret = judge(r, ram, differ, elsewhere);
out:
	if (src >= 0)
		close(src);
	if (dst >= 0)
		close(dst);
	return ret;
}

/* From the switchover to RAM compared, reported. */
static int finish(struct run *r, struct json_object *migrations)
{
	struct json_object *report, *places = json_object_new_array(), *info;
	struct comparison ram, *compared = NULL;
	int ret = migration_wait_completed(&r->migration, r->deadline, r->failure);

	if (!ret) {
		ret = compare(r, &ram, places);
		compared = &ram;
	}
	info = r->vms[SRC].qmp.closed ? NULL : migration_query(&r->vms[SRC], r->deadline);
	report = report_migration(&r->vms[SRC], &r->vms[DST], info, compared);
	json_object_object_add(report, "discarded", places);
	json_object_array_add(migrations, report);
	json_object_put(info);
	if (!ret) {
		teardown_wait_all(r->config, &r->vms[SRC], migrations);
		teardown_wait_all(r->config, &r->vms[DST], migrations);
	}
	return ret;
}

static int run(const struct scenario_config *config, struct vmproc vms[VMS],
	       struct json_object *migrations, int64_t deadline, struct failure *failure,
	       const struct place places[PLACES], bool zeros)
{
	struct run r = {.config = config,
			.vms = vms,
			.deadline = deadline,
			.failure = failure,
			.n_places = PLACES,
			.qtest.fd = -1};
	struct migration_config migration;
	int ret = -1;

	memcpy(r.places, places, sizeof(r.places));
	if (begin(&r, &migration, zeros, SLOW_RATE) ||
	    migration_wait_progress(&r.migration, FIRST_PASS, deadline, failure) ||
	    set_rate(&r, CRAWL_RATE) || discard_all(&r, 0, PLACES / 2) ||
	    set_rate(&r, MIGRATION_UNLIMITED) || wait_paused(&r) ||
	    discard_all(&r, PLACES / 2, PLACES) || resume(&r))
		goto out;
	ret = finish(&r, migrations);
out:
	qtest_close(&r.qtest);
	return ret;
}

int discard_run_zero(const struct scenario_config *config, struct vmproc vms[VMS],
		     struct json_object *migrations, int64_t deadline, struct failure *failure)
{
	return run(config, vms, migrations, deadline, failure, zero_places, true);
}

int discard_run_written(const struct scenario_config *config, struct vmproc vms[VMS],
			struct json_object *migrations, int64_t deadline, struct failure *failure)
{
	return run(config, vms, migrations, deadline, failure, written_places, false);
}

/*
 * On a slow wire, which the caller has to provide: QEMU is without a limit, and what it sends goes
 * as far as a NIC that is busy, into the shim's queue or the NIC's own. When QEMU has sent that
 * much of RAM the wire has yet to come to the last places.
 */
#define SENT (60 * MIB)

int discard_run_queued(const struct scenario_config *config, struct vmproc vms[VMS],
		       struct json_object *migrations, int64_t deadline, struct failure *failure)
{
	struct run r = {.config = config,
			.vms = vms,
			.deadline = deadline,
			.failure = failure,
			.places = {{"queued data inflated", 54 * MIB, INFLATE, 0},
				   {"queued data reported", 56 * MIB, REPORT, 0}},
			.n_places = 2,
			.qtest.fd = -1};
	struct migration_config migration;
	int ret = -1;

	if (begin(&r, &migration, false, MIGRATION_UNLIMITED) ||
	    migration_wait_progress(&r.migration, SENT, deadline, failure) ||
	    discard_all(&r, 0, r.n_places) || wait_paused(&r) || resume(&r))
		goto out;
	ret = finish(&r, migrations);
out:
	qtest_close(&r.qtest);
	return ret;
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
static struct place draw_place(const struct run *r, uint64_t *state)
{
	uint64_t page = r->config->page_size, pages = r->config->ram_size / page;
	uint64_t first = (RINGS_AT + MIB) / page;
	struct place place = {.name = "what was drawn"};

	place.length = page * (page < MIB ? 1 + draw(state, 16) : 1);
	place.at = page * (first + draw(state, pages - first - place.length / page + 1));
	place.how = draw(state, 2) ? INFLATE : REPORT;
	return place;
}

/* Whatever the migration is at, until it has been through RAM often enough, or waits for us. */
static int discard_many(struct run *r)
{
	struct qmp *const qmps[] = {&r->vms[SRC].qmp, &r->vms[DST].qmp};
	const char *status = r->vms[SRC].qmp.migration_status;
	uint64_t state = r->config->pattern.seed;
	struct place place;

	for (uint64_t i = 1; i <= MANY_DISCARDS || (r->vms[SRC].qmp.migration_pass < MANY_PASSES &&
						    strcmp(status, "pre-switchover"));
	     i++) {
		place = draw_place(r, &state);
		if (discard(r, &place, (uint8_t)(1 + draw(&state, 255)), i))
			return -1;
		qmp_wait(qmps, 2, wait_now());
		if (!strcmp(status, "failed"))
			return fail(r->failure, "the migration failed in pass %d",
				    r->vms[SRC].qmp.migration_pass);
	}
	return 0;
}

int discard_run_many(const struct scenario_config *config, struct vmproc vms[VMS],
		     struct json_object *migrations, int64_t deadline, struct failure *failure)
{
	struct run r = {.config = config,
			.vms = vms,
			.deadline = deadline,
			.failure = failure,
			.qtest.fd = -1};
	struct migration_config migration;
	int ret = -1;

	if (begin(&r, &migration, false, MANY_RATE) ||
	    migration_set(&vms[SRC], "downtime-limit", 1, deadline, failure) || discard_many(&r) ||
	    set_rate(&r, MIGRATION_UNLIMITED) || wait_paused(&r) || resume(&r))
		goto out;
	ret = finish(&r, migrations);
out:
	qtest_close(&r.qtest);
	return ret;
}
