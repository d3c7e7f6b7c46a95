/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RDMACHUNK_LAUNCHER_CHECK_H
#define RDMACHUNK_LAUNCHER_CHECK_H

#include "options.h"

/*
 * Look at QEMU, the library and this host, and print a line for each finding (findings.h). QEMU is
 * options->command[0], or else the distribution's. The variables have been set already. Returns the
 * exit status.
 */
int check(const struct options *options);

#endif
