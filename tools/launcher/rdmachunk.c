/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Runs QEMU with librdmachunk.so in LD_PRELOAD, or says whether that will work, or what QEMUs do.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "attach/attach.h"
#include "check.h"
#include "options.h"
#include "preload.h"
#include "print.h"
#include "status/status.h"
#include "util/version.h"

/* As env(1) has them. */
#define EXIT_FAILED	125
#define EXIT_CANNOT_RUN 126
#define EXIT_NOT_FOUND	127

static int run(const struct options *options)
{
	char *library;
	int err;

	if (!preload_set_variables(options) || !preload_files(options))
		return EXIT_FAILED;
	library = preload_library(options);
	if (!library)
		return EXIT_FAILED;
	err = preload_prepend(library);
	free(library);
	if (err) {
		fprintf(stderr, "rdmachunk: LD_PRELOAD: %s\n", strerror(-err));
		return EXIT_FAILED;
	}
	execvp(options->command[0], options->command);
	err = errno;
	fprintf(stderr, "rdmachunk: %s: %s\n", options->command[0], strerror(err));
	return err == ENOENT ? EXIT_NOT_FOUND : EXIT_CANNOT_RUN;
}

static int run_check(const struct options *options)
{
	/* The settings of a process are its own. */
	if (!options->pid && !preload_set_variables(options))
		return EXIT_FAILED;
	return check(options);
}

static int print(const struct options *options)
{
	char *library;

	if (!preload_set_variables(options))
		return EXIT_FAILED;
	library = preload_library(options);
	if (!library)
		return EXIT_FAILED;
	print_settings(options->print, library, options->memory);
	free(library);
	return EXIT_SUCCESS;
}

/* What does not go together, or NULL. */
static const char *contradiction(const struct options *options)
{
	bool command = options->command[0];

	if (options->check && command && options->command[1])
		return "--check takes one program, without arguments";
	if (options->check && options->pid && (command || options->user))
		return "--pid names QEMU and its user: no program and no --user beside it";
	if (options->check && options->print)
		return "--check and --print are two commands";
	if (options->print && command)
		return "--print takes no program";
	if (!options->check && (options->json || options->pid || options->user))
		return "--json, --pid and --user are for --check";
	if (!options->check && !options->print && options->memory)
		return "--memory is for --check and --print";
	if (!options->check && !options->print && !command)
		return "no QEMU command given";
	return NULL;
}

static const struct {
	const char *name;
	int (*run)(int argc, char **argv);
} commands[] = {
	{"attach", attach_main},
	{"detach", detach_main},
	{"status", status_main},
};

int main(int argc, char **argv)
{
	struct options options;
	const char *wrong;

	/* A program of such a name is named by its path, or behind "--". */
	for (size_t i = 0; argc > 1 && i < sizeof(commands) / sizeof(commands[0]); i++)
		if (!strcmp(argv[1], commands[i].name))
			return commands[i].run(argc - 1, argv + 1);
	if (!options_parse(&options, argc, argv)) {
		fprintf(stderr, "Try rdmachunk --help\n");
		return EXIT_FAILED;
	}
	if (options.help) {
		options_help(stdout);
		return EXIT_SUCCESS;
	}
	if (options.version) {
		puts("rdmachunk " VERSION_TEXT);
		return EXIT_SUCCESS;
	}
	wrong = contradiction(&options);
	if (wrong) {
		fprintf(stderr, "rdmachunk: %s\nTry rdmachunk --help\n", wrong);
		return EXIT_FAILED;
	}
	if (options.check)
		return run_check(&options);
	return options.print ? print(&options) : run(&options);
}
