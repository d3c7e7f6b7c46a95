// SPDX-License-Identifier: GPL-2.0-or-later
#include "sparse.h"

#include <unistd.h>

#include "arguments.h"
#include "qtest.h"
#include "report.h"
#include "switchover.h"
#include "teardown.h"

#define MIB   (UINT64_C(1) << 20)
#define EVERY (64 * MIB)
/* Of each: not in the first MiB of RAM, where a PC has other things. */
#define AT   (5 * MIB)
#define PAGE UINT64_C(4096)

/* The word of the page at @at, and of none. */
static uint64_t word_at(uint64_t at)
{
	return UINT64_C(0x0123456789abcdef) ^ at;
}

static int start(const struct scenario_config *config, struct vmproc *vm, int which,
		 const struct vm_config *vm_config, struct qtest *qtest, int64_t deadline,
		 struct failure *failure)
{
	static const char *const names[] = {"src", "dst"};
	const struct vm_start how = {
		.dir = config->dir,
		.ram_dir = config->ram_dir,
		.ram_size = config->ram_size,
		.paused = true,
		.incoming = which == DST,
	};
	int inherited = qtest_open(qtest, names[which], deadline, failure), ret;
	const char *const more[] = {QTEST_ARGUMENTS(qtest->argument)};
	struct vm_config with = vm_config_with(vm_config, more);

	if (inherited < 0)
		return -1;
	with.memory = "memory-backend-ram";
	ret = vm_prepare(vm, names[which], &how, failure) || vm_start(vm, &with, &how, failure);
	close(inherited);
	return ret ? -1 : vm_connect(vm, deadline, failure);
}

/* The first and the last word of each such page. */
static int write_pages(const struct scenario_config *config, struct qtest *qtest)
{
	for (uint64_t at = AT; at < config->ram_size; at += EVERY) {
		uint64_t address = switchover_address(config, at);

		qtest_write(qtest, address, 8, word_at(at));
		qtest_write(qtest, address + PAGE - 8, 8, ~word_at(at));
	}
	return qtest_status(qtest);
}

static int check_pages(const struct scenario_config *config, struct qtest *qtest,
		       struct failure *failure)
{
	for (uint64_t at = AT; at < config->ram_size; at += EVERY) {
		uint64_t address = switchover_address(config, at);

		if (qtest_read(qtest, address, 8) != word_at(at) ||
		    qtest_read(qtest, address + PAGE - 8, 8) != ~word_at(at) ||
		    qtest_read(qtest, address + PAGE, 8))
			return qtest_status(qtest)
				       ? -1
				       : fail(failure, "dst: wrong in the page at 0x%llx",
					      (unsigned long long)at);
	}
	return 0;
}

static int migrate(const struct scenario_config *config, struct vmproc vms[VMS],
		   struct json_object *migrations, int64_t deadline, struct failure *failure)
{
	struct json_object *info;
	struct migration m;

	if (migration_start(&m, &config->migration, &vms[SRC], &vms[DST], deadline, failure) ||
	    migration_set(&vms[SRC], "max-bandwidth", MIGRATION_UNLIMITED, deadline, failure) ||
	    migration_wait_completed(&m, deadline, failure))
		return -1;
	info = migration_query(&vms[SRC], deadline);
	json_object_array_add(migrations, report_migration(&vms[SRC], &vms[DST], info, NULL));
	json_object_put(info);
	teardown_wait_all(config, &vms[SRC], migrations);
	teardown_wait_all(config, &vms[DST], migrations);
	return 0;
}

int sparse_run(const struct scenario_config *config, struct vmproc vms[VMS],
	       struct json_object *migrations, int64_t deadline, struct failure *failure)
{
	struct qtest qtest[2] = {{.fd = -1}, {.fd = -1}};
	int ret;

	ret = start(config, &vms[SRC], SRC, &config->src, &qtest[SRC], deadline, failure) ||
	      start(config, &vms[DST], DST, &config->dst, &qtest[DST], deadline, failure) ||
	      write_pages(config, &qtest[SRC]) ||
	      migrate(config, vms, migrations, deadline, failure) ||
	      check_pages(config, &qtest[DST], failure);
	qtest_close(&qtest[SRC]);
	qtest_close(&qtest[DST]);
	return ret ? -1 : 0;
}
