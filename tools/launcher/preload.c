/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "preload.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

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
		fprintf(stderr, "rdmachunk: %s\n", config.warning[i]);
	for (size_t i = 0; i < config.errors; i++)
		fprintf(stderr, "rdmachunk: %s\n", config.error[i]);
	return config.errors == 0;
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
	} else {
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
