/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RDMACHUNK_LAUNCHER_PRELOAD_H
#define RDMACHUNK_LAUNCHER_PRELOAD_H

#include <stdbool.h>

#include "options.h"

/*
 * Set the library's variables in this process's environment from the options, and check all of
 * them, those that were there before too, with the library's own parser. An option wins over the
 * environment; --shift and --size also over each other's variable. Returns false after having said
 * on standard error what is not allowed. What was an option is called by its name there.
 */
bool preload_set_variables(const struct options *options);

/*
 * Can the files that the variables name be written by a process of this one's user that becomes
 * options->command? Returns false after having said on standard error which cannot.
 */
bool preload_files(const struct options *options);

/*
 * The absolute path of the library that the options name, to be freed; NULL after having said on
 * standard error why it cannot be in LD_PRELOAD. One of another build is mentioned there.
 */
char *preload_library(const struct options *options);

/* Put `library` in front of LD_PRELOAD, unless it is in there already. Returns 0 or -errno. */
int preload_prepend(const char *library);

#endif
