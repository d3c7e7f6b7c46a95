/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RDMACHUNK_LAUNCHER_PROBE_H
#define RDMACHUNK_LAUNCHER_PROBE_H

#include <stdbool.h>

/* What running "QEMU --version" with the library in LD_PRELOAD has shown. */
struct probe {
	/* Its exit status; 128 + n when signal n ended it; -1 when it had to be killed. */
	int status;
	/* The first line of its standard output and of its standard error. */
	char version[256];
	char complaint[512];

	/* The process could be looked at once the loader was done with its libraries. */
	bool looked;
	bool library; /* the library was among them */
	bool secure;  /* the kernel started it in secure mode (AT_SECURE) */
};

/*
 * Run `program` with "--version" as its argument and with `library`, if it is not NULL, in front of
 * LD_PRELOAD. The program is held in its first write to standard output, so that what has been
 * loaded can be seen in /proc. Takes at most ten seconds; no process is left. Returns 0, or the
 * negative errno of why it could not be run.
 */
int probe_run(struct probe *probe, const char *program, const char *library);

/* The number after "version " in probe->version; false when there is none. */
bool probe_version(const struct probe *probe, unsigned int *major, unsigned int *minor);

#endif
