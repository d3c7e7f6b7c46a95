// SPDX-License-Identifier: GPL-2.0-or-later
#include "switchover.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "arguments.h"
#include "qtest.h"
#include "report.h"

/* A q35 machine that has as much has RAM below 2 GiB and from 4 GiB on. */
#define LOW_RAM	      (UINT64_C(2) << 30)
#define LOW_RAM_LEAST UINT64_C(0xb0000000)
#define HIGH_RAM      (UINT64_C(4) << 30)

uint64_t switchover_address(const struct scenario_config *config, uint64_t at)
{
	return at >= LOW_RAM && config->ram_size >= LOW_RAM_LEAST ? at + HIGH_RAM - LOW_RAM : at;
}

static int start(const struct scenario_config *config, struct vmproc *vm, const char *name,
		 const struct vm_config *vm_config, struct failure *failure)
{
	const struct vm_start how = {
		.dir = config->dir,
		.ram_dir = config->ram_dir,
		.ram_size = config->ram_size,
		.paused = true,
		.incoming = !strcmp(name, "dst"),
	};

	if (vm_prepare(vm, name, &how, failure))
		return -1;
	if (!how.incoming &&
	    (pattern_fill(vm->ram_fd, config->data_size, &config->pattern, failure) ||
	     ftruncate(vm->ram_fd, (off_t)config->ram_size)))
		return -1;
	return vm_start(vm, vm_config, &how, failure);
}

static int start_pair(const struct scenario_config *config, struct vmproc vms[VMS],
		      struct qtest *qtest, int64_t deadline, struct failure *failure)
{
	int inherited = qtest_open(qtest, "src", deadline, failure), ret;
	const char *const more[] = {QTEST_ARGUMENTS(qtest->argument)};
	struct vm_config src = vm_config_with(&config->src, more);

	if (inherited < 0)
		return -1;
	ret = start(config, &vms[SRC], "src", &src, failure);
	close(inherited);
	if (ret || start(config, &vms[DST], "dst", &config->dst, failure) ||
	    vm_connect(&vms[SRC], deadline, failure))
		return -1;
	return vm_connect(&vms[DST], deadline, failure);
}

/* QEMU has the guest stopped, and all is sent but what is written now. */
static int wait_stopped(struct vmproc *vm, int64_t deadline, struct failure *failure)
{
	struct qmp *const qmps[] = {&vm->qmp};

	while (strcmp(vm->qmp.migration_status, "pre-switchover")) {
		if (vm->qmp.closed || !strcmp(vm->qmp.migration_status, "failed") ||
		    !strcmp(vm->qmp.migration_status, "completed") || wait_over(deadline))
			return fail(failure, "the source is '%s', not before the switchover",
				    vm->qmp.migration_status);
		qmp_wait(qmps, 1, deadline);
	}
	return 0;
}

static int touch(const struct scenario_config *config, struct qtest *qtest)
{
	for (size_t i = 0; i < config->touches; i++)
		qtest_write(qtest, switchover_address(config, config->touch[i]), 8,
			    0x0123456789abcdef);
	return qtest_status(qtest);
}

static int go_on(struct vmproc *vm, int64_t deadline, struct failure *failure)
{
	struct json_object *args = json_object_new_object();

	json_object_object_add(args, "state", json_object_new_string("pre-switchover"));
	return qmp_execute(&vm->qmp, "migrate-continue", args, deadline, NULL, failure);
}

static int finish(const struct scenario_config *config, struct migration *m,
		  struct json_object *migrations, int64_t deadline, struct failure *failure)
{
	struct comparison ram;
	struct json_object *info;

	if (migration_wait_completed(m, deadline, failure) ||
	    pattern_compare(m->from->ram_fd, m->to->ram_fd, config->ram_size, &ram, failure))
		return -1;
	info = migration_query(m->from, deadline);
	json_object_array_add(migrations, report_migration(m->from, m->to, info, &ram));
	json_object_put(info);
	if (ram.differing_bytes)
		return fail(failure, "RAM of src and dst differs in %llu bytes, first at 0x%llx",
			    (unsigned long long)ram.differing_bytes,
			    (unsigned long long)ram.first_difference);
	return 0;
}

int switchover_run(const struct scenario_config *config, struct vmproc vms[VMS],
		   struct json_object *migrations, int64_t deadline, struct failure *failure)
{
	struct migration_config with = config->migration;
	struct migration m;
	struct qtest qtest;
	size_t n = 0;
	int ret;

	while (with.caps[n])
		n++;
	if (n + 1 >= VM_LIST_MAX || !config->data_size)
		return fail(failure, "the scenario switchover needs --data");
	with.caps[n] = "pause-before-switchover";
	with.caps[n + 1] = NULL;
	ret = start_pair(config, vms, &qtest, deadline, failure) ||
	      migration_start(&m, &with, &vms[SRC], &vms[DST], deadline, failure) ||
	      migration_set(&vms[SRC], "max-bandwidth", MIGRATION_UNLIMITED, deadline, failure) ||
	      wait_stopped(&vms[SRC], deadline, failure) || touch(config, &qtest) ||
	      go_on(&vms[SRC], deadline, failure) ||
	      finish(config, &m, migrations, deadline, failure);
	qtest_close(&qtest);
	return ret ? -1 : 0;
}
