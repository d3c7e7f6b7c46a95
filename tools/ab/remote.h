/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A QEMU on another host, by way of ssh. ssh runs a shell there which reads from its standard input
 * first a script of ours and then QMP. The script gives QEMU the rest of the connection, and when
 * the connection ends, for whatever reason, ends QEMU and removes its directory: nothing stays
 * behind even if this host is gone.
 */
#ifndef TOOLS_AB_REMOTE_H
#define TOOLS_AB_REMOTE_H

#include <stddef.h>
#include <stdint.h>

#include "failure.h"
#include "vmargs.h"

/* Strings are not owned. */
struct remote {
	const char *ssh;  /* command with its options, words divided by blanks */
	const char *host; /* as ssh takes it */
	char dir[300];	  /* made and removed over there, for the RAM file and statistics */
};

/* Append the local command that opens a shell on the other host and reads a script. */
int remote_shell(const struct remote *remote, struct vm_args *args, struct failure *failure);

/*
 * The script that runs @line there with the environment @env (NAME=VALUE, NULL ends the list).
 * Allocated; NULL without memory.
 */
char *remote_script(const struct remote *remote, const struct vm_args *line,
		    const char *const *env);

/* What the script says on standard error when QEMU has ended. */
struct remote_end {
	double cpu_seconds; /* of QEMU's whole life; negative: unknown */
};

/*
 * Read the script's words from the log file @log, and copy QEMU's statistics to the file @stats and
 * its counts to @counts, which is how those of a QEMU of this host are found.
 */
void remote_read_end(const char *log, const char *stats, const char *counts,
		     struct remote_end *end);

/*
 * SHA-256 of the other host's RAM file, and of the file @fd here, in hexadecimal. Returns -1
 * without a failure text when there is no tool for it.
 */
#define CHECKSUM_LEN 65
int remote_checksum(const struct remote *remote, char sum[CHECKSUM_LEN], int64_t deadline);
int local_checksum(int fd, char sum[CHECKSUM_LEN], int64_t deadline);

/*
 * Wait until the library over there has written its statistics, which is some time after the
 * migration has completed; or for about @milliseconds.
 */
void remote_wait_stats(const struct remote *remote, unsigned int milliseconds, int64_t deadline);

#endif
