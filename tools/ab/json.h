/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Results as JSON, as documented in rdmachunk-ab(1), and back. */
#ifndef TOOLS_AB_JSON_H
#define TOOLS_AB_JSON_H

#include <stdio.h>

#include "failure.h"
#include "results.h"

/* Changes when a reader of the previous version could misunderstand. */
#define JSON_VERSION 1

/* Returns 0, or -1 when @f cannot be written to. */
int json_write(FILE *f, const struct results *results);

/* Fill *results, to be freed by the caller, from the file @path. */
int json_read(const char *path, struct results *results, struct failure *failure);

#endif
