// SPDX-License-Identifier: GPL-2.0-or-later
#include "progress.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/ioctl.h>

#include "wait.h"

#define BAR_MAX	  24
#define TEXT_MAX  256
#define WIDTH_MIN 10

static bool is_capable(FILE *f)
{
	const char *term = getenv("TERM");

	return isatty(fileno(f)) && term && *term && strcmp(term, "dumb");
}

bool progress_colour(FILE *f)
{
	const char *no = getenv("NO_COLOR");

	return is_capable(f) && !(no && *no);
}

static int columns_of(FILE *f)
{
	struct winsize size;

	if (ioctl(fileno(f), TIOCGWINSZ, &size) || size.ws_col < WIDTH_MIN)
		return 80;
	return size.ws_col < TEXT_MAX ? size.ws_col : TEXT_MAX;
}

static void time_left(char *text, size_t size, double left)
{
	unsigned long seconds = left < 0 ? 0 : (unsigned long)(left + 0.5);

	if (left < 0)
		snprintf(text, size, "?");
	else if (seconds < 3600)
		snprintf(text, size, "%lu:%02lu left", seconds / 60, seconds % 60);
	else
		snprintf(text, size, "%lu:%02lu:%02lu left", seconds / 3600, seconds / 60 % 60,
			 seconds % 60);
}

void progress_bar(char *text, size_t size, int columns, size_t done, size_t total, double left,
		  const char *what)
{
	char bar[BAR_MAX + 1], line[TEXT_MAX], rest[32];
	size_t width = columns >= 72 ? BAR_MAX : columns >= 40 ? 10 : 0;
	size_t full = total ? width * done / total : 0;

	memset(bar, '#', full);
	memset(bar + full, '.', width - full);
	bar[width] = '\0';
	time_left(rest, sizeof(rest), left);
	snprintf(line, sizeof(line), "%s%s%s%zu/%zu  %s  %s", width ? "[" : "", bar,
		 width ? "] " : "", done, total, rest, what);
	if (columns > 0 && (size_t)columns <= sizeof(line))
		line[columns - 1] = '\0';
	snprintf(text, size, "%s", line);
}

void progress_start(struct progress *progress, FILE *f, size_t total, bool quiet)
{
	*progress = (struct progress){
		.f = f,
		.bar = !quiet && is_capable(f),
		.quiet = quiet,
		.total = total,
		.started = wait_now(),
	};
}

/* Seconds, if what is left takes as long as what is done did; negative: unknown. */
static double estimate(const struct progress *p)
{
	double done = (double)(p->began - p->started) / 1000;
	double now = (double)(wait_now() - p->began) / 1000, one, left;

	if (!p->done)
		return -1;
	one = done / (double)p->done;
	left = one * (double)(p->total - p->done - 1);
	return left + (now < one ? one - now : 0);
}

void progress_now(struct progress *progress, const char *what)
{
	snprintf(progress->what, sizeof(progress->what), "%s", what);
	progress->began = wait_now();
	progress_again(progress);
}

void progress_again(struct progress *progress)
{
	char text[TEXT_MAX];

	if (!progress->bar)
		return;
	progress_bar(text, sizeof(text), columns_of(progress->f), progress->done, progress->total,
		     estimate(progress), progress->what);
	fprintf(progress->f, "\r\033[K%s", text);
	fflush(progress->f);
}

void progress_done(struct progress *progress, const char *result, bool kept)
{
	progress->done++;
	if (progress->quiet)
		return;
	if (progress->bar && kept)
		fprintf(progress->f, "\r\033[K%s\n", result);
	else if (!progress->bar)
		fprintf(progress->f, "%s\n", result);
	fflush(progress->f);
}

void progress_end(struct progress *progress)
{
	if (progress->bar)
		fputs("\r\033[K", progress->f);
	fflush(progress->f);
}
