/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RDMACHUNK_LAUNCHER_OPTIONS_H
#define RDMACHUNK_LAUNCHER_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/types.h>

/* At most this many variables; options_parse() says so at once when the table outgrows it. */
#define OPTIONS_VARIABLES_MAX 16

/* Room for the name of an option that stands for a variable. */
#define OPTIONS_NAME_LEN 32

struct options {
	bool help, version, check, json;
	const char *print; /* --print: env, systemd or libvirt; or NULL */
	const char *user;  /* --user: the name of the user QEMU runs as, or NULL */
	pid_t pid;	   /* --pid: a QEMU that runs, or 0 */
	/* The library to load, or NULL for the installed one. */
	const char *library;
	/* --memory: the guest's size in bytes, 0 when it was not given. */
	unsigned long long memory;
	/* Hidden, for tests: where --check finds /sys, /dev and /etc; "" is the host's. */
	const char *root;
	/* Values of the options that stand for variables, by their place in config_variables. */
	const char *variable[OPTIONS_VARIABLES_MAX];
	/* Where there is a value, the option's name, such as "--shift". */
	const char *typed[OPTIONS_VARIABLES_MAX];
	/* What is left of the command line; ends with NULL. */
	char **command;
	/* Private: of all options that stand for variables. */
	char names[OPTIONS_VARIABLES_MAX][OPTIONS_NAME_LEN];
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
