/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RDMACHUNK_LAUNCHER_OUTPUT_FILE_H
#define RDMACHUNK_LAUNCHER_OUTPUT_FILE_H

#include "account.h"

/*
 * Will the library, in a process with this one's user, be able to append to the file at `path`,
 * which is a value of RDMACHUNK_LOG_FILE or RDMACHUNK_STATS with its %p? It takes regular files
 * only, creates a missing one with mode 0600 and follows no symbolic link in the last component; in
 * directories that all users may write to it follows none at all, and takes no file of another
 * user's but the directory's owner, nor one with a second name (util/output_file.h: the same code
 * decides). A relative path counts from `directory`. Creates and changes nothing. Returns NULL, or
 * why not.
 */
const char *output_file_refused(const char *path, const char *directory);

/* The same for a process with that user, which this one has to be allowed to become. */
const char *output_file_refused_to(const struct account *account, const char *path,
				   const char *directory);

#endif
