// SPDX-License-Identifier: GPL-2.0-or-later
#include "discard_run.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "arguments.h"
#include "report.h"
#include "teardown.h"

#define RINGS_AT MIB

/* A process that has not started to exit by then is not going to. */
#define EXIT_TIMEOUT 20000

/* What a discarded range is filled with afterwards, and "AAAABBBB" at its beginning. */
#define REWRITTEN_BYTE 0xc3
#define REWRITTEN_WORD UINT64_C(0x4242424241414141)

static int start_process(struct discard_run *r, int which, const struct vm_config *vm_config,
			 const char *const *more)
{
	static const char *const names[VMS] = {"src", "dst", "third"};
	const struct scenario_config *config = r->config;
	const struct vm_config with = vm_config_with(vm_config, more);
	struct vm_start start = {
		.dir = config->dir,
		.ram_dir = config->ram_dir,
		.ram_size = config->ram_size,
		.paused = true,
		.incoming = which != SRC,
	};

	if (vm_prepare(&r->vms[which], names[which], &start, r->failure))
		return -1;
	return vm_start(&r->vms[which], &with, &start, r->failure);
}

static int start_destination(struct discard_run *r, int which)
{
	const char *const more[] = {"-device", BALLOON_DEVICE, NULL};

	r->to = &r->vms[which];
	return start_process(r, which, &r->config->dst, more);
}

static int start_pair(struct discard_run *r)
{
	int inherited = qtest_open(&r->qtest, "src", r->deadline, r->failure), ret;
	const char *const src_more[] = {"-device", BALLOON_DEVICE,
					QTEST_ARGUMENTS(r->qtest.argument)};

	if (inherited < 0)
		return -1;
	ret = start_process(r, SRC, &r->config->src, src_more);
	close(inherited);
	if (ret || start_destination(r, DST) || vm_connect(&r->vms[SRC], r->deadline, r->failure))
		return -1;
	return vm_connect(&r->vms[DST], r->deadline, r->failure);
}

static bool is_zero_mib(const struct discard_run *r, uint64_t at)
{
	for (size_t i = 0; r->zeros && i < r->n_places; i++)
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
static void fill(struct discard_run *r)
{
	char lines[16 * 48], *end;

	for (uint64_t at = MIB; at < r->config->ram_size; at += MIB) {
		if (is_zero_mib(r, at))
			continue;
		qtest_memset(&r->qtest, at, MIB, (uint8_t)(1 + at / MIB % 0xc0));
		end = lines;
		for (uint64_t page = at; page < at + MIB; page += 0x10000)
			end += sprintf(end, "writeq 0x%llx 0x%llx\n", (unsigned long long)page,
				       (unsigned long long)page + 1);
		qtest_send(&r->qtest, lines);
	}
}

int discard_one(struct discard_run *r, const struct discard_place *place, uint8_t byte,
		uint64_t word)
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

int discard_all(struct discard_run *r, size_t from, size_t to)
{
	for (size_t i = from; i < to; i++)
		if (discard_one(r, &r->places[i], REWRITTEN_BYTE, REWRITTEN_WORD))
			return -1;
	return 0;
}

int discard_set_rate(struct discard_run *r, int64_t rate)
{
	return migration_set(&r->vms[SRC], "max-bandwidth", rate, r->deadline, r->failure);
}

static int start_migration(struct discard_run *r)
{
	return migration_start(&r->migration, &r->migration_config, &r->vms[SRC], r->to,
			       r->deadline, r->failure);
}

int discard_begin(struct discard_run *r, int64_t rate)
{
	struct migration_config *migration = &r->migration_config;
	size_t n = 0;

	if (r->config->ram_size < DISCARD_RAM_SIZE)
		return fail(r->failure, "the discard scenarios need a guest of 64 MiB at least");
	for (size_t i = 0; i < r->n_places; i++)
		r->places[i].length = r->places[i].how == REPORT && r->config->page_size < MIB
					      ? MIB
					      : r->config->page_size;
	*migration = r->config->migration;
	while (migration->caps[n])
		n++;
	if (n < VM_LIST_MAX - 1)
		migration->caps[n] = "pause-before-switchover";
	if (start_pair(r))
		return -1;
	fill(r);
	balloon_start(&r->balloon, &r->qtest, RINGS_AT);
	if (qtest_status(&r->qtest) || discard_set_rate(r, rate) ||
	    migration_set(&r->vms[SRC], "downtime-limit", 0, r->deadline, r->failure))
		return -1;
	return start_migration(r);
}

int discard_begin_again(struct discard_run *r)
{
	struct json_object *info = migration_query(&r->vms[SRC], r->deadline);
	struct failure not_judged = {""};

	json_object_array_add(r->migrations, report_migration(&r->vms[SRC], r->to, info, NULL));
	json_object_put(info);
	vm_quit(r->to, wait_now() + EXIT_TIMEOUT, &not_judged);
	if (start_destination(r, THIRD) || vm_connect(r->to, r->deadline, r->failure))
		return -1;
	return start_migration(r);
}

int discard_wait_paused(struct discard_run *r)
{
	struct qmp *const qmps[] = {&r->vms[SRC].qmp, &r->to->qmp};
	const char *status = r->vms[SRC].qmp.migration_status;

	while (strcmp(status, "pre-switchover")) {
		if (!strcmp(status, "failed") || !qmp_wait(qmps, 2, r->deadline))
			return fail(r->failure,
				    "the migration did not come to the switchover: source %s, "
				    "destination %s",
				    status, r->to->qmp.migration_status);
	}
	return 0;
}

int discard_resume(struct discard_run *r)
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
static int dump(struct discard_run *r, struct vmproc *vm)
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
static int64_t differing(struct discard_run *r, const struct discard_place *place, int src, int dst)
{
	unsigned char *a = malloc(2 * place->length), *b;
	ssize_t length = (ssize_t)place->length;
	uint64_t word = REWRITTEN_WORD;
	int64_t n = 0;

	if (!a)
		return fail(r->failure, "no memory");
	b = a + place->length;
	if (pread(src, a, place->length, (off_t)place->at) != length ||
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
static int judge(struct discard_run *r, const struct comparison *ram, const int64_t differ[],
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

static int compare(struct discard_run *r, struct comparison *ram, struct json_object *places)
{
	int src = dump(r, &r->vms[SRC]), dst = src < 0 ? -1 : dump(r, r->to), ret = -1;
	uint64_t elsewhere;
	int64_t differ[DISCARD_PLACES];

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

int discard_finish(struct discard_run *r)
{
	struct json_object *report, *places = json_object_new_array(), *info;
	struct comparison ram = {0}, *compared = NULL;
	int ret = migration_wait_completed(&r->migration, r->deadline, r->failure);

	if (!ret) {
		ret = compare(r, &ram, places);
		compared = &ram;
	}
	info = r->vms[SRC].qmp.closed ? NULL : migration_query(&r->vms[SRC], r->deadline);
	report = report_migration(&r->vms[SRC], r->to, info, compared);
	json_object_object_add(report, "discarded", places);
	json_object_array_add(r->migrations, report);
	json_object_put(info);
	if (!ret) {
		teardown_wait_all(r->config, &r->vms[SRC], r->migrations);
		teardown_wait_all(r->config, r->to, r->migrations);
	}
	return ret;
}

void discard_init(struct discard_run *r, const struct scenario_config *config, struct vmproc *vms,
		  struct json_object *migrations, int64_t deadline, struct failure *failure)
{
	*r = (struct discard_run){.config = config,
				  .vms = vms,
				  .to = &vms[DST],
				  .migrations = migrations,
				  .deadline = deadline,
				  .failure = failure,
				  .qtest.fd = -1};
}

void discard_release(struct discard_run *r)
{
	qtest_close(&r->qtest);
}
