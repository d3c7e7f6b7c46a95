/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RDMACHUNK_LAUNCHER_ACCOUNT_H
#define RDMACHUNK_LAUNCHER_ACCOUNT_H

#include <stdio.h>
#include <sys/types.h>

#define ACCOUNT_GROUPS_MAX 256

/* A user with groups, as a process has them. */
struct account {
	char name[64];
	uid_t uid;
	gid_t gid;
	gid_t group[ACCOUNT_GROUPS_MAX];
	int groups;
};

/* By name or number, from the user database. Returns 0, or -ENOENT. */
int account_by_name(struct account *account, const char *name);

/* That of a process, by its /proc/PID/status. Returns 0, or -EINVAL. */
int account_by_status(struct account *account, FILE *status);

/*
 * Make this process run as that user, for good and without capabilities if it is not root. Returns
 * 0, also when it does already, or a negative errno: -EPERM when this process is not root's.
 */
int account_become(const struct account *account);

#endif
