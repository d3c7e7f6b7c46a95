/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "output_file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "util/config.h"
#include "util/output_file.h"

/* %p becomes a number that no process has, so that the name is that of a new file. */
#define NO_PID 4194305L

const char *output_file_refused(const char *path, const char *directory)
{
	char expanded[PATH_MAX], absolute[PATH_MAX];

	if (config_expand_path(expanded, sizeof(expanded), path, NO_PID) != 0 ||
	    snprintf(absolute, sizeof(absolute), "%s%s%s", expanded[0] == '/' ? "" : directory,
		     expanded[0] == '/' ? "" : "/", expanded) >= (int)sizeof(absolute))
		return strerror(ENAMETOOLONG);
	return output_file_examine(absolute);
}

const char *output_file_refused_to(const struct account *account, const char *path,
				   const char *directory)
{
	static char why[256];
	const char *refused;
	ssize_t n = -1;
	int out[2], err;
	pid_t pid;

	if (pipe2(out, O_CLOEXEC) != 0)
		return strerror(errno);
	pid = fork();
	if (pid == 0) {
		err = account_become(account);
		refused = err ? strerror(-err) : output_file_refused(path, directory);
		if (refused && write(out[1], refused, strlen(refused)) < 0)
			_exit(EXIT_FAILURE);
		_exit(EXIT_SUCCESS);
	}
	close(out[1]);
	if (pid > 0) {
		n = read(out[0], why, sizeof(why) - 1);
		waitpid(pid, NULL, 0);
	}
	close(out[0]);
	if (n < 0)
		return "it cannot be tried as QEMU's user";
	why[n] = '\0';
	return n ? why : NULL;
}
