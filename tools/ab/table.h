/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The report for a terminal: at most 80 columns wide. */
#ifndef TOOLS_AB_TABLE_H
#define TOOLS_AB_TABLE_H

#include <stdbool.h>
#include <stdio.h>

#include "results.h"

#define TABLE_COLUMNS 80

/* @colour: mark what the rounds support in colour as well. */
void table_write(FILE *f, const struct results *results, bool colour);

/* Write @text with line breaks at blanks, later lines indented by @indent. */
void table_wrap(FILE *f, const char *text, int indent);

#endif
