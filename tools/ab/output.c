// SPDX-License-Identifier: GPL-2.0-or-later
#include "output.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <sys/stat.h>

#include "chart.h"
#include "csv.h"
#include "json.h"
#include "markdown.h"
#include "progress.h"
#include "table.h"

static int write_table(const struct options *o, const struct results *results)
{
	/* A report that goes to standard output is to be the only one there. */
	const char *const files[] = {o->json, o->csv, o->markdown};

	for (size_t i = 0; i < 3; i++)
		if (files[i] && !strcmp(files[i], "-"))
			return 0;
	table_write(stdout, results, progress_colour(stdout));
	if (fflush(stdout)) {
		fprintf(stderr, "rdmachunk-ab: standard output: %s\n", strerror(errno));
		return -1;
	}
	return 0;
}

static int write_file(const char *path, int (*write)(FILE *f, const struct results *results),
		      const struct results *results)
{
	char temporary[PATH_MAX];
	FILE *f;
	int ret;

	if (!strcmp(path, "-"))
		return write(stdout, results);
	snprintf(temporary, sizeof(temporary), "%s.new", path);
	f = fopen(temporary, "we");
	ret = f ? write(f, results) : -1;
	if (f && fclose(f))
		ret = -1;
	if (!ret)
		ret = rename(temporary, path);
	if (ret) {
		fprintf(stderr, "rdmachunk-ab: %s: %s\n", path, strerror(errno));
		if (f)
			unlink(temporary);
	}
	return ret;
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

/* --output's directory stands in for each path that is not given. */
static int write_one(const char *path, const char *dir, const char *name,
		     int (*write)(FILE *f, const struct results *results),
		     const struct results *results)
{
	char made[PATH_MAX];

	if (!path && !dir)
		return 0;
	snprintf(made, sizeof(made), "%s/%s", dir ? dir : "", name);
	return write_file(path ? path : made, write, results);
}

int output_write(const struct options *options, const struct results *results)
{
	const char *dir = options->output;
	char chart[PATH_MAX];
	int ret = 0;

	if (dir && mkdir(dir, 0777) && errno != EEXIST) {
		fprintf(stderr, "rdmachunk-ab: %s: %s\n", dir, strerror(errno));
		dir = NULL;
		ret = -1;
	}
	/* The samples first: they are what cannot be had again. */
	ret |= write_one(options->json, dir, "result.json", json_write, results);
	ret |= write_one(options->csv, dir, "result.csv", csv_write, results);
	ret |= write_one(options->markdown, dir, "result.md", markdown_write, results);
	ret |= write_table(options, results);
	snprintf(chart, sizeof(chart), "%s/result", dir ? dir : "");
	if (options->chart || dir)
		ret |= write_chart(options->chart ? options->chart : chart, results);
	return ret ? -1 : 0;
}
