/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A guardian: a process of its own that learns of every process group, directory and unfinished
 * file we make, and ends and removes them when we end, however that comes about. Also the only way
 * in which a run that ends well removes its directories, so that the way is well trodden.
 */
#ifndef TOOLS_AB_CLEANUP_H
#define TOOLS_AB_CLEANUP_H

#include <sys/types.h>

/* Start it, before anything that it is to guard. Returns 0 or an errno value. */
int cleanup_start(void);

/* To be called in a new child that leads a process group, before it becomes another program. */
void cleanup_add_self(void);

/* That group has been ended and its leader waited for. */
void cleanup_forget(pid_t pid);

/*
 * @path is to be gone when we end, and need not be there yet: a file, or a directory that has files
 * only, or empty directories.
 */
void cleanup_add_path(const char *path);

/* Have everything removed, and wait for that. */
void cleanup_finish(void);

#endif
