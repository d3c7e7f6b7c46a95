/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Writes the reports that were asked for. */
#ifndef TOOLS_AB_OUTPUT_H
#define TOOLS_AB_OUTPUT_H

#include "options.h"
#include "results.h"

/*
 * Before anything is measured: make --output's directory, and see whether every report can be
 * written. Returns 0, or -1 after a message for each that cannot.
 */
int output_prepare(const struct options *options);

/* Have what an output_keep() that is killed leaves unfinished removed. After cleanup_start(). */
void output_guard(const struct options *options);

/*
 * Write the JSON report of what there is until now, if it goes to a file of its own: of a run that
 * is killed no more is lost than the migration it was busy with. Returns 0, or -1 after a message.
 */
int output_keep(const struct options *options, const struct results *results);

/*
 * The table on standard output, all else to its file. A file appears whole or not at all; a
 * device, a FIFO or a link is written to. Returns
 * 0, or -1 after a message if anything could not be written; a chart that lacks gnuplot only gets
 * a remark.
 */
int output_write(const struct options *options, const struct results *results);

#endif
