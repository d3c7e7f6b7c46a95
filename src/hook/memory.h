/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RDMACHUNK_HOOK_MEMORY_H
#define RDMACHUNK_HOOK_MEMORY_H

#include <stdbool.h>

/* The function of this name, one of those with which a process gives memory back, is
 * followed by `function` from now on. False: it is none of them. */
bool memory_set_next(const char *name, void *function);

#endif
