/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "proc.h"

#include <elf.h>
#include <limits.h>
#include <link.h>
#include <stdlib.h>
#include <string.h>

/* None is longer. */
#define FILE_MAX (8 << 20)

FILE *proc_open(pid_t pid, const char *name)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, name);
	return fopen(path, "re");
}

char *proc_read_whole(pid_t pid, const char *name, size_t *len)
{
	FILE *file = proc_open(pid, name), *out;
	char buffer[4096], *text = NULL;
	size_t n, total = 0;
	bool whole = false;

	out = file ? open_memstream(&text, len) : NULL;
	while (out && total < FILE_MAX) {
		n = fread(buffer, 1, sizeof(buffer), file);
		whole = !n && !ferror(file);
		if (!n || fwrite(buffer, 1, n, out) != n)
			break;
		total += n;
	}
	if (file)
		fclose(file);
	if (out && fclose(out) == 0 && whole)
		return text;
	free(text);
	*len = 0;
	return NULL;
}

char **proc_strings(char *text, size_t len)
{
	char **strings;
	size_t n = 0;

	for (size_t i = 0; i < len; i += strlen(text + i) + 1)
		n++;
	strings = calloc(n + 1, sizeof(*strings));
	n = 0;
	for (size_t i = 0; strings && i < len; i += strlen(text + i) + 1)
		strings[n++] = text + i;
	return strings;
}

struct proc_mapped proc_read_maps(FILE *maps, const char *library)
{
	struct proc_mapped mapped = {false, false};
	char *line = NULL, *path;
	size_t size = 0;

	while (getline(&line, &size, maps) > 0) {
		line[strcspn(line, "\n")] = '\0';
		path = strchr(line, '/');
		if (!path)
			continue;
		mapped.library = mapped.library || (library && !strcmp(path, library));
		mapped.libc = mapped.libc || strstr(path, "/libc.so.") || strstr(path, "/libc-");
	}
	free(line);
	return mapped;
}

bool proc_maps_contain(FILE *maps, const char *end)
{
	char *line = NULL, *path;
	size_t size = 0, len;
	bool found = false;

	while (!found && getline(&line, &size, maps) > 0) {
		line[strcspn(line, "\n")] = '\0';
		path = strchr(line, '/');
		if (!path)
			continue;
		len = strlen(path);
		found = len >= strlen(end) && !strcmp(path + len - strlen(end), end);
	}
	free(line);
	return found;
}

bool proc_is_secure(FILE *auxv)
{
	ElfW(auxv_t) entry;
	bool secure = false;

	while (fread(&entry, sizeof(entry), 1, auxv) == 1 && entry.a_type != AT_NULL)
		if (entry.a_type == AT_SECURE)
			secure = entry.a_un.a_val != 0;
	return secure;
}

bool proc_read_memlock(FILE *limits, rlim_t *memlock)
{
	static const char name[] = "Max locked memory ";
	char *line = NULL, word[32];
	unsigned long long bytes;
	size_t size = 0;
	bool found = false;

	while (!found && getline(&line, &size, limits) > 0) {
		if (strncmp(line, name, strlen(name)) != 0 ||
		    sscanf(line + strlen(name), " %31s", word) != 1)
			continue;
		found = true;
		if (!strcmp(word, "unlimited"))
			*memlock = RLIM_INFINITY;
		else if (sscanf(word, "%llu", &bytes) == 1)
			*memlock = bytes;
		else
			found = false;
	}
	free(line);
	return found;
}

bool proc_has_capability(FILE *status, unsigned int capability)
{
	unsigned long long effective = 0;
	char *line = NULL;
	size_t size = 0;

	while (getline(&line, &size, status) > 0)
		if (sscanf(line, "CapEff: %llx", &effective) == 1)
			break;
	free(line);
	return capability < 64 && (effective >> capability & 1);
}

bool proc_in_first_namespace(FILE *uid_map)
{
	unsigned int inside, outside, count;

	return fscanf(uid_map, "%u %u %u", &inside, &outside, &count) == 3 && inside == 0 &&
	       outside == 0 && count == UINT_MAX;
}
