/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "elf_deps.h"

#include <glob.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "elf_file.h"

#define DIRECTORIES_MAX 128
#define FILES_MAX	1024

/* A walk over a program and its libraries, in the order in which they are found. */
struct walk {
	char *directory[DIRECTORIES_MAX];
	size_t directories;
	char *file[FILES_MAX];
	size_t files;
};

/* Takes `entry`, which may be NULL. */
static void add_to(char **list, size_t *count, size_t max, char *entry)
{
	for (size_t i = 0; entry && i < *count; i++) {
		if (!strcmp(list[i], entry)) {
			free(entry);
			return;
		}
	}
	if (entry && *count < max)
		list[(*count)++] = entry;
	else
		free(entry);
}

static void add_directory(struct walk *walk, const char *directory)
{
	add_to(walk->directory, &walk->directories, DIRECTORIES_MAX, strdup(directory));
}

/* The directories of a list with colons or semicolons, as in LD_LIBRARY_PATH. */
static void add_list(struct walk *walk, const char *list)
{
	char *copy = list ? strdup(list) : NULL, *rest = NULL;

	if (!copy)
		return;
	for (char *d = strtok_r(copy, ":;", &rest); d; d = strtok_r(NULL, ":;", &rest))
		add_directory(walk, d);
	free(copy);
}

static void add_configured(struct walk *walk, const char *path, int depth);

/* An include line of ld.so.conf; a relative pattern counts from its directory. */
static void add_included(struct walk *walk, const char *pattern, int depth)
{
	char absolute[PATH_MAX];
	glob_t found;

	if (snprintf(absolute, sizeof(absolute), "%s%s", pattern[0] == '/' ? "" : "/etc/",
		     pattern) >= (int)sizeof(absolute) ||
	    glob(absolute, 0, NULL, &found) != 0)
		return;
	for (size_t i = 0; i < found.gl_pathc; i++)
		add_configured(walk, found.gl_pathv[i], depth + 1);
	globfree(&found);
}

/* The directories that a file like ld.so.conf names. `depth` ends files that include themselves. */
static void add_configured(struct walk *walk, const char *path, int depth)
{
	char line[2048], word[2048];
	FILE *file = depth < 4 ? fopen(path, "re") : NULL;

	if (!file)
		return;
	while (fgets(line, sizeof(line), file)) {
		line[strcspn(line, "#\n")] = '\0';
		if (sscanf(line, " include %2047s", word) == 1)
			add_included(walk, word, depth);
		else if (sscanf(line, " %2047s", word) == 1 && word[0] == '/')
			add_directory(walk, word);
	}
	fclose(file);
}

/* Adds DIRECTORY/NAME if it is there and fits `like`; a library of another machine does not. */
static bool try_file(struct walk *walk, const struct elf_file *like, const char *directory,
		     const char *name)
{
	char path[PATH_MAX], *real;
	struct elf_file elf;
	bool fits;

	if (snprintf(path, sizeof(path), "%s/%s", directory, name) >= (int)sizeof(path) ||
	    elf_file_open(&elf, path) != 0)
		return false;
	fits = elf_file_same_machine(&elf, like);
	elf_file_close(&elf);
	if (!fits)
		return false;
	real = realpath(path, NULL);
	add_to(walk->file, &walk->files, FILES_MAX, real);
	return true;
}

/* Looks in the run path of the file that needs it first; $ORIGIN is that file's directory. */
static bool try_runpath(struct walk *walk, const struct elf_file *elf, const char *path,
			const char *name)
{
	char *copy = elf->runpath ? strdup(elf->runpath) : NULL, *rest = NULL;
	char directory[PATH_MAX];
	const char *slash = strrchr(path, '/');
	bool found = false;

	for (char *d = copy ? strtok_r(copy, ":", &rest) : NULL; d && !found;
	     d = strtok_r(NULL, ":", &rest)) {
		const char *after = NULL;

		if (!strncmp(d, "$ORIGIN", 7))
			after = d + 7;
		else if (!strncmp(d, "${ORIGIN}", 9))
			after = d + 9;
		if (after)
			snprintf(directory, sizeof(directory), "%.*s%s",
				 slash ? (int)(slash - path) : 1, slash ? path : ".", after);
		else
			snprintf(directory, sizeof(directory), "%s", d);
		found = try_file(walk, elf, directory, name);
	}
	free(copy);
	return found;
}

/* Adds what `path` needs to the walk; true when one of the names begins with `prefix`. */
static bool follow(struct walk *walk, const char *path, const char *prefix)
{
	struct elf_file elf;
	bool found = false;

	if (elf_file_open(&elf, path) != 0)
		return false;
	for (size_t i = 0; i < elf.needed_count && !found; i++) {
		found = !strncmp(elf.needed[i], prefix, strlen(prefix));
		if (found || strchr(elf.needed[i], '/') ||
		    try_runpath(walk, &elf, path, elf.needed[i]))
			continue;
		for (size_t d = 0; d < walk->directories; d++)
			if (try_file(walk, &elf, walk->directory[d], elf.needed[i]))
				break;
	}
	elf_file_close(&elf);
	return found;
}

bool elf_deps_has(const char *path, const char *prefix)
{
	static const char *const standard[] = {
		"/lib64",
		"/usr/lib64",
		"/lib",
		"/usr/lib",
	};
	struct walk *walk = calloc(1, sizeof(*walk));
	bool found = false;

	if (!walk)
		return false;
	add_list(walk, getenv("LD_LIBRARY_PATH"));
	add_configured(walk, "/etc/ld.so.conf", 0);
	for (size_t i = 0; i < sizeof(standard) / sizeof(standard[0]); i++)
		add_directory(walk, standard[i]);

	add_to(walk->file, &walk->files, FILES_MAX, strdup(path));
	for (size_t i = 0; i < walk->files && !found; i++)
		found = follow(walk, walk->file[i], prefix);

	for (size_t i = 0; i < walk->files; i++)
		free(walk->file[i]);
	for (size_t i = 0; i < walk->directories; i++)
		free(walk->directory[i]);
	free(walk);
	return found;
}
