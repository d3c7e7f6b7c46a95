/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "account.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

static void set_name(struct account *account, const struct passwd *entry)
{
	if (entry)
		snprintf(account->name, sizeof(account->name), "%s", entry->pw_name);
	else
		snprintf(account->name, sizeof(account->name), "%lu", (unsigned long)account->uid);
}

int account_by_name(struct account *account, const char *name)
{
	const struct passwd *entry = getpwnam(name);
	unsigned long number;
	char *end;

	if (!entry && *name >= '0' && *name <= '9') {
		number = strtoul(name, &end, 10);
		if (!*end && number < (uid_t)-1)
			entry = getpwuid((uid_t)number);
	}
	if (!entry)
		return -ENOENT;
	memset(account, 0, sizeof(*account));
	account->uid = entry->pw_uid;
	account->gid = entry->pw_gid;
	set_name(account, entry);
	account->groups = ACCOUNT_GROUPS_MAX;
	if (getgrouplist(entry->pw_name, entry->pw_gid, account->group, &account->groups) < 0)
		account->groups = ACCOUNT_GROUPS_MAX;
	return 0;
}

int account_by_status(struct account *account, FILE *status)
{
	char *line = NULL, *rest;
	bool uid = false, gid = false;
	unsigned int real, effective;
	size_t size = 0;
	int used;

	memset(account, 0, sizeof(*account));
	while (getline(&line, &size, status) > 0) {
		if (sscanf(line, "Uid: %u %u", &real, &effective) == 2) {
			account->uid = effective;
			uid = true;
		} else if (sscanf(line, "Gid: %u %u", &real, &effective) == 2) {
			account->gid = effective;
			gid = true;
		} else if (!strncmp(line, "Groups:", 7)) {
			rest = line + 7;
			while (account->groups < ACCOUNT_GROUPS_MAX &&
			       sscanf(rest, " %u%n", &real, &used) == 1) {
				account->group[account->groups++] = real;
				rest += used;
			}
		}
	}
	free(line);
	if (!uid || !gid)
		return -EINVAL;
	set_name(account, getpwuid(account->uid));
	return 0;
}

int account_become(const struct account *account)
{
	if (geteuid() != 0)
		return account->uid == geteuid() ? 0 : -EPERM;
	if (setgroups((size_t)account->groups, account->group) != 0 ||
	    setresgid(account->gid, account->gid, account->gid) != 0 ||
	    setresuid(account->uid, account->uid, account->uid) != 0)
		return -errno;
	/* Else what this process starts could not be looked at in /proc. */
	return prctl(PR_SET_DUMPABLE, 1, 0, 0, 0) == 0 ? 0 : -errno;
}
