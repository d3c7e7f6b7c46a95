/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "ways.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "attach/checks.h"
#include "attach/process.h"
#include "attach/target.h"
#include "elf_file.h"
#include "proc.h"

_Static_assert(WAYS_REASON_LEN == CHECKS_REASON_LEN, "a reason is handed on");

#define RESTART "start it again with rdmachunk"

/* Is `text' among the words of the list, which commas end? */
static bool has_word(const char *list, const char *text)
{
	size_t len = strlen(text);

	for (const char *at = strstr(list, text); at; at = strstr(at + 1, text))
		if ((at == list || at[-1] == ',') && (!at[len] || at[len] == ','))
			return true;
	return false;
}

/* Does the object of the guest's memory stay when the process runs another program? Words are
 * those of -object, or JSON, as libvirt has it. */
static bool is_shared(const char *object)
{
	bool by_default =
		strstr(object, "memory-backend-memfd") || strstr(object, "memory-backend-shm");

	if (has_word(object, "share=on") || strstr(object, "\"share\":true") ||
	    strstr(object, "\"share\": true"))
		return true;
	return by_default && !has_word(object, "share=off") && !strstr(object, "\"share\":false") &&
	       !strstr(object, "\"share\": false");
}

/* What of the command line counts. */
struct line {
	bool backend; /* the machine's memory is an object's */
	bool private; /* one of these is not shared */
	bool spawn;   /* the sandbox denies to run programs */
};

static void take_option(struct line *line, const char *option, const char *value)
{
	option += option[0] == '-' && option[1] == '-' ? 2 : 1;
	if (!strcmp(option, "machine") || !strcmp(option, "M"))
		line->backend = line->backend || strstr(value, "memory-backend=");
	else if (!strcmp(option, "numa"))
		line->backend = line->backend || strstr(value, "memdev=");
	else if (!strcmp(option, "object") && strstr(value, "memory-backend-"))
		line->private = line->private || !is_shared(value);
	else if (!strcmp(option, "sandbox"))
		line->spawn = has_word(value, "spawn=deny");
}

bool ways_cpr_fits(const char *cmdline, size_t len, pid_t pid, char reason[WAYS_REASON_LEN])
{
	struct line line = {0};
	const char *end = cmdline + len, *next;

	for (const char *word = cmdline; word < end; word = next) {
		next = word + strlen(word) + 1;
		if (word[0] == '-' && next < end)
			take_option(&line, word, next);
	}
	if (!line.backend || line.private)
		snprintf(
			reason, CHECKS_REASON_LEN,
			"process %d would lose its guest if it ran itself again (cpr-exec): not all "
			"of its memory is in backends with share=on; fix: " RESTART,
			(int)pid);
	else if (line.spawn)
		snprintf(reason, WAYS_REASON_LEN,
			 "process %d may not run itself again (cpr-exec): its sandbox has "
			 "spawn=deny; fix: " RESTART,
			 (int)pid);
	else
		reason[0] = '\0';
	return !reason[0];
}

static void find_cpr(struct ways *ways, pid_t pid)
{
	FILE *file = proc_open(pid, "cmdline"), *out;
	char path[64], *line = NULL;
	struct elf_file exe;
	bool can = false;
	size_t len = 0;
	int byte;

	snprintf(path, sizeof(path), "/proc/%d/exe", (int)pid);
	if (elf_file_open(&exe, path) == 0) {
		can = elf_file_contains(&exe, "cpr-exec-command");
		elf_file_close(&exe);
	}
	out = open_memstream(&line, &len);
	while (file && out && (byte = getc(file)) != EOF)
		putc(byte, out);
	if (file)
		fclose(file);
	if (!out || fclose(out)) {
		len = 0;
		can = false;
	}
	if (can)
		ways_cpr_fits(line, len, pid, ways->not_cpr);
	else
		snprintf(ways->not_cpr, sizeof(ways->not_cpr),
			 "process %d cannot run itself again, which QEMU can from 11.1 on "
			 "(cpr-exec); fix: " RESTART,
			 (int)pid);
	free(line);
}

void ways_find(struct ways *ways, pid_t pid, const char *library)
{
	static const enum ways_library states[] = {
		[TARGET_ABSENT] = WAYS_ABSENT,
		[TARGET_PRELOADED] = WAYS_PRELOADED,
		[TARGET_INERT] = WAYS_DETACHED,
		[TARGET_ATTACHED] = WAYS_ATTACHED,
	};
	char version[CHECKS_VERSION_LEN], *path;
	const struct target_module *module;
	struct process process;
	struct target target;

	memset(ways, 0, sizeof(*ways));
	find_cpr(ways, pid);
	if (process_read(&process, pid)) {
		snprintf(ways->not_attach, sizeof(ways->not_attach),
			 "process %d cannot be looked at; fix: run this as root", (int)pid);
		return;
	}
	if (!checks_target(&process, &target, ways->not_attach))
		return;
	ways->library = states[target_library(&target, &module, &ways->info)];
	path = library[0] == '/' ? strdup(library) : realpath(library, NULL);
	if (checks_idle(&process, ways->not_attach))
		checks_library(&process, path ? path : library, version, ways->not_attach);
	free(path);
	target_close(&target);
}
