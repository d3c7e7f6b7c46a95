/* SPDX-License-Identifier: GPL-2.0-or-later */

/*
 * A file system that hangs, as NFS does whose server is gone: open() of the path
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

static void hang(const char *variable, const char *path)
{
	const char *wanted = getenv(variable);

	while (wanted && !strcmp(path, wanted))
		pause();
}

static int do_open(const char *path, int flags, va_list args)
{
	hang("HANG_OPEN", path);
	return (int)syscall(SYS_openat, AT_FDCWD, path, flags,
			    flags & O_CREAT ? va_arg(args, unsigned int) : 0);
}

int open(const char *path, int flags, ...)
{
	va_list args;
	int fd;

	va_start(args, flags);
	fd = do_open(path, flags, args);
	va_end(args);
	return fd;
}

int open64(const char *path, int flags, ...)
{
	va_list args;
	int fd;

	va_start(args, flags);
	fd = do_open(path, flags, args);
	va_end(args);
	return fd;
}

ssize_t write(int fd, const void *data, size_t len)
{
	char link[64], path[4096];
	ssize_t n;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	n = readlink(link, path, sizeof(path) - 1);
	path[n > 0 ? n : 0] = '\0';
	hang("HANG_WRITE", path);
	return syscall(SYS_write, fd, data, len);
}
