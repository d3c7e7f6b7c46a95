/* SPDX-License-Identifier: GPL-2.0-or-later */

/*
 * A file system that hangs, as NFS does whose server is gone: open() or openat() of the path
 * that HANG_OPEN names never returns, nor does write() to the one of HANG_WRITE.
 */
#include <fcntl.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

int open64(const char *path, int flags, ...);
int openat64(int directory, const char *path, int flags, ...);

static void hang(const char *variable, const char *path)
{
	const char *wanted = getenv(variable);

	while (wanted && !strcmp(path, wanted))
		pause();
}

/* What a descriptor is open on. */
static void find_path(int fd, char *path, size_t room)
{
	char link[64];
	ssize_t n;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	n = readlink(link, path, room - 1);
	path[n > 0 ? n : 0] = '\0';
}

static int do_open(int directory, const char *path, int flags, va_list args)
{
	char all[8192] = "";

	if (directory != AT_FDCWD && path[0] != '/') {
		find_path(directory, all, sizeof(all) / 2);
		strcat(all, "/");
	}
	strncat(all, path, sizeof(all) / 2 - 2);
	hang("HANG_OPEN", all);
	return (int)syscall(SYS_openat, directory, path, flags,
			    flags & O_CREAT ? va_arg(args, unsigned int) : 0);
}

int open(const char *path, int flags, ...)
{
	va_list args;
	int fd;

	va_start(args, flags);
	fd = do_open(AT_FDCWD, path, flags, args);
	va_end(args);
	return fd;
}

int open64(const char *path, int flags, ...)
{
	va_list args;
	int fd;

	va_start(args, flags);
	fd = do_open(AT_FDCWD, path, flags, args);
	va_end(args);
	return fd;
}

int openat(int directory, const char *path, int flags, ...)
{
	va_list args;
	int fd;

	va_start(args, flags);
	fd = do_open(directory, path, flags, args);
	va_end(args);
	return fd;
}

int openat64(int directory, const char *path, int flags, ...)
{
	va_list args;
	int fd;

	va_start(args, flags);
	fd = do_open(directory, path, flags, args);
	va_end(args);
	return fd;
}

ssize_t write(int fd, const void *data, size_t len)
{
	char path[4096];

	find_path(fd, path, sizeof(path));
	hang("HANG_WRITE", path);
	return syscall(SYS_write, fd, data, len);
}
