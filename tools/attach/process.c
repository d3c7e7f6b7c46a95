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

static void read_exe(struct process *p)
{
	static const char deleted[] = " (deleted)";
	char path[64];
	const char *name;
	ssize_t n;
	size_t len;

	snprintf(path, sizeof(path), "/proc/%d/exe", (int)p->pid);
	n = readlink(path, p->exe, sizeof(p->exe) - 1);
	p->exe[n > 0 ? n : 0] = '\0';
	/* After an upgrade. */
	len = strlen(p->exe);
	if (len > sizeof(deleted) && !strcmp(p->exe + len - sizeof(deleted) + 1, deleted))
		p->exe[len - sizeof(deleted) + 1] = '\0';
	name = basename(p->exe);
	p->qemu = !strncmp(name, "qemu-system-", 12) || !strncmp(name, "qemu-kvm", 8);
}

/* The guest's name in the value of -name, "NAME,..." or "...,guest=NAME"; a comma in it is
 * written twice. */
static void parse_name(char *out, size_t size, const char *value)
{
	const char *name = value;
	size_t used = 0;

	if (strncmp(name, "guest=", 6)) {
		name = strstr(value, ",guest=");
		/* The first one needs no key. */
		if (!name && strchr(value, '=') && strchr(value, '=') < strchrnul(value, ','))
			return;
		name = name ? name + 1 : value;
	}
	if (!strncmp(name, "guest=", 6))
		name += 6;
	for (; *name && used < size - 1; name++) {
		if (*name == ',' && *++name != ',')
			break;
		out[used++] = (char)(iscntrl((unsigned char)*name) ? '?' : *name);
	}
	out[used] = '\0';
}

static void read_guest(struct process *p)
{
	FILE *file = proc_open(p->pid, "cmdline");
	char *argument = NULL;
	size_t size = 0;
	bool next = false;

	while (file && getdelim(&argument, &size, '\0', file) > 0) {
		if (next)
			parse_name(p->guest, sizeof(p->guest), argument);
		next = !strcmp(argument, "-name") || !strcmp(argument, "--name");
	}
	free(argument);
	if (file)
		fclose(file);
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

int process_rdma(pid_t pid, enum process_rdma *rdma)
{
	char path[300], link[256];
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
		if (!strncmp(link, "/dev/infiniband/uverbs", 22))
			*rdma = PROCESS_RDMA_DEVICE;
		else if (!strcmp(link, "/dev/infiniband/rdma_cm") && *rdma == PROCESS_RDMA_NONE)
			*rdma = PROCESS_RDMA_CHANNEL;
	}
	closedir(fds);
	return 0;
}
