/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RDMACHUNK_LAUNCHER_OPTIONS_H
#define RDMACHUNK_LAUNCHER_OPTIONS_H

#include <stdbool.h>
#include <stdio.h>

/* At most this many variables; options_parse() says so at once when the table outgrows it. */
#define OPTIONS_VARIABLES_MAX 16

struct options {
	bool help, version, check;
	/* The library to load, or NULL for the installed one. */
	const char *library;
	/* --memory: the guest's size in bytes, 0 when it was not given. */
	unsigned long long memory;
	/* Hidden, for tests: where --check finds /sys, /dev and /etc; "" is the host's. */
	const char *root;
	/* Values of the options that stand for variables, by their place in config_variables. */
	const char *variable[OPTIONS_VARIABLES_MAX];
	/* What is left of the command line; ends with NULL. */
	char **command;
};

/*
 * Read the command line. The options are those of one table and one for each of the library's
 * variables (RDMACHUNK_LOG_FILE is --log-file); values of variables are not looked at. Returns
 * false after having said on standard error what is wrong.
 */
bool options_parse(struct options *options, int argc, char **argv);

/* Print the text of --help, made from the same tables. */
void options_help(FILE *out);

#endif
