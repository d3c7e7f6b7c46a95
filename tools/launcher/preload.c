/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "preload.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "library.h"
#include "output_file.h"
#include "util/config.h"

/* Two variables for one setting. */
static const char *const spellings[][2] = {
	{"RDMACHUNK_SHIFT", "RDMACHUNK_SIZE"},
	{"RDMACHUNK_PREFETCH", "RDMACHUNK_AHEAD"},
};

static bool is_option(const struct options *options, const char *variable)
{
	for (size_t i = 0; config_variables[i].name; i++)
		if (!strcmp(config_variables[i].name, variable))
			return options->variable[i] != NULL;
	return false;
}

/* Of two spellings the one given on the command line counts alone. */
static void forget_other_spellings(const struct options *options)
{
	for (size_t i = 0; i < sizeof(spellings) / sizeof(spellings[0]); i++) {
		bool first = is_option(options, spellings[i][0]);
		bool second = is_option(options, spellings[i][1]);

		if (first != second)
			unsetenv(spellings[i][first ? 1 : 0]);
	}
}

static void say(const char *message)
{
	fprintf(stderr, "rdmachunk: %s\n", message);
}

bool preload_set_variables(const struct options *options)
{
	struct config config;

	forget_other_spellings(options);
	for (size_t i = 0; config_variables[i].name; i++) {
		if (options->variable[i] &&
		    setenv(config_variables[i].name, options->variable[i], 1) != 0) {
			fprintf(stderr, "rdmachunk: %s: %s\n", config_variables[i].name,
				strerror(errno));
			return false;
		}
	}
	config_parse_typed(&config, environ, options->typed);
	for (size_t i = 0; i < config.warnings; i++)
		say(config.warning[i]);
	for (size_t i = 0; i < config.errors; i++)
		say(config.error[i]);
	return config.errors == 0;
}

/* What QEMU becomes before it migrates. */
struct later {
	char directory[PATH_MAX]; /* that relative names count from then */
	struct account account;
	bool other_user; /* whose name is in there */
};

static bool is_option_of_qemu(const char *word, const char *name)
{
	return word[0] == '-' && !strcmp(word + (word[1] == '-' ? 2 : 1), name);
}

/* "-runas NAME", or "-run-with user=NAME" from QEMU 9.1 on. UID:GID is left to QEMU. */
static void find_user(struct later *later, const char *option, const char *argument)
{
	char name[64];

	if (is_option_of_qemu(option, "run-with")) {
		argument = strstr(argument, "user=");
		if (!argument)
			return;
		argument += strlen("user=");
	} else if (!is_option_of_qemu(option, "runas")) {
		return;
	}
	snprintf(name, sizeof(name), "%.*s", (int)strcspn(argument, ","), argument);
	later->other_user = account_by_name(&later->account, name) == 0;
}

static void look_ahead(struct later *later, char *const *command)
{
	later->other_user = false;
	if (!getcwd(later->directory, sizeof(later->directory)))
		strcpy(later->directory, "/");
	for (; *command; command++) {
		/* QEMU opens them after it has gone there. */
		if (is_option_of_qemu(*command, "daemonize"))
			strcpy(later->directory, "/");
		if (command[1])
			find_user(later, command[0], command[1]);
	}
}

/* The variable as the user typed it. */
static void say_of_file(const struct options *options, const char *variable, const char *path,
			const char *why)
{
	const char *typed = NULL;

	for (size_t i = 0; config_variables[i].name; i++)
		if (!strcmp(config_variables[i].name, variable))
			typed = options->typed[i];
	fprintf(stderr, "rdmachunk: %s%c%s: %s\n", typed ? typed : variable, typed ? ' ' : '=',
		path, why);
}

static bool file_is_writable(const struct options *options, const char *variable, const char *path,
			     const struct later *later)
{
	const char *why;

	if (!path || !strcmp(path, "stderr"))
		return true;
	why = later->other_user ? output_file_refused_to(&later->account, path, later->directory)
				: output_file_refused(path, later->directory);
	if (why)
		say_of_file(options, variable, path, why);
	return !why;
}

bool preload_files(const struct options *options)
{
	struct later later;
	struct config config;
	bool log, stats;

	look_ahead(&later, options->command);
	config_parse(&config, environ);
	log = file_is_writable(options, "RDMACHUNK_LOG_FILE", config.log_file, &later);
	stats = file_is_writable(options, "RDMACHUNK_STATS", config.stats, &later);
	return log && stats;
}

/* Says so if the file at `path` is not the library, or not this one. */
static bool is_library(const char *path)
{
	char text[LIBRARY_TEXT_LEN];
	enum library_kind kind = library_examine(path, text);

	if (kind != LIBRARY_OURS)
		fprintf(stderr, "rdmachunk: %s: %s\n", path, text);
	return kind != LIBRARY_UNUSABLE;
}

char *preload_library(const struct options *options)
{
	const char *name = options->library ? options->library : LIBRARY_PATH;
	/* QEMU may change its directory before it starts children. */
	char *path = realpath(name, NULL);

	if (!path) {
		fprintf(stderr, "rdmachunk: %s: %s; install the library, or name it with --lib\n",
			name, strerror(errno));
		return NULL;
	}
	if (access(path, R_OK) != 0) {
		fprintf(stderr, "rdmachunk: %s: %s\n", path, strerror(errno));
	} else if (strpbrk(path, ": ")) {
		fprintf(stderr,
			"rdmachunk: %s: the loader splits LD_PRELOAD at spaces and colons; "
			"put the library elsewhere\n",
			path);
	} else if (is_library(path)) {
		return path;
	}
	free(path);
	return NULL;
}

/* Is `library` an item of `list`, which has spaces or colons between them? */
static bool listed(const char *list, const char *library)
{
	size_t len = strlen(library), item;

	while (*list) {
		item = strcspn(list, ": ");
		if (item == len && !memcmp(list, library, len))
			return true;
		list += item;
		list += strspn(list, ": ");
	}
	return false;
}

int preload_prepend(const char *library)
{
	const char *old = getenv("LD_PRELOAD");
	char *value;
	int err = 0;

	if (!old || !*old)
		return setenv("LD_PRELOAD", library, 1) == 0 ? 0 : -errno;
	if (listed(old, library))
		return 0;
	if (asprintf(&value, "%s:%s", library, old) < 0)
		return -ENOMEM;
	if (setenv("LD_PRELOAD", value, 1) != 0)
		err = -errno;
	free(value);
	return err;
}
