/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The total times as a picture, drawn by gnuplot: every round a dot, the median a line. */
#ifndef TOOLS_AB_CHART_H
#define TOOLS_AB_CHART_H

#include <stdio.h>

#include "failure.h"
#include "results.h"

/* The commands for gnuplot that draw @prefix.svg and @prefix.png. Returns 0, or -1. */
int chart_script(FILE *f, const struct results *results, const char *prefix);

/*
 * Draw both. Returns 0; 1 when there is no gnuplot or nothing to draw, and then the failure text
 * says which; -1 when gnuplot failed.
 */
int chart_write(const struct results *results, const char *prefix, struct failure *failure);

#endif
