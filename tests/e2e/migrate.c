// SPDX-License-Identifier: GPL-2.0-or-later
/* Migrates guests between QEMU processes and checks what came of it. See option_rows for how. */
#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <json-c/json.h>

#include "ab/command_line.h"
#include "expect.h"
#include "scenario.h"

#define EXPECTATIONS_MAX 64

struct options {
	struct scenario_config config;
	const struct scenario *scenario;
	const char *expectations[EXPECTATIONS_MAX + 1];
	const char *report, *work_dir, *ram_dir;
	uint64_t repeat;
};

/* The setters have all of struct options, or a field of it. */
static void set_transport(const struct command_line *line, const struct option_row *row,
			  void *field, const char *value)
{
	struct options *o = field;

	(void)row;
	if (strcmp(value, "rdma") && strcmp(value, "tcp") && strcmp(value, "unix"))
		command_line_refuse(line, "no transport %s", value);
	o->config.migration.transport = value;
}

static void set_scenario(const struct command_line *line, const struct option_row *row, void *field,
			 const char *value)
{
	const struct scenario **scenario = field;

	(void)row;
	*scenario = scenario_find(value);
	if (!*scenario)
		command_line_refuse(line, "no scenario %s", value);
}

static void add_touch(const struct command_line *line, const struct option_row *row, void *field,
		      const char *value)
{
	struct scenario_config *c = field;

	if (c->touches == TOUCH_MAX)
		command_line_refuse(line, "too many --%s", row->name);
	option_uint64(line, row, &c->touch[c->touches++], value);
}

static void set_latency(const struct command_line *line, const struct option_row *row, void *field,
			const char *value)
{
	static struct latency latency[VMS];
	struct options *o = field;

	(void)line;
	(void)row;
	(void)value;
	o->config.latency = latency;
}

#define AT(member)	  .offset = offsetof(struct options, member)
#define SRC_AT(member)	  AT(config.src.member)
#define DST_AT(member)	  AT(config.dst.member)
#define BOTH_AT(member)	  SRC_AT(member), .also = offsetof(struct options, config.dst.member)
#define LIST		  .max = (VM_LIST_MAX - 1)
#define MIB_FROM(minimum) .min = (minimum), .max = 1 << 20, .unit = 1 << 20

static const struct option_row option_rows[] = {
	{"transport", "NAME", "rdma (default), tcp or unix", .set = set_transport},
	{"addr", "ADDRESS", "IPv4 address (default RDMATEST_ADDR or 127.0.0.1)", option_string,
	 AT(config.migration.addr)},
	{"qemu-src", "FILE", "the source's QEMU (default qemu-system-x86_64)", option_string,
	 SRC_AT(binary)},
	{"qemu-dst", "FILE", "the destination's QEMU", option_string, DST_AT(binary)},
	{"root-src", "DIR", "run the source in this root directory (needs root)", option_string,
	 SRC_AT(root)},
	{"root-dst", "DIR", "run the destination in this root directory", option_string,
	 DST_AT(root)},
	{"preload-src", "LIST", "the source's LD_PRELOAD", option_string, SRC_AT(preload)},
	{"preload-dst", "LIST", "the destination's LD_PRELOAD", option_string, DST_AT(preload)},
	{"attach-src", "COMMAND",
	 "run this for the source once it answers, with its process number behind", option_string,
	 AT(config.attach_src)},
	{"attach-dst", "COMMAND", "run this for the destination", option_string,
	 AT(config.attach_dst)},
	{"between", "COMMAND",
	 "run this before the second migration of back and cancel-again, for its source",
	 option_string, AT(config.between)},
	{"env-src", "NAME=VALUE", "set in the source's environment; repeatable", option_list,
	 SRC_AT(env), LIST},
	{"env-dst", "NAME=VALUE", "set in the destination's environment; repeatable", option_list,
	 DST_AT(env), LIST},
	{"arg-src", "ARG", "one more argument for the source's QEMU; repeatable", option_list,
	 SRC_AT(extra), LIST},
	{"arg-dst", "ARG", "one more argument for the destination's; repeatable", option_list,
	 DST_AT(extra), LIST},
	{"machine", "TYPE", "machine type (default q35)", option_string, BOTH_AT(machine)},
	{"cap", "NAME", "migration capability, on at both ends; repeatable", option_list,
	 AT(config.migration.caps), LIST},
	{"param", "NAME=NUMBER", "migration parameter of both ends; repeatable", option_list,
	 AT(config.migration.params), LIST},
	{"size", "MIB", "guest RAM in MiB (default 128)", option_uint64, AT(config.ram_size),
	 MIB_FROM(8)},
	{"seed", "NUMBER", "seed of the RAM contents (default 1)", option_uint64,
	 AT(config.pattern.seed), .max = 1e15},
	{"zero-fraction", "F", "fraction of MiBs that are zero (default 0.25)", option_double,
	 AT(config.pattern.zero_fraction), .max = 1},
	{"data", "MIB", "for the scenarios switchover and later: so much of RAM has data",
	 option_uint64, AT(config.data_size), MIB_FROM(1)},
	{"touch", "MIB", "a page for the scenario switchover to write; repeatable", add_touch,
	 AT(config), MIB_FROM(0)},
	{"junk", NULL, "fill the destination's RAM with junk where zeros are due", option_flag,
	 AT(config.junk)},
	{"prealloc", NULL, "have the guest's pages allocated before it is migrated", option_flag,
	 BOTH_AT(prealloc)},
	{"memory", "OBJECT",
	 "memory backend of both ends, without id and size (default a shared file {ram})",
	 option_string, BOTH_AT(memory)},
	{"page-size", "KIB", "its pages (default 4), the least that is discarded", option_uint64,
	 AT(config.page_size), .min = 4, .max = 2048, .unit = 1 << 10},
	{"stale", NULL, "expect what was sent before its discard to be wrong (stock)", option_flag,
	 AT(config.stale)},
	{"scenario", "NAME", "what to do (default plain)", set_scenario, AT(scenario)},
	{"repeat", "N", "run the scenario N times, in new processes (default 1)", option_uint64,
	 AT(repeat), .min = 1, .max = 1e6},
	{"expect", "EXPR", "assertion on every run's report; repeatable", option_list,
	 AT(expectations), .max = EXPECTATIONS_MAX},
	{"report", "FILE", "write a JSON report", option_string, AT(report)},
	{"latency", NULL,
	 "ask source and destination by QMP all the time, and report how long that took",
	 .set = set_latency},
	{"stats", NULL, "set RDMACHUNK_STATS and take the shim's statistics in", option_flag,
	 BOTH_AT(stats)},
	{"timeout", "SECONDS", "for one run of the scenario (default 120)", option_int64,
	 AT(config.timeout), .min = 1, .max = 1e6, .unit = 1000},
	{"work-dir", "DIR", "keep logs here (default: a temporary one, removed)", option_string,
	 AT(work_dir)},
	{"ram-dir", "DIR", "tmpfs for the RAM files (default /dev/shm)", option_string,
	 AT(ram_dir)},
	{"help", NULL, "print this text", .set = option_help},
};

static void list_scenarios(FILE *f)
{
	fprintf(f, "\nScenarios:\n");
	for (const struct scenario *s = scenarios; s->name; s++)
		fprintf(f, "  %-26s %s\n", s->name, s->help);
}

static const struct command_line command_line = {
	.program = "migrate",
	.synopsis =
		"Usage: migrate [OPTION...]\n"
		"Migrate a guest between QEMU processes; exit status 0 only if all is as expected.\n\n",
	.epilogue = list_scenarios,
	.rows = option_rows,
	.n_rows = sizeof(option_rows) / sizeof(option_rows[0]),
	.column = 29,
};

static void set_defaults(struct options *o)
{
	const char *addr = getenv("RDMATEST_ADDR");

	*o = (struct options){.repeat = 1, .ram_dir = "/dev/shm"};
	o->scenario = scenario_find("plain");
	o->config = (struct scenario_config){
		.migration = {.transport = "rdma", .addr = addr ? addr : "127.0.0.1"},
		.src = {.binary = "qemu-system-x86_64", .machine = "q35"},
		.dst = {.binary = "qemu-system-x86_64", .machine = "q35"},
		.pattern = {.seed = 1, .zero_fraction = 0.25},
		.ram_size = 128 << 20,
		.page_size = 4 << 10,
		.timeout = 120000,
	};
}

static int run_once(const struct options *o, const struct scenario_config *config,
		    struct json_object *runs, struct failure *failure)
{
	struct json_object *run = json_object_new_object();
	int ret = scenario_run(o->scenario, config, run, failure);

	for (size_t i = 0; o->expectations[i] && !ret; i++)
		ret = expect_check(run, o->expectations[i], failure);
	json_object_object_add(run, "ok", json_object_new_boolean(!ret));
	json_object_array_add(runs, run);
	return ret;
}

/* The logs' names are known: this removes no file that is not ours. */
static void remove_logs(const char *dir)
{
	static const char *const vms[] = {"src", "dst", "third"};
	static const char *const suffixes[] = {"stdout", "stderr", "counts", "stats"};
	char path[512];

	for (size_t i = 0; i < sizeof(vms) / sizeof(vms[0]); i++) {
		for (size_t j = 0; j < sizeof(suffixes) / sizeof(suffixes[0]); j++) {
			snprintf(path, sizeof(path), "%s/%s.%s", dir, vms[i], suffixes[j]);
			unlink(path);
		}
	}
	snprintf(path, sizeof(path), "%s/live.rom", dir);
	unlink(path);
	rmdir(dir);
}

static int write_report(const struct options *o, struct json_object *runs, struct failure *failure)
{
	struct json_object *report;
	int ret = 0;

	if (!o->report) {
		json_object_put(runs);
		return 0;
	}
	report = json_object_new_object();
	json_object_object_add(report, "scenario", json_object_new_string(o->scenario->name));
	json_object_object_add(report, "transport",
			       json_object_new_string(o->config.migration.transport));
	json_object_object_add(report, "ram_mib",
			       json_object_new_int64((int64_t)(o->config.ram_size >> 20)));
	json_object_object_add(report, "ok", json_object_new_boolean(!failure->text[0]));
	json_object_object_add(report, "reason", json_object_new_string(failure->text));
	json_object_object_add(report, "runs", runs);
	if (json_object_to_file_ext(o->report, report, JSON_C_TO_STRING_PRETTY))
		ret = fail(failure, "cannot write %s", o->report);
	json_object_put(report);
	return ret;
}

int main(int argc, char **argv)
{
	char work_dir[] = "/tmp/rdmachunk-migrate-XXXXXX", ram_dir[256];
	struct json_object *runs = json_object_new_array();
	struct failure failure = {""};
	struct options o;
	int ret = 0;

	set_defaults(&o);
	command_line_parse(&command_line, &o, argc, argv);
	snprintf(ram_dir, sizeof(ram_dir), "%s/rdmachunk-ram-XXXXXX", o.ram_dir);
	if (!mkdtemp(ram_dir) || (!o.work_dir && !mkdtemp(work_dir)) ||
	    (o.work_dir && mkdir(o.work_dir, 0755) && errno != EEXIST)) {
		fprintf(stderr, "migrate: cannot make a directory: %s\n", strerror(errno));
		return 2;
	}
	o.config.dir = o.work_dir ? o.work_dir : work_dir;
	o.config.migration.dir = ram_dir;
	o.config.ram_dir = ram_dir;
	for (uint64_t i = 0; i < o.repeat && !ret; i++) {
		struct scenario_config config = o.config;

		config.pattern.seed += i;
		ret = run_once(&o, &config, runs, &failure);
		if (ret)
			fprintf(stderr, "migrate: run %" PRIu64 ": %s\n", i + 1, failure.text);
	}
	if (write_report(&o, runs, &failure) && !ret) {
		fprintf(stderr, "migrate: %s\n", failure.text);
		ret = -1;
	}
	rmdir(ram_dir);
	if (!o.work_dir)
		remove_logs(work_dir);
	return ret ? 1 : 0;
}
