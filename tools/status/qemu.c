/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "qemu.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define LIBRARY_NAME "/librdmachunk.so"
/* As the library has it: hook/exports.c. */
#define VERSION_MARK "@(#)librdmachunk "
/* A file of /proc or a library is no larger. */
#define FILE_MAX (8 << 20)

/* All of a file, with a NUL behind it; NULL, with errno, when it cannot be read. To be freed. */
static char *read_file(const char *path, size_t *size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	char *text = NULL, *larger;
	size_t room = 0;
	ssize_t n = -1;

	*size = 0;
	while (fd >= 0 && *size < FILE_MAX) {
		if (*size + 1 >= room) {
			larger = realloc(text, room += 65536);
			if (!larger)
				break;
			text = larger;
		}
		n = read(fd, text + *size, room - 1 - *size);
		if (n <= 0)
			break;
		*size += (size_t)n;
	}
	if (fd < 0 || n < 0) {
		int error = errno;

		if (fd >= 0)
			close(fd);
		free(text);
		errno = error;
		return NULL;
	}
	close(fd);
	text[*size] = '\0';
	return text;
}

static char *read_proc(pid_t pid, const char *name, size_t *size)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%ld/%s", (long)pid, name);
	return read_file(path, size);
}

/* By its program's name, and where that may not be looked at by that of the process. */
static bool is_qemu(pid_t pid)
{
	char path[64], target[PATH_MAX];
	const char *name = target;
	char *comm;
	size_t size;
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/%ld/exe", (long)pid);
	n = readlink(path, target, sizeof(target) - 1);
	if (n >= 0) {
		target[n] = '\0';
		name = strrchr(target, '/');
		name = name ? name + 1 : target;
		return !strncmp(name, "qemu-system-", 12) || !strncmp(name, "qemu-kvm", 8);
	}
	/* Threads of the kernel have no program at all. */
	if (errno == ENOENT)
		return false;
	comm = read_proc(pid, "comm", &size);
	if (!comm)
		return false;
	n = !strncmp(comm, "qemu-system-", 12) || !strncmp(comm, "qemu-kvm", 8);
	free(comm);
	return n;
}

/* The library's file as the process sees it, from a line of maps; false for other lines. */
static bool find_library(const char *maps, char path[PATH_MAX], bool *deleted)
{
	static const char suffix[] = " (deleted)";
	const char *found = strstr(maps, LIBRARY_NAME), *start, *end;
	size_t len;

	if (!found)
		return false;
	for (start = found; start > maps && start[-1] != '\n' && start[-1] != ' '; start--)
		;
	end = strchr(found, '\n');
	len = end ? (size_t)(end - start) : strlen(start);
	*deleted = len > sizeof(suffix) - 1 &&
		   !memcmp(start + len - (sizeof(suffix) - 1), suffix, sizeof(suffix) - 1);
	if (*deleted)
		len -= sizeof(suffix) - 1;
	snprintf(path, PATH_MAX, "%.*s", (int)len, start);
	return true;
}

static void find_version(struct qemu *q, const char *library)
{
	char path[PATH_MAX + 64], *bytes;
	const char *mark;
	size_t size;

	snprintf(path, sizeof(path), "/proc/%ld/root%s", (long)q->pid, library);
	bytes = read_file(path, &size);
	if (!bytes)
		return;
	mark = memmem(bytes, size, VERSION_MARK, sizeof(VERSION_MARK) - 1);
	if (mark) {
		mark += sizeof(VERSION_MARK) - 1;
		snprintf(q->version, sizeof(q->version), "%.*s",
			 (int)strspn(mark, "0123456789abcdefghijklmnopqrstuvwxyz.-+~"), mark);
	}
	free(bytes);
}

/* The variables that QEMU was started with. */
static void read_settings(struct qemu *q)
{
	char *text, **variables;
	size_t size, count = 0;

	text = read_proc(q->pid, "environ", &size);
	variables = calloc(size / 2 + 2, sizeof(*variables));
	for (char *s = text; s && variables && s < text + size; s += strlen(s) + 1)
		if (*s)
			variables[count++] = s;
	for (size_t i = 0; i < count; i++)
		if (!strncmp(variables[i], "LD_PRELOAD=", 11) &&
		    strstr(variables[i], "librdmachunk"))
			q->library = QEMU_PRELOADED;
	config_parse(&q->config, variables);
	/* These point into the text. */
	q->config.log_file = NULL;
	q->config.stats = NULL;
	free(variables);
	free(text);
}

static void look_for_library(struct qemu *q)
{
	char path[PATH_MAX], *maps;
	bool deleted;
	size_t size;

	maps = read_proc(q->pid, "maps", &size);
	if (!maps || !size) {
		q->why = maps ? EACCES : errno;
		free(maps);
		return;
	}
	if (find_library(maps, path, &deleted)) {
		q->library = QEMU_LOADED;
		q->replaced = deleted;
		read_settings(q);
		if (!deleted)
			find_version(q, path);
	} else {
		q->library = QEMU_WITHOUT;
	}
	free(maps);
}

/* A page that could be cut short under us is none of ours. */
static int read_page(const char *path, struct figures *f)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC), ret = -EPROTO;
	struct stat st;
	void *page;

	if (fd < 0)
		return -errno;
	if (!fstat(fd, &st) && st.st_size == (off_t)sizeof(struct figures_page) &&
	    fcntl(fd, F_GET_SEALS) & F_SEAL_SHRINK) {
		page = mmap(NULL, sizeof(struct figures_page), PROT_READ, MAP_SHARED, fd, 0);
		if (page != MAP_FAILED) {
			ret = figures_read(page, f);
			munmap(page, sizeof(struct figures_page));
		}
	}
	close(fd);
	return ret;
}

static void look_for_migrations(struct qemu *q)
{
	char path[PATH_MAX], target[PATH_MAX];
	struct dirent *entry;
	ssize_t n;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%ld/fd", (long)q->pid);
	dir = opendir(path);
	while (dir && q->migrations < QEMU_MIGRATIONS_MAX && (entry = readdir(dir))) {
		snprintf(path, sizeof(path), "/proc/%ld/fd/%s", (long)q->pid, entry->d_name);
		n = readlink(path, target, sizeof(target) - 1);
		if (n < 0)
			continue;
		target[n] = '\0';
		if (!strcmp(target, "/memfd:" FIGURES_NAME " (deleted)") &&
		    !read_page(path, &q->migration[q->migrations]))
			q->migrations++;
	}
	if (dir)
		closedir(dir);
	/* That of the file may be another's by now. */
	if (q->migrations)
		snprintf(q->version, sizeof(q->version), "%s", q->migration[0].version);
}

/* False when the process is none, or not wanted. */
static bool look_at(struct qemu *q, pid_t pid, const char *only)
{
	char number[32], *args;
	size_t size;

	if (!is_qemu(pid))
		return false;
	memset(q, 0, sizeof(*q));
	q->pid = pid;
	args = read_proc(pid, "cmdline", &size);
	/* A process that has ended and is not waited for has none. */
	if (!args || !size) {
		free(args);
		return false;
	}
	guest_name_parse(q->guest, args, size);
	free(args);
	snprintf(number, sizeof(number), "%ld", (long)pid);
	if (only && strcmp(only, number) != 0 && strcmp(only, q->guest) != 0)
		return false;
	look_for_library(q);
	if (q->library != QEMU_UNKNOWN && q->library != QEMU_WITHOUT)
		look_for_migrations(q);
	return true;
}

static int by_pid(const void *a, const void *b)
{
	const struct qemu *x = a, *y = b;

	return (x->pid > y->pid) - (x->pid < y->pid);
}

int qemu_list(struct qemu **qemus, size_t *count, const char *only)
{
	struct qemu *list = NULL, *larger;
	struct dirent *entry;
	size_t room = 0;
	DIR *dir = opendir("/proc");

	if (!dir)
		return -errno;
	*count = 0;
	while ((entry = readdir(dir))) {
		if (!isdigit((unsigned char)entry->d_name[0]))
			continue;
		if (*count == room) {
			larger = realloc(list, (room += 16) * sizeof(*list));
			if (!larger) {
				free(list);
				closedir(dir);
				return -ENOMEM;
			}
			list = larger;
		}
		*count += look_at(&list[*count], (pid_t)strtol(entry->d_name, NULL, 10), only);
	}
	closedir(dir);
	if (*count)
		qsort(list, *count, sizeof(*list), by_pid);
	*qemus = list;
	return 0;
}
