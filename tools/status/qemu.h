/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RDMACHUNK_STATUS_QEMU_H
#define RDMACHUNK_STATUS_QEMU_H

#include <stdbool.h>
#include <stddef.h>

#include "attach/checks.h"
#include "attach/process.h"
#include "util/config.h"
#include "util/figures.h"

/* A migration with the return path has two connections. */
#define QEMU_MIGRATIONS_MAX 4

enum qemu_library {
	QEMU_UNKNOWN,	/* we may not look: `reason` */
	QEMU_WITHOUT,	/* the library is not in the process */
	QEMU_PRELOADED, /* LD_PRELOAD has named it */
	QEMU_ATTACHED,	/* rdmachunk attach has put its hooks in, */
	QEMU_DETACHED,	/* and rdmachunk detach has taken them out */
	QEMU_LOADED,	/* it is there, not by LD_PRELOAD; more may be seen by root only */
};

/* A QEMU of this host, as /proc shows it. */
struct qemu {
	struct process process;
	enum qemu_library library;
	/* QEMU_UNKNOWN: why; QEMU_WITHOUT, QEMU_DETACHED: why it cannot be attached, "" when it can
	 */
	char reason[CHECKS_REASON_LEN];
	char version[32]; /* of the library, "" when not known */
	bool replaced;	  /* the library's file is not there any more, or another */
	/* Its settings: with QEMU_ATTACHED those of attaching, else those of QEMU's start. Strings
	 * point into `text`. */
	struct config config;
	char *text;
	/* Under way, in the order in which they began. */
	size_t migrations;
	struct figures migration[QEMU_MIGRATIONS_MAX];
};

/*
 * All QEMUs there are, or those of which `only` is the PID or the guest's name, unless it is
 * NULL, in the order of their PIDs. Returns 0 and sets *qemus, to be ended with qemu_free(), and
 * *count; or -ENOMEM, or the errno of reading /proc. Processes that end meanwhile are left out.
 */
int qemu_list(struct qemu **qemus, size_t *count, const char *only);

void qemu_free(struct qemu *qemus, size_t count);

/* Is the library in use there? */
bool qemu_is_in_use(const struct qemu *q);

#endif
