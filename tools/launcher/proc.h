/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RDMACHUNK_LAUNCHER_PROC_H
#define RDMACHUNK_LAUNCHER_PROC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/types.h>

/* What the files of /proc/PID tell, see proc(5). Each is read to its end, and stays the caller's.
 */

/* Opens /proc/PID/NAME for reading; NULL with errno when that fails. */
FILE *proc_open(pid_t pid, const char *name);

/*
 * All of /proc/PID/NAME, whose size is not told, with a NUL behind it; *len is without that. To be
 * freed. NULL, and 0 bytes, when it cannot be read, or is longer than 8 MiB.
 */
char *proc_read_whole(pid_t pid, const char *name, size_t *len);

/* The strings of cmdline, environ and the like, each of which ends with a NUL, in an array as
 * main() gets it, to be freed; they stay where they are. NULL without memory. text[len] is a NUL,
 * too. */
char **proc_strings(char *text, size_t len);

/* Which of these a process has mapped. */
struct proc_mapped {
	bool library; /* the one asked for */
	bool libc;    /* the C library, glibc's */
};

/* maps, with the library at `library`, which may be NULL. */
struct proc_mapped proc_read_maps(FILE *maps, const char *library);

/* maps: has the process mapped a file whose path ends like this? */
bool proc_maps_contain(FILE *maps, const char *end);

/* auxv: has the kernel started the process in secure mode (AT_SECURE)? */
bool proc_is_secure(FILE *auxv);

/* limits: RLIMIT_MEMLOCK in bytes, or RLIM_INFINITY; false when it is not told. */
bool proc_read_memlock(FILE *limits, rlim_t *memlock);

/* status: is the capability, one of CAP_*, in the effective set? */
bool proc_has_capability(FILE *status, unsigned int capability);

/* uid_map: is the process in the first user namespace? */
bool proc_in_first_namespace(FILE *uid_map);

#endif
