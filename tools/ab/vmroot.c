// SPDX-License-Identifier: GPL-2.0-or-later
#include "vmroot.h"

#include <dirent.h>
#include <errno.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/mount.h>
#include <sys/stat.h>

static void die(const char *what)
{
	dprintf(STDERR_FILENO, "cannot enter %s: %s\n", what, strerror(errno));
	_exit(126);
}

static void mkdirs(char *path)
{
	for (char *p = path + 1; *p; p++) {
		if (*p != '/')
			continue;
		*p = '\0';
		mkdir(path, 0755);
		*p = '/';
	}
	mkdir(path, 0755);
}

/* Make @dir of ours appear at the same path below @root. */
static void bind_into(const char *root, const char *dir)
{
	char target[512];

	snprintf(target, sizeof(target), "%s%s", root, dir);
	mkdirs(target);
	if (mount(dir, target, NULL, MS_BIND | MS_REC, NULL))
		die(target);
}

/* So that the directories made for the mounts below it do not stay in somebody's tree. */
static void empty_tmp(const char *root)
{
	char target[512];

	snprintf(target, sizeof(target), "%s/tmp", root);
	mkdirs(target);
	if (mount("tmpfs", target, "tmpfs", 0, NULL))
		die(target);
}

/* What LD_PRELOAD names is looked for there, too. */
static void bind_preload(const char *root)
{
	const char *preload = getenv("LD_PRELOAD");
	char list[4096], *save, *dir;

	snprintf(list, sizeof(list), "%s", preload ? preload : "");
	for (dir = strtok_r(list, " :", &save); dir; dir = strtok_r(NULL, " :", &save)) {
		char *slash = strrchr(dir, '/');

		if (!slash || slash == dir)
			continue;
		*slash = '\0';
		bind_into(root, dir);
	}
}

/* One that an earlier run has made to mount on is empty. */
static bool has_entries(const char *dir)
{
	DIR *d = opendir(dir);
	struct dirent *entry;
	bool found = false;

	while (d && !found && (entry = readdir(d)))
		found = strcmp(entry->d_name, ".") && strcmp(entry->d_name, "..");
	if (d)
		closedir(d);
	return found;
}

/* Libraries that its user has put in front. The root's own must not be hidden by ours. */
static void bind_library_path(const char *root)
{
	const char *path = getenv("LD_LIBRARY_PATH");
	char list[4096], target[4608], *save, *dir;

	snprintf(list, sizeof(list), "%s", path ? path : "");
	for (dir = strtok_r(list, ":;", &save); dir; dir = strtok_r(NULL, ":;", &save)) {
		snprintf(target, sizeof(target), "%s%s", root, dir);
		if (*dir == '/' && !access(dir, X_OK) && !has_entries(target))
			bind_into(root, dir);
	}
}

void vmroot_enter(const char *root, const char *const *dirs)
{
	if (unshare(CLONE_NEWNS) || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL))
		die("a mount namespace");
	bind_into(root, "/dev");
	bind_into(root, "/proc");
	bind_into(root, "/sys");
	empty_tmp(root);
	for (; *dirs; dirs++)
		bind_into(root, *dirs);
	bind_preload(root);
	bind_library_path(root);
	if (chroot(root) || chdir("/"))
		die(root);
}
