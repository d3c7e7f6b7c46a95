/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "preload.h"

#include <ctype.h>
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

/* Does this text begin with that name, and not with a longer one? */
static bool begins_with_name(const char *text, const char *name)
{
	size_t len = strlen(name);
	unsigned char next = (unsigned char)text[len];

	return !strncmp(text, name, len) && next != '_' && !isalnum(next);
}

/* The i-th variable if the text begins with its name and it was given as an option; or NULL. */
static const char *option_at(const struct options *options, const char *text,
			     char name[OPTIONS_NAME_LEN])
{
	for (size_t i = 0; config_variables[i].name; i++)
		if (options->variable[i] && begins_with_name(text, config_variables[i].name)) {
			options_name(name, i);
			return config_variables[i].name;
		}
	return NULL;
}

/* The library's complaint, with options in the place of their variables: as they were typed. */
static void say(const struct options *options, const char *message)
{
	char name[OPTIONS_NAME_LEN];
	const char *variable;

	fputs("rdmachunk: ", stderr);
	while (*message) {
		variable = option_at(options, message, name);
		if (!variable) {
			fputc(*message++, stderr);
			continue;
		}
		message += strlen(variable);
		fprintf(stderr, "--%s", name);
		/* "--shift 31", but "--shift=" when nothing follows. */
		if (message[0] == '=' && message[1] != ' ') {
			fputc(' ', stderr);
			message++;
		}
	}
	fputc('\n', stderr);
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
	config_parse(&config, environ);
	for (size_t i = 0; i < config.warnings; i++)
		say(options, config.warning[i]);
	for (size_t i = 0; i < config.errors; i++)
		say(options, config.error[i]);
	return config.errors == 0;
}

static bool file_is_writable(const struct options *options, const char *variable, const char *path,
			     const char *directory)
{
	const char *why;
	char message[PATH_MAX + 128];

	if (!path || !strcmp(path, "stderr"))
		return true;
	why = output_file_refused(path, directory);
	if (why) {
		snprintf(message, sizeof(message), "%s=%s: %s", variable, path, why);
		say(options, message);
	}
	return !why;
}

bool preload_files(const struct options *options)
{
	char directory[PATH_MAX];
	struct config config;
	bool log, stats;

	if (!getcwd(directory, sizeof(directory)))
		strcpy(directory, "/");
	/* QEMU opens them after it has gone there. */
	for (char **word = options->command; *word; word++)
		if (!strcmp(*word, "-daemonize") || !strcmp(*word, "--daemonize"))
			strcpy(directory, "/");
	config_parse(&config, environ);
	log = file_is_writable(options, "RDMACHUNK_LOG_FILE", config.log_file, directory);
	stats = file_is_writable(options, "RDMACHUNK_STATS", config.stats, directory);
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
