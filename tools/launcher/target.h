/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RDMACHUNK_LAUNCHER_TARGET_H
#define RDMACHUNK_LAUNCHER_TARGET_H

#include <limits.h>
#include <stdbool.h>
#include <sys/resource.h>
#include <sys/types.h>

#include "account.h"
#include "guest.h"
#include "options.h"

/* The QEMU that --check is about: one to be started, or a process. */
struct target {
	pid_t pid;		/* 0: it is not running */
	struct account account; /* valid with `other_user` or `pid` */
	bool other_user;	/* than the one who checks */
	bool root;		/* it runs as root, as far as is known */
	rlim_t memlock;		/* RLIMIT_MEMLOCK, bytes or RLIM_INFINITY */
	bool may_lock;		/* has CAP_IPC_LOCK, which lifts that limit */
	struct guest guest;
	char directory[PATH_MAX]; /* that relative names count from */
	char program[PATH_MAX];	  /* of a process; else empty */
	bool preloaded;		  /* a process has the library mapped */
	char *environment;	  /* of a process: what environ(7) says, each ended by NUL */
	size_t environment_len;
};

/*
 * Find out about it, from --user, --pid and --memory, and become its user. Returns false after
 * having said on standard error why not.
 */
bool target_find(struct target *target, const struct options *options);

/* End what target_find() has begun. */
void target_free(struct target *target);

#endif
