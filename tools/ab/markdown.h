/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The report as a Markdown table, for a README or an issue. */
#ifndef TOOLS_AB_MARKDOWN_H
#define TOOLS_AB_MARKDOWN_H

#include <stdio.h>

#include "results.h"

/* Returns 0, or -1 when @f cannot be written to. */
int markdown_write(FILE *f, const struct results *results);

#endif
