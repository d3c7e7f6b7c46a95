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

struct choice {
	uint64_t seeds, first;
	const char *mutation;
	bool trace, keep_going, discards;
};

/* What to exit with at once, or -1 to go on. */
static int choose(int argc, char **argv, struct choice *choice)
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
	bool ok = true;
	int c;

	while (ok && (c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (c) {
		case 'n':
			ok = parse(optarg, &choice->seeds);
			break;
		case 's':
			ok = parse(optarg, &choice->first);
			break;
		case 't':
			choice->trace = true;
			break;
		case 'd':
			choice->discards = false;
			break;
		case 'k':
			choice->keep_going = true;
			break;
		case 'm':
			choice->mutation = optarg;
			ok = mutate(optarg);
			break;
		case 'l':
			mutate_list();
			return EXIT_SUCCESS;
		case 'h':
			return usage(stdout);
		default:
			ok = false;
		}
	}
	return ok && optind == argc ? -1 : usage(stderr);
}

static void catch_crashes(void)
{
	static const int crashes[] = {SIGSEGV, SIGBUS, SIGFPE, SIGABRT};
	void (*handler)(int);

	for (size_t i = 0; i < sizeof(crashes) / sizeof(crashes[0]); i++) {
		handler = signal(crashes[i], crashed);
		/* A sanitizer's own tells more. */
		if (handler != SIG_DFL)
			signal(crashes[i], handler);
	}
}

/* How many broke a rule. */
static uint64_t run(const char *program, const struct choice *choice, struct totals *totals)
{
	uint64_t failed = 0;

	for (seed = choice->first; seed - choice->first < choice->seeds; seed++) {
		seed_init(&world, seed, choice->discards, choice->trace);
		if (migration_run(&world)) {
			totals_add(totals, &world);
			continue;
		}
		printf("seed %" PRIu64 ", step %u: %s\n", seed, world.steps, world.why);
		printf("again, with all that happens: %s --seed %" PRIu64 " --trace%s%s%s\n",
		       program, seed, choice->discards ? "" : " --no-discards",
		       choice->mutation ? " --mutate " : "",
		       choice->mutation ? choice->mutation : "");
		failed++;
		if (!choice->keep_going)
			break;
	}
	return failed;
}

int main(int argc, char **argv)
{
	struct choice choice = {.seeds = 1, .first = 1, .discards = true};
	struct totals totals = {0};
	uint64_t failed;
	int status = choose(argc, argv, &choice);

	if (status >= 0)
		return status;
	/* What happened up to a crash must not be lost. */
	setvbuf(stdout, NULL, _IOLBF, 0);
	catch_crashes();
	failed = run(argv[0], &choice, &totals);
	if (failed && !choice.keep_going)
		return EXIT_FAILURE;
	totals_print(&totals);
	printf("seeds %" PRIu64 " to %" PRIu64 ": %" PRIu64 " broke a rule\n", choice.first,
	       choice.first + choice.seeds - 1, failed);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
