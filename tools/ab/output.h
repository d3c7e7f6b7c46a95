/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Writes the reports that were asked for. */
#ifndef TOOLS_AB_OUTPUT_H
#define TOOLS_AB_OUTPUT_H

#include "options.h"
#include "results.h"

/*
 * The table on standard output, all else to its file. A file appears whole or not at all. Returns
 * 0, or -1 after a message if anything could not be written; a chart that lacks gnuplot only gets
 * a remark.
 */
int output_write(const struct options *options, const struct results *results);

#endif
