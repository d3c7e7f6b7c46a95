/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "target.h"

#include <errno.h>
#include <linux/capability.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "proc.h"

static void close_proc(FILE *file)
{
	if (file)
		fclose(file);
}

/* CAP_IPC_LOCK lifts the limit, but only in the first user namespace. */
static bool may_lock(pid_t pid)
{
	FILE *status = proc_open(pid, "status"), *uid_map = proc_open(pid, "uid_map");
	bool may = status && uid_map && proc_has_capability(status, CAP_IPC_LOCK) &&
		   proc_in_first_namespace(uid_map);

	close_proc(status);
	close_proc(uid_map);
	return may;
}

static struct guest guest_of_process(pid_t pid)
{
	size_t len = 0;
	char *text = proc_read_whole(pid, "cmdline", &len);
	char **argv = text ? proc_strings(text, len) : NULL;
	struct guest guest = {0};

	if (argv)
		guest = guest_of_command(argv);
	free(argv);
	free(text);
	return guest;
}

static bool read_link(pid_t pid, const char *name, char out[PATH_MAX])
{
	char path[64];
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, name);
	n = readlink(path, out, PATH_MAX - 1);
	out[n > 0 ? n : 0] = '\0';
	return n > 0;
}

static bool refuse(pid_t pid, const char *why)
{
	fprintf(stderr, "rdmachunk: --pid %d: %s\n", (int)pid, why);
	return false;
}

static bool is_preloaded(pid_t pid)
{
	FILE *maps = proc_open(pid, "maps");
	bool preloaded = maps && proc_maps_contain(maps, "/librdmachunk.so");

	close_proc(maps);
	return preloaded;
}

static bool read_memlock(pid_t pid, rlim_t *memlock)
{
	FILE *limits = proc_open(pid, "limits");
	bool read = limits && proc_read_memlock(limits, memlock);

	close_proc(limits);
	return read;
}

static bool find_process(struct target *target, pid_t pid)
{
	FILE *status;
	int err;

	if (kill(pid, 0) != 0 && errno == ESRCH)
		return refuse(pid, "no such process");
	if (!read_memlock(pid, &target->memlock) || !read_link(pid, "exe", target->program) ||
	    !read_link(pid, "cwd", target->directory))
		return refuse(pid, errno == EACCES || errno == EPERM ? "permission denied; use root"
								     : strerror(errno));
	status = proc_open(pid, "status");
	err = status ? account_by_status(&target->account, status) : -errno;
	close_proc(status);
	if (err)
		return refuse(pid, strerror(-err));
	target->pid = pid;
	target->may_lock = may_lock(pid);
	target->guest = guest_of_process(pid);
	target->preloaded = is_preloaded(pid);
	target->environment = proc_read_whole(pid, "environ", &target->environment_len);
	return true;
}

static bool find_user(struct target *target, const char *name)
{
	if (name && account_by_name(&target->account, name) != 0) {
		fprintf(stderr, "rdmachunk: --user %s: no such user\n", name);
		return false;
	}
	return true;
}

/* From here on all is looked at as that user; who this is now stays nobody's secret. */
static bool become(struct target *target)
{
	int err;

	target->root = target->account.uid == 0;
	target->other_user = target->account.uid != geteuid();
	err = account_become(&target->account);
	if (!err)
		return true;
	fprintf(stderr, "rdmachunk: cannot check as user %s: %s\n", target->account.name,
		err == -EPERM ? "only root can" : strerror(-err));
	return false;
}

bool target_find(struct target *target, const struct options *options)
{
	struct rlimit limit = {.rlim_cur = 0};

	memset(target, 0, sizeof(*target));
	if (!getcwd(target->directory, sizeof(target->directory)))
		strcpy(target->directory, "/");
	if (options->pid) {
		if (!find_process(target, options->pid) || !become(target))
			return false;
	} else {
		getrlimit(RLIMIT_MEMLOCK, &limit);
		target->memlock = limit.rlim_cur;
		target->root = geteuid() == 0;
		if (!find_user(target, options->user) || (options->user && !become(target)))
			return false;
		target->may_lock = may_lock(getpid());
	}
	if (options->memory)
		target->guest = guest_of_size(options->memory);
	return true;
}

void target_free(struct target *target)
{
	free(target->environment);
}
