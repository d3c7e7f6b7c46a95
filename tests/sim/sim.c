/* SPDX-License-Identifier: GPL-2.0-or-later */

/*
 * Simulates migrations, one for each seed. Prints the seed of the first that
 * breaks a rule, and how to see it again.
 */

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "migration.h"
#include "mutate.h"
#include "seed.h"
#include "totals.h"

static struct world world;
static uint64_t seed;

/* A crash of the core is that of a seed, too. */
static void crashed(int signal_number)
{
	dprintf(STDOUT_FILENO, "seed %" PRIu64 ", step %u: signal %d\n", seed, world.steps,
		signal_number);
	signal(signal_number, SIG_DFL);
	raise(signal_number);
}

static int usage(FILE *out)
{
	fputs("Usage: sim [--seeds N] [--seed FIRST] [--no-discards] [--trace] [--keep-going]\n"
	      "           [--mutate NAME] [--list-mutations]\n",
	      out);
	return out == stdout ? EXIT_SUCCESS : 2;
}

static bool parse(const char *text, uint64_t *value)
{
	char *end;

	errno = 0;
	*value = strtoull(text, &end, 0);
	return !errno && *text && !*end;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{"seeds", required_argument, NULL, 'n'},
		{"seed", required_argument, NULL, 's'},
		{"keep-going", no_argument, NULL, 'k'},
		{"no-discards", no_argument, NULL, 'd'},
		{"trace", no_argument, NULL, 't'},
		{"mutate", required_argument, NULL, 'm'},
		{"list-mutations", no_argument, NULL, 'l'},
		{"help", no_argument, NULL, 'h'},
		{NULL, 0, NULL, 0},
	};
	static const int crashes[] = {SIGSEGV, SIGBUS, SIGFPE, SIGABRT};
	struct totals totals = {0};
	uint64_t seeds = 1, first = 1, failed = 0;
	const char *mutation = NULL;
	void (*handler)(int);
	bool trace = false, keep_going = false, discards = true;
	int c;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (c) {
		case 'n':
			if (!parse(optarg, &seeds))
				return usage(stderr);
			break;
		case 's':
			if (!parse(optarg, &first))
				return usage(stderr);
			break;
		case 't':
			trace = true;
			break;
		case 'd':
			discards = false;
			break;
		case 'k':
			keep_going = true;
			break;
		case 'm':
			mutation = optarg;
			if (!mutate(mutation))
				return usage(stderr);
			break;
		case 'l':
			mutate_list();
			return EXIT_SUCCESS;
		case 'h':
			return usage(stdout);
		default:
			return usage(stderr);
		}
	}
	/* What happened up to a crash must not be lost. */
	setvbuf(stdout, NULL, _IOLBF, 0);
	if (optind != argc)
		return usage(stderr);

	for (size_t i = 0; i < sizeof(crashes) / sizeof(crashes[0]); i++) {
		handler = signal(crashes[i], crashed);
		/* A sanitizer's own tells more. */
		if (handler != SIG_DFL)
			signal(crashes[i], handler);
	}
	for (seed = first; seed - first < seeds; seed++) {
		seed_init(&world, seed, discards, trace);
		if (migration_run(&world)) {
			totals_add(&totals, &world);
			continue;
		}
		printf("seed %" PRIu64 ", step %u: %s\n", seed, world.steps, world.why);
		printf("again, with all that happens: %s --seed %" PRIu64 " --trace%s%s%s\n",
		       argv[0], seed, discards ? "" : " --no-discards",
		       mutation ? " --mutate " : "", mutation ? mutation : "");
		failed++;
		if (!keep_going)
			return EXIT_FAILURE;
	}
	totals_print(&totals);
	printf("seeds %" PRIu64 " to %" PRIu64 ": %" PRIu64 " broke a rule\n", first,
	       first + seeds - 1, failed);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
