/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "util/output_file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "util/error_text.h"

#define OPEN_DIRECTORY (O_PATH | O_DIRECTORY | O_CLOEXEC)

static const char *wrong_kind(mode_t mode)
{
	switch (mode & S_IFMT) {
	case S_IFREG:
		return NULL;
	case S_IFLNK:
		return "is a symbolic link";
	case S_IFDIR:
		return "is a directory";
	case S_IFIFO:
		return "is a FIFO";
	case S_IFSOCK:
		return "is a socket";
	default:
		return "is a device";
	}
}

/* Somebody may have put there what he likes; the directory's owner can anyway. */
static const char *wrong_owner(const struct stat *directory, const struct stat *file)
{
	if (!(directory->st_mode & S_IWOTH))
		return NULL;
	if (file->st_uid != geteuid() && file->st_uid != directory->st_uid)
		return "belongs to another user, in a directory that all users may write to";
	return file->st_nlink > 1 ? "has another name, and all users may write to its directory"
				  : NULL;
}

/* In place of the directory *fd, which is closed, its entry `name`, a directory too. */
static const char *enter(int *fd, const char *name)
{
	const char *why = NULL;
	struct stat at, entry;
	bool shared;
	int next = -1;

	if (fstat(*fd, &at))
		return error_text(errno);
	shared = at.st_mode & S_IWOTH;
	next = openat(*fd, name, OPEN_DIRECTORY | (shared ? O_NOFOLLOW : 0));
	if (next < 0) {
		why = error_text(errno);
		if (shared && errno == ENOTDIR &&
		    !fstatat(*fd, name, &entry, AT_SYMLINK_NOFOLLOW) && S_ISLNK(entry.st_mode))
			why = "a symbolic link in a directory that all users may write to";
		return why;
	}
	close(*fd);
	*fd = next;
	return NULL;
}

/* The directory that the file is in to *fd, and the file's name to *name. *fd is to be closed
 * also after an error, unless it is negative. */
static const char *find_directory(const char *path, int *fd, const char **name)
{
	char part[NAME_MAX + 1];
	const char *why = NULL;
	size_t len;

	*fd = open(path[0] == '/' ? "/" : ".", OPEN_DIRECTORY);
	if (*fd < 0)
		return error_text(errno);
	for (path += strspn(path, "/"); !why; path += len + strspn(path + len, "/")) {
		len = strcspn(path, "/");
		if (!path[len]) {
			*name = path;
			break;
		}
		if (len > NAME_MAX)
			return error_text(ENAMETOOLONG);
		memcpy(part, path, len);
		part[len] = '\0';
		why = enter(fd, part);
	}
	return why;
}

static const char *open_in(int directory, const char *name, int *fd)
{
	struct stat at, st;
	const char *why;

	if (fstat(directory, &at))
		return error_text(errno);
	/* To open a device or FIFO may do something to it: look first. */
	if (fstatat(directory, name, &st, AT_SYMLINK_NOFOLLOW)) {
		if (errno != ENOENT)
			return error_text(errno);
	} else {
		why = wrong_kind(st.st_mode);
		if (why)
			return why;
	}
	*fd = openat(directory, name,
		     O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY,
		     0600);
	if (*fd < 0)
		return error_text(errno);
	/* It may be another by now. */
	why = fstat(*fd, &st) ? error_text(errno) : wrong_kind(st.st_mode);
	if (!why)
		why = wrong_owner(&at, &st);
	if (why) {
		close(*fd);
		*fd = -1;
	}
	return why;
}

/* The rights are those of the effective user, as with open(). */
static const char *refused_in(int directory, const char *name)
{
	struct stat at, st;
	const char *why;

	if (fstat(directory, &at))
		return error_text(errno);
	if (fstatat(directory, name, &st, AT_SYMLINK_NOFOLLOW)) {
		/* Without a name there is nothing to create. */
		if (errno != ENOENT || !*name)
			return error_text(errno);
		return faccessat(directory, ".", W_OK | X_OK, AT_EACCESS) ? error_text(errno)
									  : NULL;
	}
	why = wrong_kind(st.st_mode);
	if (!why)
		why = wrong_owner(&at, &st);
	if (!why && faccessat(directory, name, W_OK, AT_EACCESS))
		why = error_text(errno);
	return why;
}

const char *output_file_examine(const char *path)
{
	const char *why, *name = "";
	int directory;

	why = find_directory(path, &directory, &name);
	if (!why)
		why = refused_in(directory, name);
	if (directory >= 0)
		close(directory);
	return why;
}

const char *output_file_open(const char *path, int *fd)
{
	const char *why, *name = "";
	int directory;

	*fd = -1;
	why = find_directory(path, &directory, &name);
	if (!why)
		why = open_in(directory, name, fd);
	if (directory >= 0)
		close(directory);
	return why;
}
