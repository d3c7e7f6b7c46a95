/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "library.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "elf_file.h"
#include "util/version.h"

/* Of the launcher's own machine; another is described in `text`. */
static bool fits_launcher(const struct elf_file *elf, char text[LIBRARY_TEXT_LEN])
{
	char theirs[ELF_FILE_MACHINE_LEN], ours[ELF_FILE_MACHINE_LEN];
	struct elf_file self;
	bool same;

	if (elf_file_open(&self, "/proc/self/exe") != 0)
		return true;
	same = elf_file_same_machine(&self, elf);
	if (!same)
		snprintf(text, LIBRARY_TEXT_LEN, "it is for %s, rdmachunk for %s",
			 elf_file_machine(theirs, elf), elf_file_machine(ours, &self));
	elf_file_close(&self);
	return same;
}

static enum library_kind examine(const struct elf_file *elf, char text[LIBRARY_TEXT_LEN])
{
	const char *version;

	if (!fits_launcher(elf, text))
		return LIBRARY_UNUSABLE;
	if (elf->cut) {
		snprintf(text, LIBRARY_TEXT_LEN, "the file is truncated");
		return LIBRARY_UNUSABLE;
	}
	version = elf_file_string(elf, VERSION_SYMBOL);
	if (!version) {
		snprintf(text, LIBRARY_TEXT_LEN,
			 "it is not librdmachunk: it does not define " VERSION_SYMBOL);
		return LIBRARY_UNUSABLE;
	}
	if (!strcmp(version, VERSION_TEXT))
		return LIBRARY_OURS;
	snprintf(text, LIBRARY_TEXT_LEN, "it is librdmachunk %.64s, rdmachunk is " VERSION_TEXT,
		 version);
	return LIBRARY_ANOTHER;
}

enum library_kind library_examine(const char *path, char text[LIBRARY_TEXT_LEN])
{
	struct elf_file elf;
	enum library_kind kind;
	int err = elf_file_open(&elf, path);

	text[0] = '\0';
	if (err) {
		snprintf(text, LIBRARY_TEXT_LEN, "%s",
			 err == -ENOEXEC ? "not an ELF file, or a truncated one" : strerror(-err));
		return LIBRARY_UNUSABLE;
	}
	kind = examine(&elf, text);
	elf_file_close(&elf);
	return kind;
}
