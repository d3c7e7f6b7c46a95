// SPDX-License-Identifier: GPL-2.0-or-later
#include "output.h"

#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <sys/stat.h>

#include "chart.h"
#include "cleanup.h"
#include "csv.h"
#include "json.h"
#include "markdown.h"
#include "progress.h"
#include "table.h"

/* The files of --output, one for each kind of report. */
static const char json_name[] = "result.json", csv_name[] = "result.csv";
static const char markdown_name[] = "result.md", chart_name[] = "result";

static int complain(const char *path)
{
	fprintf(stderr, "rdmachunk-ab: %s: %s\n", path, strerror(errno));
	return -1;
}

/*
 * Where a report goes: @path, or its @name in --output's directory. Into @made; false when it is
 * not wanted.
 */
static bool place(char made[PATH_MAX], const struct options *o, const char *path, const char *name)
{
	if (path)
		snprintf(made, PATH_MAX, "%s", path);
	else if (o->output)
		snprintf(made, PATH_MAX, "%s/%s", o->output, name);
	return path || o->output;
}

static bool is_stdout(const char *path)
{
	return !strcmp(path, "-");
}

static int write_table(const struct options *o, const struct results *results)
{
	/* A report that goes to standard output is to be the only one there. */
	const char *const files[] = {o->json, o->csv, o->markdown};

	for (size_t i = 0; i < 3; i++)
		if (files[i] && is_stdout(files[i]))
			return 0;
	table_write(stdout, results, progress_colour(stdout));
	return fflush(stdout) ? complain("standard output") : 0;
}

/* A new file takes the place of an old one only. Of a device, a FIFO or a link what is behind it is
 * meant. */
static bool is_replaced(const char *path)
{
	struct stat st;

	return lstat(path, &st) ? errno == ENOENT : S_ISREG(st.st_mode);
}

/* What is written before it takes the place of @path, or @path itself. 0, or -1 with errno. */
static int temporary_name(char temporary[PATH_MAX], const char *path)
{
	const char *suffix = is_replaced(path) ? ".new" : "";

	if (snprintf(temporary, PATH_MAX, "%s%s", path, suffix) < PATH_MAX)
		return 0;
	errno = ENAMETOOLONG;
	return -1;
}

static FILE *open_report(const char *path, char temporary[PATH_MAX])
{
	return temporary_name(temporary, path) ? NULL : fopen(temporary, "we");
}

static int write_file(const char *path, int (*write)(FILE *f, const struct results *results),
		      const struct results *results)
{
	char temporary[PATH_MAX];
	FILE *f;
	int ret;

	if (is_stdout(path))
		return write(stdout, results) ? complain("standard output") : 0;
	f = open_report(path, temporary);
	if (!f)
		return complain(path);
	ret = write(f, results);
	if (fclose(f))
		ret = -1;
	if (!ret && strcmp(temporary, path))
		ret = rename(temporary, path);
	if (!ret)
		return 0;
	complain(path);
	if (strcmp(temporary, path))
		unlink(temporary);
	return -1;
}

/* Can it be written? Leaves nothing behind. */
static int try_file(const char *path)
{
	char temporary[PATH_MAX];
	FILE *f;

	if (is_stdout(path))
		return 0;
	/* What a link leads to need not be there yet; a FIFO would have us wait for its reader. */
	if (!is_replaced(path))
		return access(path, W_OK) && errno != ENOENT ? complain(path) : 0;
	f = open_report(path, temporary);
	if (!f)
		return complain(path);
	fclose(f);
	unlink(temporary);
	return 0;
}

/* With those above it. */
static int make_directories(const char *path)
{
	char part[PATH_MAX];

	if (snprintf(part, sizeof(part), "%s/", path) >= (int)sizeof(part)) {
		errno = ENAMETOOLONG;
		return complain(path);
	}
	for (char *slash = strchr(part + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		if (mkdir(part, 0777) && errno != EEXIST)
			return complain(part);
		*slash = '/';
	}
	return 0;
}

static int write_chart(const char *prefix, const struct results *results)
{
	struct failure failure = {""};
	int ret = chart_write(results, prefix, &failure);

	if (ret)
		fprintf(stderr, "rdmachunk-ab: %s\n", failure.text);
	else
		fprintf(stderr, "chart: %s.svg, %s.png\n", prefix, prefix);
	return ret < 0 ? -1 : 0;
}

int output_prepare(const struct options *o)
{
	const struct {
		const char *path, *name, *suffix;
	} files[] = {
		{o->json, json_name, ""},
		{o->csv, csv_name, ""},
		{o->markdown, markdown_name, ""},
		{o->chart, chart_name, ".svg"},
	};
	char made[PATH_MAX], whole[PATH_MAX + 8];
	int ret = 0;

	if (o->output && make_directories(o->output))
		return -1;
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		if (!place(made, o, files[i].path, files[i].name))
			continue;
		snprintf(whole, sizeof(whole), "%s%s", made, files[i].suffix);
		ret |= try_file(whole);
	}
	return ret;
}

/* Where the JSON report is a file of its own. */
static bool place_of_samples(char path[PATH_MAX], const struct options *o)
{
	return place(path, o, o->json, json_name) && !is_stdout(path) && is_replaced(path);
}

void output_guard(const struct options *o)
{
	char path[PATH_MAX], temporary[PATH_MAX];

	if (place_of_samples(path, o) && !temporary_name(temporary, path))
		cleanup_add_path(temporary);
}

int output_keep(const struct options *o, const struct results *results)
{
	char path[PATH_MAX];

	return place_of_samples(path, o) ? write_file(path, json_write, results) : 0;
}

int output_write(const struct options *o, const struct results *results)
{
	char path[PATH_MAX];
	int ret = 0;

	/* The samples first: they are what cannot be had again. */
	if (place(path, o, o->json, json_name))
		ret |= write_file(path, json_write, results);
	if (place(path, o, o->csv, csv_name))
		ret |= write_file(path, csv_write, results);
	if (place(path, o, o->markdown, markdown_name))
		ret |= write_file(path, markdown_write, results);
	ret |= write_table(o, results);
	if (place(path, o, o->chart, chart_name))
		ret |= write_chart(path, results);
	return ret ? -1 : 0;
}
