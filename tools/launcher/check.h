/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RDMACHUNK_LAUNCHER_CHECK_H
#define RDMACHUNK_LAUNCHER_CHECK_H

#include "options.h"

/* The command line is wrong: nothing was checked. */
#define CHECK_NOT_BEGUN 125

/*
 * Look at QEMU, the library and this host, and print a line for each finding (findings.h). QEMU is
 * options->command[0], the process options->pid, or else the distribution's. The variables have
 * been set already. Becomes the user of options->user. Returns the exit status.
 */
int check(const struct options *options);

#endif
