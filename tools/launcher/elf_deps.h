/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RDMACHUNK_LAUNCHER_ELF_DEPS_H
#define RDMACHUNK_LAUNCHER_ELF_DEPS_H

#include <stdbool.h>

/*
 * Is the program at `path` linked to a library whose name begins with `prefix` ("libibverbs.so."),
 * by itself or through the libraries that it needs? Libraries are looked for where the loader
 * does: in the run path, in LD_LIBRARY_PATH, in the directories of /etc/ld.so.conf and in the
 * system's own. Those that are not found are passed over.
 */
bool elf_deps_has(const char *path, const char *prefix);

#endif
