// SPDX-License-Identifier: GPL-2.0-or-later
#include "scenario.h"

#include <endian.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <sys/stat.h>

#include "arguments.h"
#include "attach.h"
#include "discard.h"
#include "liverom.h"
#include "report.h"
#include "sparse.h"
#include "switchover.h"
#include "teardown.h"

static const char *const vm_names[VMS] = {"src", "dst", "third"};

/* A process that has not started to exit by then is not going to. */
#define EXIT_TIMEOUT 20000

static struct vm_start start_of(const struct scenario_config *config, const char *bios)
{
	return (struct vm_start){
		.dir = config->dir,
		.ram_dir = config->ram_dir,
		.ram_size = config->ram_size,
		.paused = true,
		.bios = bios,
	};
}

/* With a monitor to ask it on, where that is wanted. */
static int start_vm(const struct scenario_config *config, struct vmproc *vm, int which,
		    const struct vm_config *vm_config, const struct vm_start *start,
		    struct failure *failure)
{
	struct latency *latency =
		config->latency && which != THIRD ? &config->latency[which] : NULL;
	const char *const more[] = {LATENCY_ARGUMENTS(latency ? latency->argument : NULL)};
	struct vm_config with;
	int inherited, ret;

	if (!latency)
		return vm_start(vm, vm_config, start, failure);
	inherited = latency_open(latency, failure);
	if (inherited < 0)
		return -1;
	with = vm_config_with(vm_config, more);
	ret = vm_start(vm, &with, start, failure);
	close(inherited);
	return ret;
}

static int start_source(const struct scenario_config *config, struct vmproc *vm,
			const struct vm_start *start, struct failure *failure)
{
	if (vm_prepare(vm, vm_names[SRC], start, failure) ||
	    pattern_fill(vm->ram_fd, start->ram_size, &config->pattern, failure))
		return -1;
	return start_vm(config, vm, SRC, &config->src, start, failure);
}

static int start_destination(const struct scenario_config *config, struct vmproc *vm, int which,
			     const struct vm_config *vm_config, const char *bios,
			     struct failure *failure)
{
	struct vm_start start = start_of(config, bios);

	start.incoming = true;
	if (vm_prepare(vm, vm_names[which], &start, failure))
		return -1;
	if (config->junk &&
	    pattern_fill_junk(vm->ram_fd, start.ram_size, &config->pattern, failure))
		return -1;
	return start_vm(config, vm, which, vm_config, &start, failure);
}

static int connect_pair(const struct scenario_config *config, struct vmproc vms[], int64_t deadline,
			struct failure *failure)
{
	if (attach_connect(config->attach_src, &vms[SRC], config->src.stats, deadline, failure))
		return -1;
	return attach_connect(config->attach_dst, &vms[DST], config->dst.stats, deadline, failure);
}

/* Start the first two processes, at the same time. */
static int start_pair(const struct scenario_config *config, struct vmproc vms[], int64_t deadline,
		      struct failure *failure)
{
	struct vm_start start = start_of(config, NULL);

	if (start_source(config, &vms[SRC], &start, failure) ||
	    start_destination(config, &vms[DST], DST, &config->dst, NULL, failure))
		return -1;
	if (connect_pair(config, vms, deadline, failure))
		return -1;
	for (int i = SRC; i <= DST && config->latency; i++)
		if (latency_start(&config->latency[i], vm_names[i], deadline, failure))
			return -1;
	return 0;
}

static int check_ram(const struct scenario_config *config, struct vmproc *from, struct vmproc *to,
		     struct comparison *ram, struct failure *failure)
{
	if (pattern_compare(from->ram_fd, to->ram_fd, config->ram_size, ram, failure))
		return -1;
	if (ram->differing_bytes)
		return fail(failure, "RAM of %s and %s differs in %llu bytes, first at 0x%llx",
			    from->name, to->name, (unsigned long long)ram->differing_bytes,
			    (unsigned long long)ram->first_difference);
	return 0;
}

/* From a started migration to identical RAM, reported. */
static int finish_migration(const struct scenario_config *config, struct migration *m,
			    struct json_object *migrations, int64_t deadline,
			    struct failure *failure)
{
	struct comparison ram, *compared = NULL;
	struct json_object *info;
	int ret;

	ret = migration_wait_completed(m, deadline, failure);
	if (!ret) {
		ret = check_ram(config, m->from, m->to, &ram, failure);
		compared = &ram;
	}
	info = m->from->qmp.closed ? NULL : migration_query(m->from, deadline);
	json_object_array_add(migrations, report_migration(m->from, m->to, info, compared));
	json_object_put(info);
	if (!ret) {
		teardown_wait_all(config, m->from, migrations);
		teardown_wait_all(config, m->to, migrations);
	}
	return ret;
}

static struct json_object *last_of(struct json_object *array)
{
	return json_object_array_get_idx(array, json_object_array_length(array) - 1);
}

static int migrate(const struct scenario_config *config, struct vmproc *from, struct vmproc *to,
		   struct json_object *migrations, int64_t deadline, struct failure *failure)
{
	double before = vm_cpu_seconds(from);
	struct migration m;

	if (migration_start(&m, &config->migration, from, to, deadline, failure) ||
	    migration_set(from, "max-bandwidth", MIGRATION_UNLIMITED, deadline, failure) ||
	    finish_migration(config, &m, migrations, deadline, failure))
		return -1;
	json_object_object_add(last_of(migrations), "from_cpu_seconds",
			       json_object_new_double(vm_cpu_seconds(from) - before));
	return 0;
}

static int run_plain(const struct scenario_config *config, struct vmproc vms[3],
		     struct json_object *migrations, int64_t deadline, struct failure *failure)
{
	if (start_pair(config, vms, deadline, failure))
		return -1;
	return migrate(config, &vms[SRC], &vms[DST], migrations, deadline, failure);
}

static int run_back(const struct scenario_config *config, struct vmproc vms[3],
		    struct json_object *migrations, int64_t deadline, struct failure *failure)
{
	if (run_plain(config, vms, migrations, deadline, failure) ||
	    vm_quit(&vms[SRC], deadline, failure) ||
	    attach_run(config->between, &vms[DST], config->dst.stats, failure) ||
	    start_destination(config, &vms[THIRD], THIRD, &config->src, NULL, failure) ||
	    vm_connect(&vms[THIRD], deadline, failure))
		return -1;
	return migrate(config, &vms[DST], &vms[THIRD], migrations, deadline, failure);
}

/*
 * Throttled to an eighth of the RAM each second, and cancelled after a quarter of it: in between
 * lie seconds, which no load of the machine shortens.
 */
static int cancel_in_the_middle(const struct scenario_config *config, struct vmproc vms[3],
				struct json_object *migrations, int64_t deadline,
				struct failure *failure)
{
	int64_t rate = (int64_t)(config->ram_size / 8);
	struct json_object *info;
	struct migration m;
	char state[40];

	if (migration_set(&vms[SRC], "max-bandwidth", rate, deadline, failure) ||
	    migration_start(&m, &config->migration, &vms[SRC], &vms[DST], deadline, failure) ||
	    migration_wait_progress(&m, config->ram_size / 4, deadline, failure) ||
	    migration_cancel(&m, deadline, failure))
		return -1;
	info = migration_query(&vms[SRC], deadline);
	json_object_array_add(migrations, report_migration(&vms[SRC], &vms[DST], info, NULL));
	json_object_put(info);
	if (migration_run_state(&vms[SRC], state, sizeof(state), deadline, failure))
		return -1;
	if (strcmp(state, "prelaunch") && strcmp(state, "paused"))
		return fail(failure, "after the cancel the source is in run state '%s'", state);
	return 0;
}

/* Some versions of QEMU exit when an incoming migration breaks off, others wait for more. */
static void end_destination(const struct scenario_config *config, struct vmproc *vm,
			    int64_t deadline)
{
	struct failure not_judged = {""};

	if (config->latency)
		latency_stop(&config->latency[DST]);
	if (vm->qmp.closed)
		vm_wait_exit(vm, deadline, &not_judged);
	else
		vm_quit(vm, deadline, &not_judged);
}

/* The software verbs' faults are those of a process: the third one is to have none. */
static struct vm_config without_faults(const struct vm_config *config)
{
	struct vm_config clean = *config;
	size_t kept = 0;

	for (size_t i = 0; config->env[i]; i++)
		if (strncmp(config->env[i], "RDMAFABRIC_FAULT=", strlen("RDMAFABRIC_FAULT=")))
			clean.env[kept++] = config->env[i];
	clean.env[kept] = NULL;
	return clean;
}

static int run_cancel_again(const struct scenario_config *config, struct vmproc vms[3],
			    struct json_object *migrations, int64_t deadline,
			    struct failure *failure)
{
	struct vm_config third = without_faults(&config->dst);

	if (start_pair(config, vms, deadline, failure) ||
	    cancel_in_the_middle(config, vms, migrations, deadline, failure))
		return -1;
	end_destination(config, &vms[DST], wait_now() + EXIT_TIMEOUT);
	if (attach_run(config->between, &vms[SRC], config->src.stats, failure) ||
	    start_destination(config, &vms[THIRD], THIRD, &third, NULL, failure) ||
	    vm_connect(&vms[THIRD], deadline, failure))
		return -1;
	return migrate(config, &vms[SRC], &vms[THIRD], migrations, deadline, failure);
}

/* With a fault in force, a migration has to have completed or failed by then. */
#define FAULT_TIMEOUT 30000

/*
 * A source that waits for a message on a dead connection is never told: QEMU then leaves it to the
 * user to cancel. We do so when the other end has been gone for this long.
 */
#define FAULT_GRACE 3000

/* A destination that a fault has caught gets so long to end by itself. */
#define FAULT_EXIT_TIMEOUT 1000

/* QEMU says why the migration has failed. */
static int check_reason(const struct vmproc *vm, struct json_object *info, struct failure *failure)
{
	struct stat err;

	if (json_object_object_get_ex(info, "error-desc", NULL) ||
	    (!stat(vm->err, &err) && err.st_size))
		return 0;
	return fail(failure, "the source does not say why the migration failed");
}

/*
 * The source is as it was before, or, if the fault came as late as that, stopped for good by the
 * migration; then it can be resumed, and so migrated again.
 */
static int recover(struct vmproc *vm, int64_t deadline, struct failure *failure)
{
	struct qmp *const qmps[] = {&vm->qmp};
	char state[40];

	/* The run state follows the migration's a moment later, without an event of its own. */
	for (;;) {
		if (migration_run_state(vm, state, sizeof(state), deadline, failure))
			return -1;
		if (strcmp(state, "finish-migrate") || wait_over(deadline))
			break;
		qmp_wait(qmps, 1, wait_now() + 10);
	}
	if (!strcmp(state, "prelaunch") || !strcmp(state, "paused"))
		return 0;
	if (strcmp(state, "postmigrate"))
		return fail(failure, "after the fault the source is in run state '%s'", state);
	if (qmp_execute(&vm->qmp, "cont", NULL, deadline, NULL, failure))
		return -1;
	return qmp_execute(&vm->qmp, "stop", NULL, deadline, NULL, failure);
}

static bool is_over(const struct vmproc *vm)
{
	const char *status = vm->qmp.migration_status;

	return vm->qmp.closed || !strcmp(status, "failed") || !strcmp(status, "completed");
}

/* Wait for the source to complete or fail, or cancel it if only the destination ever does. */
static int wait_fault(struct migration *m, int64_t deadline, struct failure *failure)
{
	struct qmp *const qmps[] = {&m->from->qmp, &m->to->qmp};
	int64_t cancel = deadline;

	while (!is_over(m->from) && wait_now() < cancel) {
		if (is_over(m->to) && cancel == deadline)
			cancel = wait_now() + FAULT_GRACE;
		/* Without the destination's connection there is one end less to wait for. */
		qmp_wait(qmps, m->to->qmp.closed ? 1 : 2, cancel);
	}
	if (is_over(m->from))
		return 0;
	if (is_over(m->to))
		return migration_cancel(m, wait_now() + FAULT_GRACE, failure);
	return fail(failure,
		    "with the fault the migration did not end in time: source %s, destination %s",
		    m->from->qmp.migration_status, m->to->qmp.migration_status);
}

/* Completed with identical RAM, or failed properly: nothing else, and in time. */
static int migrate_with_fault(const struct scenario_config *config, struct vmproc vms[3],
			      struct json_object *migrations, struct failure *failure)
{
	int64_t deadline = wait_now() + FAULT_TIMEOUT;
	struct vmproc *from = &vms[SRC];
	struct failure why = {""};
	struct json_object *info;
	struct migration m;
	int ret;

	/* The fault may be in the part of it that comes before the answer. */
	if (!migration_start(&m, &config->migration, from, &vms[DST], deadline, &why))
		migration_set(from, "max-bandwidth", MIGRATION_UNLIMITED, deadline, &why);
	if (!why.text[0] && wait_fault(&m, deadline, failure))
		return -1;
	if (!strcmp(from->qmp.migration_status, "completed")) {
		if (finish_migration(config, &m, migrations, deadline, failure))
			return -1;
		return recover(from, deadline, failure);
	}
	info = migration_query(from, deadline);
	if (!info)
		return fail(failure, "the source does not answer: %s", why.text);
	json_object_array_add(migrations, report_migration(from, &vms[DST], info, NULL));
	if (report_has_status(info, "cancelled"))
		ret = 0;
	else if (report_has_status(info, "failed"))
		ret = check_reason(from, info, failure);
	else
		ret = fail(failure, "the migration did not begin: %s", why.text);
	if (!ret)
		ret = recover(from, deadline, failure);
	json_object_put(info);
	return ret;
}

static int run_fault_again(const struct scenario_config *config, struct vmproc vms[3],
			   struct json_object *migrations, int64_t deadline,
			   struct failure *failure)
{
	struct vm_config third = without_faults(&config->dst);
	size_t connections;

	if (start_pair(config, vms, deadline, failure) ||
	    migrate_with_fault(config, vms, migrations, failure))
		return -1;
	end_destination(config, &vms[DST], wait_now() + FAULT_EXIT_TIMEOUT);
	vm_release(&vms[DST]);
	if (start_destination(config, &vms[THIRD], THIRD, &third, NULL, failure) ||
	    vm_connect(&vms[THIRD], deadline, failure))
		return -1;
	connections = teardown_count(&vms[SRC]);
	if (migrate(config, &vms[SRC], &vms[THIRD], migrations, deadline, failure))
		return -1;
	teardown_wait(config, &vms[SRC], connections + 1);
	return 0;
}

/* The destination ends by itself, too, and has its say before that. */
static int wait_over_there(struct vmproc *vm, int64_t deadline, struct failure *failure)
{
	struct qmp *const qmps[] = {&vm->qmp};

	while (!is_over(vm))
		if (!qmp_wait(qmps, 1, deadline))
			return fail(failure, "the source has failed, the destination is '%s'",
				    vm->qmp.migration_status);
	return 0;
}

/* To a failure of the migration, or until QEMU refuses to begin: then with the reason it gives. */
static int migrate_in_vain(const struct scenario_config *config, struct vmproc vms[3],
			   struct json_object *migrations, struct failure *failure)
{
	int64_t deadline = wait_now() + FAULT_TIMEOUT;
	struct json_object *info, *entry;
	struct failure refusal = {""};
	struct vmproc *from = &vms[SRC];
	struct migration m;
	int ret;

	ret = migration_start(&m, &config->migration, from, &vms[DST], deadline, &refusal);
	if (!ret &&
	    (wait_fault(&m, deadline, failure) || wait_over_there(&vms[DST], deadline, failure)))
		return -1;
	info = migration_query(from, deadline);
	if (!info)
		return fail(failure, "the source does not answer");
	if (ret)
		json_object_object_add(info, "status", json_object_new_string("refused"));
	entry = report_migration(from, &vms[DST], info, NULL);
	json_object_array_add(migrations, entry);
	json_object_object_add(entry, "refusal", json_object_new_string(refusal.text));
	if (!ret && !report_has_status(info, "failed"))
		ret = fail(failure, "the migration is '%s', and not failed",
			   from->qmp.migration_status);
	else
		ret = recover(from, deadline, failure);
	json_object_put(info);
	return ret;
}

static int run_fails(const struct scenario_config *config, struct vmproc vms[3],
		     struct json_object *migrations, int64_t deadline, struct failure *failure)
{
	struct scenario_config without = *config;
	size_t connections;

	if (start_pair(config, vms, deadline, failure) ||
	    migrate_in_vain(config, vms, migrations, failure) ||
	    migration_set_capabilities(&vms[SRC], &config->migration, false, deadline, failure))
		return -1;
	end_destination(config, &vms[DST], wait_now() + FAULT_EXIT_TIMEOUT);
	vm_release(&vms[DST]);
	without.migration.caps[0] = NULL;
	if (start_destination(&without, &vms[THIRD], THIRD, &config->dst, NULL, failure) ||
	    vm_connect(&vms[THIRD], deadline, failure))
		return -1;
	connections = teardown_count(&vms[SRC]);
	if (migrate(&without, &vms[SRC], &vms[THIRD], migrations, deadline, failure))
		return -1;
	teardown_wait(&without, &vms[SRC], connections + 1);
	return 0;
}

static uint32_t live_counter(const struct vmproc *vm)
{
	uint32_t counter = 0;

	if (pread(vm->ram_fd, &counter, sizeof(counter), LIVEROM_COUNTER) != sizeof(counter))
		return 0;
	return le32toh(counter);
}

/* Wait until the guest program has counted on from @from. */
static int wait_counting(struct vmproc *vm, uint32_t from, int64_t deadline,
			 struct failure *failure)
{
	struct qmp *const qmps[] = {&vm->qmp};

	while (live_counter(vm) == from) {
		if (vm->qmp.closed || wait_now() >= deadline)
			return fail(failure, "%s: the guest does not run", vm->name);
		/* The guest cannot signal us: between two looks, wait for anything QEMU says. */
		qmp_wait(qmps, 1, wait_now() + 10);
	}
	return 0;
}

/* RAM passes before the downtime limit lets the migration end. */
#define LIVE_PASSES 3

static int run_live(const struct scenario_config *config, struct vmproc vms[3],
		    struct json_object *migrations, int64_t deadline, struct failure *failure)
{
	struct vm_start start;
	uint32_t counter;
	struct migration m;
	char bios[300];

	snprintf(bios, sizeof(bios), "%s/live.rom", config->dir);
	if (liverom_write(bios, config->ram_size, failure))
		return -1;
	start = start_of(config, bios);
	start.paused = false;
	if (start_source(config, &vms[SRC], &start, failure) ||
	    start_destination(config, &vms[DST], DST, &config->dst, bios, failure) ||
	    connect_pair(config, vms, deadline, failure))
		return -1;
	counter = live_counter(&vms[SRC]);
	/* A limit too small to reach first, so that pages are sent again; then one easy to reach.
	 */
	if (wait_counting(&vms[SRC], counter, deadline, failure) ||
	    migration_set(&vms[SRC], "downtime-limit", 1, deadline, failure) ||
	    migration_start(&m, &config->migration, &vms[SRC], &vms[DST], deadline, failure) ||
	    migration_set(&vms[SRC], "max-bandwidth", MIGRATION_UNLIMITED, deadline, failure) ||
	    migration_wait_pass(&m, LIVE_PASSES, deadline, failure) ||
	    migration_set(&vms[SRC], "downtime-limit", 60000, deadline, failure) ||
	    finish_migration(config, &m, migrations, deadline, failure))
		return -1;
	counter = live_counter(&vms[DST]);
	if (qmp_execute(&vms[DST].qmp, "cont", NULL, deadline, NULL, failure))
		return -1;
	return wait_counting(&vms[DST], counter, deadline, failure);
}

/* Both are told to end as soon as the migration has completed; QEMU has its connections still. */
static int quit_at_once(const struct scenario_config *config, struct vmproc vms[3], bool by_signal,
			struct json_object *migrations, int64_t deadline, struct failure *failure)
{
	struct failure closed = {""};
	struct comparison ram;
	struct migration m;

	if (start_pair(config, vms, deadline, failure) ||
	    migration_start(&m, &config->migration, &vms[SRC], &vms[DST], deadline, failure) ||
	    migration_set(&vms[SRC], "max-bandwidth", MIGRATION_UNLIMITED, deadline, failure) ||
	    migration_wait_completed(&m, deadline, failure))
		return -1;
	for (int i = SRC; i <= DST; i++) {
		if (by_signal)
			kill(vms[i].pid, SIGTERM);
		else /* It may not answer any more. */
			qmp_execute(&vms[i].qmp, "quit", NULL, deadline, NULL, &closed);
	}
	if (vm_wait_exit(&vms[SRC], deadline, failure) ||
	    vm_wait_exit(&vms[DST], deadline, failure) ||
	    check_ram(config, &vms[SRC], &vms[DST], &ram, failure))
		return -1;
	json_object_array_add(migrations, report_migration(&vms[SRC], &vms[DST], NULL, &ram));
	return 0;
}

static int run_quit(const struct scenario_config *config, struct vmproc vms[3],
		    struct json_object *migrations, int64_t deadline, struct failure *failure)
{
	return quit_at_once(config, vms, false, migrations, deadline, failure);
}

static int run_terminate(const struct scenario_config *config, struct vmproc vms[3],
			 struct json_object *migrations, int64_t deadline, struct failure *failure)
{
	return quit_at_once(config, vms, true, migrations, deadline, failure);
}

const struct scenario scenarios[] = {
	{"plain", "migrate once", run_plain, false},
	{"back", "migrate, then the destination migrates into a third process", run_back, false},
	{"cancel-again", "cancel in the middle, then migrate to a third process", run_cancel_again,
	 true},
	{"fault-again", "migrate with faults, then without them to a third process",
	 run_fault_again, true},
	{"fails", "migrate in vain, then without the capabilities to a third process", run_fails,
	 true},
	{"live", "migrate a guest that keeps writing to its memory", run_live, false},
	{"discard-zero", "QEMU discards zero pages that are then written", discard_run_zero, false},
	{"discard-written", "QEMU discards pages already sent that are then written again",
	 discard_run_written, false},
	{"discard-queued", "QEMU discards pages while they are sent; then they are written again",
	 discard_run_queued, false},
	{"discard-many", "QEMU discards pages that are then written, again and again",
	 discard_run_many, false},
	{"discard-cancel", "the same, cancelled in the middle, then to a third process",
	 discard_run_cancel, true},
	{"quit", "migrate, and have both quit at once", run_quit, false},
	{"terminate", "migrate, and send SIGTERM to both at once", run_terminate, false},
	{"sparse", "migrate a guest of anonymous memory, a page in each 64 MiB of which has data",
	 sparse_run, false},
	{"switchover", "write pages when the guest has been stopped", switchover_run, false},
	{"later", "write memory that had no data when QEMU came by", switchover_run_later, false},
	{NULL, NULL, NULL, false},
};

const struct scenario *scenario_find(const char *name)
{
	for (const struct scenario *s = scenarios; s->name; s++)
		if (!strcmp(s->name, name))
			return s;
	return NULL;
}

/* Everybody has to exit with status 0, but for the destination of one that was broken off. */
static int end_processes(const struct scenario *scenario, struct vmproc vms[3],
			 struct failure *failure)
{
	int ret = 0;

	for (int i = 0; i < VMS; i++) {
		if (vms[i].pid && !failure->text[0])
			ret |= vm_quit(&vms[i], wait_now() + EXIT_TIMEOUT, failure);
		if (!vms[i].exited || !vms[i].exit_status || (i == DST && scenario->broken_off))
			continue;
		ret |= fail(failure, "%s: QEMU ended with wait status 0x%x", vms[i].name,
			    (unsigned int)vms[i].exit_status);
	}
	return ret;
}

int scenario_run(const struct scenario *scenario, const struct scenario_config *config,
		 struct json_object *report, struct failure *failure)
{
	struct json_object *migrations = json_object_new_array(), *process;
	struct vmproc vms[VMS] = {0};
	int ret;

	json_object_object_add(report, "migrations", migrations);
	ret = scenario->run(config, vms, migrations, wait_now() + config->timeout, failure);
	for (int i = 0; i < VMS && config->latency; i++)
		latency_stop(&config->latency[i]);
	ret |= end_processes(scenario, vms, failure);
	for (int i = 0; i < VMS; i++) {
		vm_release(&vms[i]);
		if (!vms[i].exited)
			continue;
		process = report_process(&vms[i]);
		if (config->latency && i != THIRD)
			json_object_object_add(process, "qmp", latency_report(&config->latency[i]));
		json_object_object_add(report, vm_names[i], process);
	}
	report_scan_share(report);
	return ret ? -1 : 0;
}
