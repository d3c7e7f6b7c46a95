/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The samples as comma-separated values (RFC 4180): one line each, warm-up and failures too. */
#ifndef TOOLS_AB_CSV_H
#define TOOLS_AB_CSV_H

#include <stdio.h>

#include "results.h"

/* Returns 0, or -1 when @f cannot be written to. */
int csv_write(FILE *f, const struct results *results);

#endif
