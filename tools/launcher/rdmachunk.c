/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Runs QEMU with librdmachunk.so in LD_PRELOAD, or says whether that will work. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "attach/attach.h"
#include "check.h"
#include "options.h"
#include "preload.h"

/* As env(1) has them. */
#define EXIT_FAILED	125
#define EXIT_CANNOT_RUN 126
#define EXIT_NOT_FOUND	127

static int run(const struct options *options)
{
	char *library;
	int err;

	if (!preload_set_variables(options))
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

static const struct {
	const char *name;
	int (*run)(int argc, char **argv);
} commands[] = {
	{"attach", attach_main},
	{"detach", detach_main},
};

int main(int argc, char **argv)
{
	struct options options;

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
		puts("rdmachunk " VERSION_STRING);
		return EXIT_SUCCESS;
	}
	if (options.check) {
		if (options.command[0] && options.command[1]) {
			fprintf(stderr,
				"rdmachunk: --check takes one program, without arguments\n");
			return EXIT_FAILED;
		}
		if (!preload_set_variables(&options))
			return EXIT_FAILED;
		return check(&options);
	}
	if (options.memory)
		fprintf(stderr, "rdmachunk: --memory is for --check\n");
	else if (!options.command[0])
		fprintf(stderr, "rdmachunk: which program?\n");
	else
		return run(&options);
	fprintf(stderr, "Try rdmachunk --help\n");
	return EXIT_FAILED;
}
