/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "ways.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "attach/checks.h"
#include "attach/process.h"
#include "attach/target.h"
#include "cpr.h"
#include "elf_file.h"
#include "proc.h"

_Static_assert(WAYS_REASON_LEN == CHECKS_REASON_LEN, "a reason is handed on");

/* By its command line. */
static enum cpr read_command(pid_t pid)
{
	size_t len = 0;
	char *text = proc_read_whole(pid, "cmdline", &len);
	char **argv = text ? proc_strings(text, len) : NULL;
	enum cpr cpr = argv ? cpr_of_command(argv) : CPR_PRIVATE;

	free(argv);
	free(text);
	return cpr;
}

static void find_cpr(struct ways *ways, pid_t pid)
{
	static const char *const reasons[] = {
		[CPR_PRIVATE] =
			"would lose its guest if it ran itself again (cpr-exec): not all of "
			"its memory is in backends with share=on",
		[CPR_DENIED] = "may not run itself again (cpr-exec): its sandbox has spawn=deny",
	};
	const char *why = "cannot run itself again, which QEMU can from 11.1 on (cpr-exec)";
	char path[64];
	struct elf_file exe;
	bool can = false;

	snprintf(path, sizeof(path), "/proc/%d/exe", (int)pid);
	if (elf_file_open(&exe, path) == 0) {
		can = elf_file_contains(&exe, "cpr-exec-command");
		elf_file_close(&exe);
	}
	if (can)
		why = reasons[read_command(pid)];
	if (why)
		snprintf(ways->not_cpr, sizeof(ways->not_cpr),
			 "process %d %s; fix: start it again with rdmachunk", (int)pid, why);
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
	if (checks_target(&process, &target, ways->not_attach))
		return;
	ways->library = states[target_library(&target, &module, &ways->info)];
	path = library[0] == '/' ? strdup(library) : realpath(library, NULL);
	if (!checks_idle(&process, ways->not_attach))
		checks_library(&process, path ? path : library, version, ways->not_attach);
	free(path);
	target_close(&target);
}
