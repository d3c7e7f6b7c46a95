// SPDX-License-Identifier: GPL-2.0-or-later
#include "vmroot.h"

#include <errno.h>
#include <sched.h>
#include <stdio.h>
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

void vmroot_enter(const char *root, const char *const *dirs, const char *preload)
{
	char list[4096], *save, *dir;

	if (unshare(CLONE_NEWNS) || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL))
		die("a mount namespace");
	bind_into(root, "/dev");
	bind_into(root, "/proc");
	bind_into(root, "/sys");
	empty_tmp(root);
	for (; *dirs; dirs++)
		bind_into(root, *dirs);
	snprintf(list, sizeof(list), "%s", preload ? preload : "");
	for (dir = strtok_r(list, " :", &save); dir; dir = strtok_r(NULL, " :", &save)) {
		char *slash = strrchr(dir, '/');

		if (!slash || slash == dir)
			continue;
		*slash = '\0';
		bind_into(root, dir);
	}
	if (chroot(root) || chdir("/"))
		die(root);
}
