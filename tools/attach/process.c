/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "process.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "launcher/proc.h"
#include "util/printable.h"

/* QEMU's command line, in bytes. */
#define COMMAND_LINE_MAX (1 << 20)

static bool is_qemu(const char *name)
{
	return !strncmp(name, "qemu-system-", 12) || !strncmp(name, "qemu-kvm", 8);
}

/* What ps(1) shows of a program that we may not look at. */
static void read_comm(struct process *p)
{
	FILE *file = proc_open(p->pid, "comm");
	char name[32];

	p->qemu = file && fgets(name, sizeof(name), file) && is_qemu(name);
	if (file)
		fclose(file);
}

static void read_exe(struct process *p)
{
	static const char deleted[] = " (deleted)";
	char path[64];
	ssize_t n;
	size_t len;

	snprintf(path, sizeof(path), "/proc/%d/exe", (int)p->pid);
	n = readlink(path, p->exe, sizeof(p->exe) - 1);
	p->exe[n > 0 ? n : 0] = '\0';
	/* The kernel's threads have no program at all. */
	if (n < 0 && errno != ENOENT) {
		read_comm(p);
		return;
	}
	/* After an upgrade. */
	len = strlen(p->exe);
	if (len > sizeof(deleted) && !strcmp(p->exe + len - sizeof(deleted) + 1, deleted))
		p->exe[len - sizeof(deleted) + 1] = '\0';
	p->qemu = is_qemu(basename(p->exe));
	printable(p->exe);
}

static void read_guest(struct process *p)
{
	size_t size;
	char *arguments = proc_read_whole(p->pid, "cmdline", &size);

	if (arguments)
		guest_name_parse(p->guest, arguments,
				 size < COMMAND_LINE_MAX ? size : COMMAND_LINE_MAX);
	free(arguments);
}

static int read_status(struct process *p)
{
	FILE *file = proc_open(p->pid, "status");
	char line[512], features[256];
	unsigned int fsuid;
	int tracer;

	if (!file)
		return errno == ENOENT ? -ESRCH : -errno;
	while (fgets(line, sizeof(line), file)) {
		if (sscanf(line, "State: %c", &p->state) == 1)
			continue;
		if (sscanf(line, "TracerPid: %d", &tracer) == 1)
			p->tracer = tracer;
		else if (sscanf(line, "Uid: %*u %*u %*u %u", &fsuid) == 1)
			p->uid = fsuid;
		else if (sscanf(line, "x86_Thread_features: %255[^\n]", features) == 1)
			p->shadow_stack = strstr(features, "shstk");
	}
	fclose(file);
	return 0;
}

static void read_confined(struct process *p)
{
	FILE *file = proc_open(p->pid, "attr/current");

	if (!file)
		return;
	if (!fgets(p->confined, sizeof(p->confined), file))
		p->confined[0] = '\0';
	fclose(file);
	p->confined[strcspn(p->confined, "\n")] = '\0';
	printable(p->confined);
	if (!strncmp(p->confined, "unconfined", 10) || !strcmp(p->confined, "kernel"))
		p->confined[0] = '\0';
}

int process_read(struct process *p, pid_t pid)
{
	int ret;

	memset(p, 0, sizeof(*p));
	p->pid = pid;
	ret = read_status(p);
	if (ret)
		return ret;
	read_exe(p);
	read_guest(p);
	read_confined(p);
	return 0;
}

static int by_pid(const void *a, const void *b)
{
	const struct process *first = a, *second = b;

	return first->pid < second->pid ? -1 : first->pid > second->pid;
}

ssize_t process_list(struct process **list)
{
	DIR *proc = opendir("/proc");
	struct process *all = NULL, *more, one;
	ssize_t count = 0;
	struct dirent *entry;

	if (!proc)
		return -errno;
	while ((entry = readdir(proc))) {
		if (!isdigit((unsigned char)entry->d_name[0]) ||
		    process_read(&one, (pid_t)atol(entry->d_name)) || !one.qemu)
			continue;
		more = reallocarray(all, (size_t)count + 1, sizeof(*all));
		if (!more) {
			free(all);
			closedir(proc);
			return -ENOMEM;
		}
		all = more;
		all[count++] = one;
	}
	closedir(proc);
	if (count)
		qsort(all, (size_t)count, sizeof(*all), by_pid);
	*list = all;
	return count;
}

int process_find(struct process *process, const char *text)
{
	struct process *list = NULL;
	ssize_t count;
	int found = 0;
	char *end;
	long pid;

	errno = 0;
	pid = strtol(text, &end, 10);
	if (isdigit((unsigned char)*text) && !*end && !errno && pid > 0 && pid <= INT_MAX &&
	    process_read(process, (pid_t)pid) == 0)
		return 0;
	count = process_list(&list);
	if (!list)
		return count < 0 ? (int)count : -ESRCH;
	for (ssize_t i = 0; i < count; i++) {
		if (strcmp(list[i].guest, text) || !*text)
			continue;
		*process = list[i];
		found++;
	}
	free(list);
	return found == 1 ? 0 : found ? -ENOTUNIQ : -ESRCH;
}

/* What /proc shows of an open device, by its node wherever that is: a process in another root
 * directory has nodes of its own. One that has been removed since is as open as any. */
static enum process_rdma kind_of(const char *link)
{
	static const char directory[] = "/infiniband/", channel[] = "rdma_cm", device[] = "uverbs";
	const char *name = strstr(link, directory);

	name = name ? name + strlen(directory) : "";
	if (!strncmp(name, device, strlen(device)))
		return PROCESS_RDMA_DEVICE;
	return !strncmp(name, channel, strlen(channel)) ? PROCESS_RDMA_CHANNEL : PROCESS_RDMA_NONE;
}

int process_rdma(pid_t pid, enum process_rdma *rdma)
{
	char path[300], link[PATH_MAX];
	enum process_rdma kind;
	struct dirent *entry;
	ssize_t n;
	DIR *fds;

	snprintf(path, sizeof(path), "/proc/%d/fd", (int)pid);
	fds = opendir(path);
	if (!fds)
		return -errno;
	*rdma = PROCESS_RDMA_NONE;
	while ((entry = readdir(fds))) {
		n = readlinkat(dirfd(fds), entry->d_name, link, sizeof(link) - 1);
		link[n > 0 ? n : 0] = '\0';
		kind = kind_of(link);
		*rdma = kind > *rdma ? kind : *rdma;
	}
	closedir(fds);
	return 0;
}
