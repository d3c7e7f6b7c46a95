/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How far we are: a bar with the time left on a terminal, plain lines anywhere else. */
#ifndef TOOLS_AB_PROGRESS_H
#define TOOLS_AB_PROGRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

struct progress {
	FILE *f;
	bool bar, quiet;
	size_t total, done;
	int64_t started; /* wait_now() */
	int64_t began;	 /* what is being done now; wait_now() */
	char what[256];
};

/* A bar is drawn if @f is a terminal that can go back to the beginning of a line. */
void progress_start(struct progress *progress, FILE *f, size_t total, bool quiet);

/* What is being done now, or goes on being done: draws the bar, and nothing else. */
void progress_now(struct progress *progress, const char *what);
void progress_again(struct progress *progress);

/* One of the total is done: @result says with what result. A bar shows only those to be @kept. */
void progress_done(struct progress *progress, const char *result, bool kept);

/* Take the bar away. */
void progress_end(struct progress *progress);

/*
 * The bar itself, for a terminal @columns wide, into @text: never longer than columns - 1
 * characters, so that it never wraps. @left: seconds; negative: unknown.
 */
void progress_bar(char *text, size_t size, int columns, size_t done, size_t total, double left,
		  const char *what);

/* May colours and bold type be sent to @f? Not to files, dumb terminals, or with NO_COLOR. */
bool progress_colour(FILE *f);

#endif
