/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RDMACHUNK_LAUNCHER_WAYS_H
#define RDMACHUNK_LAUNCHER_WAYS_H

#include <stdbool.h>
#include <sys/types.h>

#include "util/attach_abi.h"

/* Whether a QEMU that runs has the library. */
enum ways_library {
	WAYS_UNKNOWN, /* its memory may not be read */
	WAYS_ABSENT,
	WAYS_PRELOADED,
	WAYS_DETACHED,
	WAYS_ATTACHED,
};

#define WAYS_REASON_LEN 1024

/* How it may get the library, or how it has got it. */
struct ways {
	enum ways_library library;
	struct attach_info info; /* the library's, where that is known */

	/* "" when it may be attached to; else why not, "; fix: " and what to do. */
	char not_attach[WAYS_REASON_LEN];
	/* The same of QEMU's migration mode cpr-exec, by which it runs itself again. */
	char not_cpr[WAYS_REASON_LEN];
};

/* Look at a process, with the library that it is to load. Changes nothing there. */
void ways_find(struct ways *ways, pid_t pid, const char *library);

#endif
