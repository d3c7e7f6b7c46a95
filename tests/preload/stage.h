/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RDMACHUNK_TESTS_PRELOAD_STAGE_H
#define RDMACHUNK_TESTS_PRELOAD_STAGE_H

/* Open the first device, register memory, undo it all and say `name` on
 * standard output: at stages of a process when little works yet, or any more. */
void stage(const char *name);

#endif
