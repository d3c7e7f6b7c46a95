// SPDX-License-Identifier: GPL-2.0-or-later
#include "attach.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

__attribute__((noreturn)) static void become(const char *line, const struct vmproc *vm, bool stats)
{
	int out = open("/dev/null", O_WRONLY);

	if (out < 0 || dup2(out, STDOUT_FILENO) < 0)
		_exit(126);
	unsetenv("LD_PRELOAD");
	if (stats)
		setenv("RDMACHUNK_STATS", vm->stats, 1);
	execl("/bin/sh", "sh", "-c", line, (char *)NULL);
	_exit(127);
}

int attach_run(const char *command, const struct vmproc *vm, bool stats, struct failure *failure)
{
	char line[2048];
	int status;
	pid_t pid;

	if (!command)
		return 0;
	snprintf(line, sizeof(line), "%s %d", command, (int)vm->pid);
	fflush(NULL);
	pid = fork();
	if (pid == 0)
		become(line, vm, stats);
	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		return fail(failure, "cannot run %s: %s", line, strerror(errno));
	if (status)
		return fail(failure, "%s: %s ended with wait status 0x%x", vm->name, line,
			    (unsigned int)status);
	return 0;
}

int attach_connect(const char *command, struct vmproc *vm, bool stats, int64_t deadline,
		   struct failure *failure)
{
	if (vm_connect(vm, deadline, failure))
		return -1;
	return attach_run(command, vm, stats, failure);
}
