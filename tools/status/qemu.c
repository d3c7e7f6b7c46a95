/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "qemu.h"

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

#include "attach/target.h"
#include "launcher/elf_file.h"
#include "launcher/proc.h"
#include "util/version.h"

#define LIBRARY_NAME "/librdmachunk.so"

/* The part of VERSION_TEXT that people know. It comes from a process that is not to be trusted. */
static void set_version(struct qemu *q, const char *text)
{
	snprintf(q->version, sizeof(q->version), "%.*s",
		 (int)strspn(text, "0123456789abcdefghijklmnopqrstuvwxyz.-+~"), text);
}

/* The library's file as the process sees it, from its maps; false when it is not there. */
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

static void read_version_of_file(struct qemu *q, const char *library)
{
	char path[PATH_MAX + 64];
	struct elf_file elf;
	const char *version;

	snprintf(path, sizeof(path), "/proc/%ld/root%s", (long)q->process.pid, library);
	if (elf_file_open(&elf, path))
		return;
	version = elf_file_string(&elf, VERSION_SYMBOL);
	if (version)
		set_version(q, version);
	elf_file_close(&elf);
}

/* NAME=VALUE strings, each with its NUL, of `size` bytes, which are kept. Does LD_PRELOAD name the
 * library? */
static bool parse_settings(struct qemu *q, char *text, size_t size)
{
	char **variables = proc_strings(text, size);
	bool preload = false;

	for (char **v = variables; v && *v; v++)
		preload |= !strncmp(*v, "LD_PRELOAD=", 11) && strstr(*v, "librdmachunk");
	if (variables)
		config_parse(&q->config, variables);
	free(q->text);
	q->text = text;
	free(variables);
	return preload;
}

/* By what anybody sees who may read its environment. */
static void look_from_outside(struct qemu *q)
{
	size_t size;
	char *text = proc_read_whole(q->process.pid, "environ", &size);

	q->library = parse_settings(q, text, size) ? QEMU_PRELOADED : QEMU_LOADED;
}

/* In its memory, which root may read. False when it cannot be told. */
static bool look_inside(struct qemu *q)
{
	const struct target_module *module;
	enum target_library found;
	struct attach_info info;
	struct target target;
	char *settings;

	if (target_open(&target, q->process.pid))
		return false;
	found = target_library(&target, &module, &info);
	target_close(&target);
	if (info.version[0])
		set_version(q, info.version);
	if (found == TARGET_INERT && info.state == ATTACH_DETACHED) {
		q->library = QEMU_DETACHED;
		return true;
	}
	if (found == TARGET_PRELOADED) {
		look_from_outside(q);
		/* Maybe by a file of the loader's. */
		q->library = QEMU_PRELOADED;
		return true;
	}
	/* The loader may not have come to the C library, by which a preload is told. */
	if (found != TARGET_ATTACHED)
		return false;
	q->library = QEMU_ATTACHED;
	settings = malloc(sizeof(info.settings));
	if (settings) {
		memcpy(settings, info.settings, sizeof(info.settings));
		parse_settings(q, settings, info.settings_len);
	}
	return true;
}

/* Why it cannot be attached, to `reason`, which is empty when it can. */
static void examine(struct qemu *q)
{
	struct target target;

	q->reason[0] = '\0';
	if (checks_target(&q->process, &target, q->reason))
		return;
	target_close(&target);
	if (!checks_idle(&q->process, q->reason))
		q->reason[0] = '\0';
}

static void look_for_library(struct qemu *q)
{
	char path[PATH_MAX], *maps;
	size_t size;

	maps = proc_read_whole(q->process.pid, "maps", &size);
	if (!maps || !size) {
		q->library = QEMU_UNKNOWN;
		examine(q);
	} else if (!find_library(maps, path, &q->replaced)) {
		q->library = QEMU_WITHOUT;
		examine(q);
	} else {
		if (!look_inside(q))
			look_from_outside(q);
		if (q->library == QEMU_DETACHED)
			examine(q);
		if (!q->version[0] && !q->replaced)
			read_version_of_file(q, path);
	}
	free(maps);
}

/* A page that could be cut short under us is none of ours. */
static int read_page(const char *path, struct figures *f)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY), ret = -EPROTO;
	struct stat st;
	void *page;
	int seals;

	if (fd < 0)
		return -errno;
	/* What is no memfd has none, -1. */
	seals = fcntl(fd, F_GET_SEALS);
	if (!fstat(fd, &st) && st.st_size == (off_t)sizeof(struct figures_page) && seals >= 0 &&
	    seals & F_SEAL_SHRINK) {
		page = mmap(NULL, sizeof(struct figures_page), PROT_READ, MAP_SHARED, fd, 0);
		if (page != MAP_FAILED) {
			ret = figures_read(page, f);
			munmap(page, sizeof(struct figures_page));
		}
	}
	close(fd);
	return ret;
}

static int by_start(const void *a, const void *b)
{
	const struct figures *first = a, *second = b;

	return first->started < second->started ? -1 : first->started > second->started;
}

static void look_for_migrations(struct qemu *q)
{
	char path[PATH_MAX], target[PATH_MAX];
	struct dirent *entry;
	ssize_t n;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%ld/fd", (long)q->process.pid);
	dir = opendir(path);
	while (dir && q->migrations < QEMU_MIGRATIONS_MAX && (entry = readdir(dir))) {
		snprintf(path, sizeof(path), "/proc/%ld/fd/%s", (long)q->process.pid,
			 entry->d_name);
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
	qsort(q->migration, q->migrations, sizeof(q->migration[0]), by_start);
	/* That of the file may be another's by now. */
	if (q->migrations)
		set_version(q, q->migration[0].version);
}

static bool is_wanted(const struct process *process, const char *only)
{
	char number[32];

	/* One that has ended and is not waited for yet. */
	if (process->state == 'Z' || process->state == 'X')
		return false;
	snprintf(number, sizeof(number), "%ld", (long)process->pid);
	return !only || !strcmp(only, number) || !strcmp(only, process->guest);
}

int qemu_list(struct qemu **qemus, size_t *count, const char *only)
{
	struct process *processes = NULL;
	ssize_t found = process_list(&processes);
	struct qemu *list, *q;

	if (found < 0)
		return (int)found;
	list = calloc((size_t)found + 1, sizeof(*list));
	if (!list) {
		free(processes);
		return -ENOMEM;
	}
	*count = 0;
	for (ssize_t i = 0; i < found; i++) {
		if (!is_wanted(&processes[i], only))
			continue;
		q = &list[(*count)++];
		q->process = processes[i];
		look_for_library(q);
		if (q->library != QEMU_UNKNOWN && q->library != QEMU_WITHOUT)
			look_for_migrations(q);
	}
	free(processes);
	*qemus = list;
	return 0;
}

void qemu_free(struct qemu *qemus, size_t count)
{
	for (size_t i = 0; i < count; i++)
		free(qemus[i].text);
	free(qemus);
}

bool qemu_is_in_use(const struct qemu *q)
{
	return q->library == QEMU_PRELOADED || q->library == QEMU_ATTACHED ||
	       q->library == QEMU_LOADED;
}
