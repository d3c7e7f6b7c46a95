/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RDMACHUNK_STATUS_QEMU_H
#define RDMACHUNK_STATUS_QEMU_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "util/config.h"
#include "util/figures.h"
#include "util/guest_name.h"

/* A migration with the return path has two connections. */
#define QEMU_MIGRATIONS_MAX 4

enum qemu_library {
	QEMU_UNKNOWN,	/* we may not look: `why` */
	QEMU_WITHOUT,	/* the library is not in the process */
	QEMU_PRELOADED, /* LD_PRELOAD has named it */
	QEMU_LOADED,	/* it is there, but not by LD_PRELOAD */
};

/* A QEMU of this host, as /proc shows it. */
struct qemu {
	pid_t pid;
	char guest[GUEST_NAME_LEN]; /* "" without a name */
	enum qemu_library library;
	int why;	  /* a positive errno, or 0 */
	char version[32]; /* of the library, "" when not known */
	bool replaced;	  /* the library's file is not there any more, or another */
	/* With a library: what its variables said when QEMU was started. */
	struct config config;
	/* Under way. */
	size_t migrations;
	struct figures migration[QEMU_MIGRATIONS_MAX];
};

/*
 * All QEMUs there are, or those of which `only` is the PID or the guest's name, unless it is
 * NULL, in the order of their PIDs. Returns 0 and sets *qemus, to be freed, and *count; or
 * -ENOMEM, or the errno of reading /proc. Processes that end meanwhile are left out.
 */
int qemu_list(struct qemu **qemus, size_t *count, const char *only);

#endif
