/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/mapping.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/sysmacros.h>

int mapping_file_of(int fd, struct mapping_file *file)
{
	struct statx stat;
	struct stat plain;

	/* What is cached will do: a file keeps its number. */
	if (!statx(fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_INO, &stat)) {
		file->device = makedev(stat.stx_dev_major, stat.stx_dev_minor);
		file->inode = stat.stx_ino;
		return 0;
	}
	/* Sandboxes that are older than statx(2) refuse it. */
	if (fstat(fd, &plain))
		return -errno;
	file->device = plain.st_dev;
	file->inode = plain.st_ino;
	return 0;
}

/* What the kernel itself keeps anonymous memory in: no descriptor leads there. */
static bool is_anonymous_huge(const char *path)
{
	return !strncmp(path, "/anon_hugepage", strlen("/anon_hugepage"));
}

static bool is_anonymous(const char *path)
{
	return !strcmp(path, "/dev/zero (deleted)") || is_anonymous_huge(path);
}

static int add(struct mapping_list *list, const struct mapping *mapping)
{
	struct mapping *grown;
	size_t room;

	if (list->count == list->room) {
		room = list->room ? list->room * 2 : 8;
		grown = realloc(list->mapping, room * sizeof(*grown));
		if (!grown)
			return -ENOMEM;
		list->mapping = grown;
		list->room = room;
	}
	list->mapping[list->count++] = *mapping;
	return 0;
}

/* One line of maps, clipped; false when it is not of [start, end). */
static bool parse(const char *line, uint64_t start, uint64_t end, struct mapping *mapping)
{
	unsigned int major, minor;
	uint64_t inode, offset;
	int used = 0;

	if (sscanf(line, "%" SCNx64 "-%" SCNx64 " %*s %" SCNx64 " %x:%x %" SCNu64 " %n",
		   &mapping->start, &mapping->end, &offset, &major, &minor, &inode, &used) != 6)
		return false;
	if (mapping->start >= mapping->end || mapping->end <= start || mapping->start >= end)
		return false;
	if (mapping->start < start) {
		offset += start - mapping->start;
		mapping->start = start;
	}
	if (mapping->end > end)
		mapping->end = end;
	mapping->backing = inode && !is_anonymous(line + used) ? MAPPING_FILE : MAPPING_ANONYMOUS;
	mapping->file = (struct mapping_file){makedev(major, minor), inode};
	mapping->offset = offset;
	mapping->huge = is_anonymous_huge(line + used);
	return true;
}

static int read_maps(struct mapping_list *list, uint64_t start, uint64_t end)
{
	FILE *maps = fopen("/proc/self/maps", "re");
	struct mapping mapping;
	char *line = NULL;
	size_t room = 0;
	int ret = 0;

	if (!maps)
		return 0;
	while (!ret && getline(&line, &room, maps) >= 0) {
		line[strcspn(line, "\n")] = '\0';
		if (parse(line, start, end, &mapping))
			ret = add(list, &mapping);
	}
	/* Half of what there is must not look like all. */
	if (!ret && !feof(maps))
		ret = -ENOMEM;
	free(line);
	fclose(maps);
	return ret;
}

/* Only through a descriptor can this process punch a hole into a file; the kernel
 * must call the file there what it calls it in maps. */
static bool is_open(const struct mapping_file *file, bool *huge)
{
	DIR *fds = opendir("/proc/self/fd");
	struct mapping_file found = {0};
	struct dirent *entry;
	struct statfs fs;
	bool open = false;

	if (!fds)
		return false;
	while (!open && (entry = readdir(fds))) {
		open = entry->d_name[0] != '.' && !mapping_file_of(atoi(entry->d_name), &found) &&
		       mapping_same_file(&found, file);
		*huge = open && !fstatfs(atoi(entry->d_name), &fs) && fs.f_type == HUGETLBFS_MAGIC;
	}
	closedir(fds);
	return open;
}

static void check_files(struct mapping_list *list)
{
	for (size_t i = 0; i < list->count; i++) {
		struct mapping *mapping = &list->mapping[i];
		const struct mapping *previous = i ? mapping - 1 : NULL;

		if (mapping->backing != MAPPING_FILE)
			continue;
		if (previous && previous->backing == MAPPING_FILE &&
		    mapping_same_file(&previous->file, &mapping->file)) {
			mapping->huge = previous->huge;
			continue;
		}
		if (!is_open(&mapping->file, &mapping->huge))
			mapping->backing = MAPPING_UNKNOWN;
	}
}

int mapping_list_read(struct mapping_list *list, uint64_t start, uint64_t end)
{
	const struct mapping unknown = {.start = start, .end = end, .backing = MAPPING_UNKNOWN};
	int ret = read_maps(list, start, end);

	if (!ret && !list->count)
		ret = add(list, &unknown);
	if (ret)
		mapping_list_free(list);
	else
		check_files(list);
	return ret;
}

void mapping_list_free(struct mapping_list *list)
{
	free(list->mapping);
	memset(list, 0, sizeof(*list));
}
