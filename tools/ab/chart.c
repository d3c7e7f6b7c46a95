// SPDX-License-Identifier: GPL-2.0-or-later
#include "chart.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <string.h>
#include <unistd.h>
#include <sys/wait.h>

#include "summary.h"

/* Characters that fit below the chart, one after the other. */
#define LABELS_MAX 90

/* In gnuplot's single quotes only the quote itself is special. */
static void put_quoted(FILE *f, const char *text)
{
	fputc('\'', f);
	for (; *text; text++) {
		if (*text == '\'')
			fputc('\'', f);
		fputc(*text == '\n' ? ' ' : *text, f);
	}
	fputc('\'', f);
}

/* Side by side where they would lie on each other: a fixed step to the left and right in turn. */
static double offset(size_t n)
{
	static const double offsets[] = {0, -0.06, 0.06, -0.12, 0.12};

	return offsets[n % (sizeof(offsets) / sizeof(offsets[0]))];
}

static void put_data(FILE *f, const struct results *results)
{
	fputs("$rounds << EOD\n", f);
	for (size_t v = 0; v < results->n_variants; v++) {
		size_t n = 0;

		for (size_t i = 0; i < results->n_samples; i++) {
			const struct sample *s = &results->samples[i];

			if (s->variant == v && s->status == SAMPLE_OK && !s->warmup &&
			    !isnan(s->value[METRIC_TOTAL]))
				fprintf(f, "%.2f %.6g\n", (double)v + offset(n++),
					s->value[METRIC_TOTAL]);
		}
	}
	fputs("EOD\n$medians << EOD\n", f);
	for (size_t v = 0; v < results->n_variants; v++) {
		struct summary s = summarize(results, v, METRIC_TOTAL);

		if (s.rounds)
			fprintf(f, "%zu %.6g %.6g %.6g\n", v, s.median, s.min, s.max);
	}
	fputs("EOD\n", f);
}

static size_t longest_name(const struct results *results)
{
	size_t longest = 0;

	for (size_t v = 0; v < results->n_variants; v++)
		if (strlen(results->variants[v]) > longest)
			longest = strlen(results->variants[v]);
	return longest;
}

static void put_labels(FILE *f, const struct results *results)
{
	fputs("set xtics (", f);
	for (size_t v = 0; v < results->n_variants; v++) {
		fputs(v ? ", " : "", f);
		put_quoted(f, results->variants[v]);
		fprintf(f, " %zu", v);
	}
	fputs(")\n", f);
}

int chart_script(FILE *f, const struct results *results, const char *prefix)
{
	char guest[1400], path[1024];
	static const char *const formats[] = {"svg", "png"};

	fputs("set encoding utf8\nset grid ytics lc rgb '#dddddd'\nset border 3\n"
	      "set tics nomirror\nset yrange [0:*]\nset ylabel 'total time (s)'\n"
	      "set key outside bottom center horizontal\n",
	      f);
	fprintf(f, "set xrange [-0.6:%.1f]\n", (double)results->n_variants - 0.4);
	summary_condition(results, 0, guest, sizeof(guest));
	fputs("set title ", f);
	put_quoted(f, results->title[0] ? results->title : guest);
	fputs(" noenhanced\n", f);
	if (results->note[0]) {
		fputs("set xlabel ", f);
		put_quoted(f, results->note);
		fputs(" noenhanced\n", f);
	}
	put_labels(f, results);
	/* Side by side there is room for so much. */
	fprintf(f, "set xtics noenhanced%s\n",
		longest_name(results) * results->n_variants > LABELS_MAX ? " rotate by 20 right"
									 : "");
	put_data(f, results);
	for (size_t i = 0; i < 2; i++) {
		fprintf(f, "set terminal %s size 800,480 %s\n", formats[i],
			i ? "noenhanced" : "noenhanced background '#ffffff'");
		snprintf(path, sizeof(path), "%s.%s", prefix, formats[i]);
		fputs("set output ", f);
		put_quoted(f, path);
		fputs("\nplot $medians using ($1-0.25):2:(0.5):(0) with vectors nohead lw 3 "
		      "lc rgb '#d95f02' title 'median', "
		      "$rounds using 1:2 with points pt 7 ps 1 lc rgb '#1b6ca8' title 'one round'\n",
		      f);
	}
	fputs("set output\n", f);
	return fflush(f) || ferror(f) ? -1 : 0;
}

static int run_gnuplot(FILE *script, const char *prefix, struct failure *failure)
{
	pid_t pid;
	int status;

	fflush(NULL);
	pid = fork();
	if (!pid) {
		int null = open("/dev/null", O_WRONLY);

		if (lseek(fileno(script), 0, SEEK_SET) || dup2(fileno(script), 0) < 0 ||
		    dup2(null, 1) < 0 || dup2(null, 2) < 0)
			_exit(126);
		execlp("gnuplot", "gnuplot", "-", (char *)NULL);
		_exit(errno == ENOENT ? 127 : 126);
	}
	while (pid > 0 && waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			pid = -1;
	if (pid < 0)
		return fail(failure, "gnuplot: %s", strerror(errno));
	if (WIFEXITED(status) && WEXITSTATUS(status) == 127) {
		fail(failure, "no chart: gnuplot is not installed");
		return 1;
	}
	if (!WIFEXITED(status) || WEXITSTATUS(status))
		return fail(failure, "no chart: gnuplot failed on %s", prefix);
	return 0;
}

int chart_write(const struct results *results, const char *prefix, struct failure *failure)
{
	FILE *script;
	int ret;

	if (!summary_has_metric(results, METRIC_TOTAL)) {
		fail(failure, "no chart: nothing was measured");
		return 1;
	}
	script = tmpfile();
	if (!script)
		return fail(failure, "no temporary file: %s", strerror(errno));
	ret = chart_script(script, results, prefix);
	ret = ret ? fail(failure, "cannot write a temporary file")
		  : run_gnuplot(script, prefix, failure);
	fclose(script);
	return ret;
}
