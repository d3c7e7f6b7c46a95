// SPDX-License-Identifier: GPL-2.0-or-later
/* Migrates guests between QEMU processes and checks what came of it. See usage() for how. */
#include <errno.h>
#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <json-c/json.h>

#include "expect.h"
#include "scenario.h"

#define EXPECTATIONS_MAX 64

struct options {
	struct scenario_config config;
	const struct scenario *scenario;
	const char *expectations[EXPECTATIONS_MAX + 1];
	const char *report, *work_dir, *ram_dir;
	unsigned long repeat;
};

enum {
	OPT_TRANSPORT = 256,
	OPT_ADDR,
	OPT_QEMU_SRC,
	OPT_QEMU_DST,
	OPT_ROOT_SRC,
	OPT_ROOT_DST,
	OPT_PRELOAD_SRC,
	OPT_PRELOAD_DST,
	OPT_ENV_SRC,
	OPT_ENV_DST,
	OPT_ARG_SRC,
	OPT_ARG_DST,
	OPT_MACHINE,
	OPT_CAP,
	OPT_PARAM,
	OPT_SIZE,
	OPT_SEED,
	OPT_ZERO_FRACTION,
	OPT_DATA,
	OPT_TOUCH,
	OPT_JUNK,
	OPT_PREALLOC,
	OPT_MEMORY,
	OPT_PAGE_SIZE,
	OPT_STALE,
	OPT_SCENARIO,
	OPT_REPEAT,
	OPT_EXPECT,
	OPT_REPORT,
	OPT_STATS,
	OPT_TIMEOUT,
	OPT_WORK_DIR,
	OPT_RAM_DIR,
	OPT_HELP,
};

/* One table for parsing and for help. */
static const struct {
	const char *name;
	int value;
	const char *argument, *help;
} option_table[] = {
	{"transport", OPT_TRANSPORT, "NAME", "rdma (default), tcp or unix"},
	{"addr", OPT_ADDR, "ADDRESS", "IPv4 address (default RDMATEST_ADDR or 127.0.0.1)"},
	{"qemu-src", OPT_QEMU_SRC, "FILE", "the source's QEMU (default qemu-system-x86_64)"},
	{"qemu-dst", OPT_QEMU_DST, "FILE", "the destination's QEMU"},
	{"root-src", OPT_ROOT_SRC, "DIR", "run the source in this root directory (needs root)"},
	{"root-dst", OPT_ROOT_DST, "DIR", "run the destination in this root directory"},
	{"preload-src", OPT_PRELOAD_SRC, "LIST", "the source's LD_PRELOAD"},
	{"preload-dst", OPT_PRELOAD_DST, "LIST", "the destination's LD_PRELOAD"},
	{"env-src", OPT_ENV_SRC, "NAME=VALUE", "set in the source's environment; repeatable"},
	{"env-dst", OPT_ENV_DST, "NAME=VALUE", "set in the destination's environment; repeatable"},
	{"arg-src", OPT_ARG_SRC, "ARG", "one more argument for the source's QEMU; repeatable"},
	{"arg-dst", OPT_ARG_DST, "ARG", "one more argument for the destination's; repeatable"},
	{"machine", OPT_MACHINE, "TYPE", "machine type (default q35)"},
	{"cap", OPT_CAP, "NAME", "migration capability, on at both ends; repeatable"},
	{"param", OPT_PARAM, "NAME=NUMBER", "migration parameter of both ends; repeatable"},
	{"size", OPT_SIZE, "MIB", "guest RAM in MiB (default 128)"},
	{"seed", OPT_SEED, "NUMBER", "seed of the RAM contents (default 1)"},
	{"zero-fraction", OPT_ZERO_FRACTION, "F", "fraction of MiBs that are zero (default 0.25)"},
	{"data", OPT_DATA, "MIB", "for the scenario switchover: so much of RAM has data"},
	{"touch", OPT_TOUCH, "MIB", "a page for the scenario switchover to write; repeatable"},
	{"junk", OPT_JUNK, NULL, "fill the destination's RAM with junk where zeros are due"},
	{"prealloc", OPT_PREALLOC, NULL, "have the guest's pages allocated before it is migrated"},
	{"memory", OPT_MEMORY, "OBJECT",
	 "memory backend of both ends, without id and size (default a shared file {ram})"},
	{"page-size", OPT_PAGE_SIZE, "KIB", "its pages (default 4), the least that is discarded"},
	{"stale", OPT_STALE, NULL, "expect what was sent before its discard to be wrong (stock)"},
	{"scenario", OPT_SCENARIO, "NAME", "what to do (default plain)"},
	{"repeat", OPT_REPEAT, "N", "run the scenario N times, in new processes (default 1)"},
	{"expect", OPT_EXPECT, "EXPR", "assertion on every run's report; repeatable"},
	{"report", OPT_REPORT, "FILE", "write a JSON report"},
	{"stats", OPT_STATS, NULL, "set RDMACHUNK_STATS and take the shim's statistics in"},
	{"timeout", OPT_TIMEOUT, "SECONDS", "for one run of the scenario (default 120)"},
	{"work-dir", OPT_WORK_DIR, "DIR", "keep logs here (default: a temporary one, removed)"},
	{"ram-dir", OPT_RAM_DIR, "DIR", "tmpfs for the RAM files (default /dev/shm)"},
	{"help", OPT_HELP, NULL, "print this text"},
};

#define N_OPTIONS (sizeof(option_table) / sizeof(option_table[0]))

static void usage(FILE *f)
{
	fprintf(f,
		"Usage: migrate [OPTION...]\n"
		"Migrate a guest between QEMU processes; exit status 0 only if all is as expected."
		"\n\n");
	for (size_t i = 0; i < N_OPTIONS; i++) {
		char left[48];

		snprintf(left, sizeof(left), "--%s %s", option_table[i].name,
			 option_table[i].argument ? option_table[i].argument : "");
		fprintf(f, "  %-26s %s\n", left, option_table[i].help);
	}
	fprintf(f, "\nScenarios:\n");
	for (const struct scenario *s = scenarios; s->name; s++)
		fprintf(f, "  %-26s %s\n", s->name, s->help);
}

static void append(const char *list[], size_t max, const char *value, const char *option)
{
	size_t n = 0;

	while (list[n])
		n++;
	if (n == max) {
		fprintf(stderr, "migrate: too many --%s\n", option);
		exit(2);
	}
	list[n] = value;
}

static double number(const char *text, double min, double max, const char *option)
{
	char *end;
	double value = strtod(text, &end);

	if (!*text || *end || !(value >= min && value <= max)) {
		fprintf(stderr, "migrate: --%s %s: not a number from %g to %g\n", option, text, min,
			max);
		exit(2);
	}
	return value;
}

static void set_option(struct options *o, int option, const char *name)
{
	struct scenario_config *c = &o->config;

	switch (option) {
	case OPT_TRANSPORT:
		if (strcmp(optarg, "rdma") && strcmp(optarg, "tcp") && strcmp(optarg, "unix")) {
			fprintf(stderr, "migrate: no transport %s\n", optarg);
			exit(2);
		}
		c->migration.transport = optarg;
		break;
	case OPT_ADDR:
		c->migration.addr = optarg;
		break;
	case OPT_QEMU_SRC:
		c->src.binary = optarg;
		break;
	case OPT_QEMU_DST:
		c->dst.binary = optarg;
		break;
	case OPT_ROOT_SRC:
		c->src.root = optarg;
		break;
	case OPT_ROOT_DST:
		c->dst.root = optarg;
		break;
	case OPT_PRELOAD_SRC:
		c->src.preload = optarg;
		break;
	case OPT_PRELOAD_DST:
		c->dst.preload = optarg;
		break;
	case OPT_ENV_SRC:
		append(c->src.env, VM_LIST_MAX - 1, optarg, name);
		break;
	case OPT_ENV_DST:
		append(c->dst.env, VM_LIST_MAX - 1, optarg, name);
		break;
	case OPT_ARG_SRC:
		append(c->src.extra, VM_LIST_MAX - 1, optarg, name);
		break;
	case OPT_ARG_DST:
		append(c->dst.extra, VM_LIST_MAX - 1, optarg, name);
		break;
	case OPT_MACHINE:
		c->src.machine = c->dst.machine = optarg;
		break;
	case OPT_CAP:
		append(c->migration.caps, VM_LIST_MAX - 1, optarg, name);
		break;
	case OPT_PARAM:
		append(c->migration.params, VM_LIST_MAX - 1, optarg, name);
		break;
	case OPT_SIZE:
		c->ram_size = (uint64_t)number(optarg, 8, 1 << 20, name) << 20;
		break;
	case OPT_SEED:
		c->pattern.seed = (uint64_t)number(optarg, 0, 1e15, name);
		break;
	case OPT_ZERO_FRACTION:
		c->pattern.zero_fraction = number(optarg, 0, 1, name);
		break;
	case OPT_DATA:
		c->data_size = (uint64_t)number(optarg, 1, 1 << 20, name) << 20;
		break;
	case OPT_TOUCH:
		if (c->touches == TOUCH_MAX) {
			fprintf(stderr, "migrate: too many --touch\n");
			exit(2);
		}
		c->touch[c->touches++] = (uint64_t)number(optarg, 0, 1 << 20, name) << 20;
		break;
	case OPT_JUNK:
		c->junk = true;
		break;
	case OPT_PREALLOC:
		c->src.prealloc = c->dst.prealloc = true;
		break;
	case OPT_MEMORY:
		c->src.memory = c->dst.memory = optarg;
		break;
	case OPT_PAGE_SIZE:
		c->page_size = (uint64_t)number(optarg, 4, 2048, name) << 10;
		break;
	case OPT_STALE:
		c->stale = true;
		break;
	case OPT_SCENARIO:
		o->scenario = scenario_find(optarg);
		if (!o->scenario) {
			fprintf(stderr, "migrate: no scenario %s\n", optarg);
			exit(2);
		}
		break;
	case OPT_REPEAT:
		o->repeat = (unsigned long)number(optarg, 1, 1e6, name);
		break;
	case OPT_EXPECT:
		append(o->expectations, EXPECTATIONS_MAX, optarg, name);
		break;
	case OPT_REPORT:
		o->report = optarg;
		break;
	case OPT_STATS:
		c->src.stats = c->dst.stats = true;
		break;
	case OPT_TIMEOUT:
		c->timeout = (int64_t)(number(optarg, 1, 1e6, name) * 1000);
		break;
	case OPT_WORK_DIR:
		o->work_dir = optarg;
		break;
	case OPT_RAM_DIR:
		o->ram_dir = optarg;
		break;
	case OPT_HELP:
		usage(stdout);
		exit(0);
	default:
		usage(stderr);
		exit(2);
	}
}

static void parse_options(struct options *o, int argc, char **argv)
{
	struct option longopts[N_OPTIONS + 1] = {0};
	int option, index = 0;

	for (size_t i = 0; i < N_OPTIONS; i++)
		longopts[i] = (struct option){.name = option_table[i].name,
					      .has_arg = option_table[i].argument != NULL,
					      .val = option_table[i].value};
	while ((option = getopt_long(argc, argv, "", longopts, &index)) != -1)
		set_option(o, option, option_table[index].name);
	if (optind < argc)
		set_option(o, '?', "");
}

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
	parse_options(&o, argc, argv);
	snprintf(ram_dir, sizeof(ram_dir), "%s/rdmachunk-ram-XXXXXX", o.ram_dir);
	if (!mkdtemp(ram_dir) || (!o.work_dir && !mkdtemp(work_dir)) ||
	    (o.work_dir && mkdir(o.work_dir, 0755) && errno != EEXIST)) {
		fprintf(stderr, "migrate: cannot make a directory: %s\n", strerror(errno));
		return 2;
	}
	o.config.dir = o.work_dir ? o.work_dir : work_dir;
	o.config.migration.dir = ram_dir;
	o.config.ram_dir = ram_dir;
	for (unsigned long i = 0; i < o.repeat && !ret; i++) {
		struct scenario_config config = o.config;

		config.pattern.seed += i;
		ret = run_once(&o, &config, runs, &failure);
		if (ret)
			fprintf(stderr, "migrate: run %lu: %s\n", i + 1, failure.text);
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
