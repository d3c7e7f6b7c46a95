/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RDMACHUNK_LAUNCHER_OUTPUT_FILE_H
#define RDMACHUNK_LAUNCHER_OUTPUT_FILE_H

/*
 * Will the library, in a process with this one's user, be able to append to the file at `path`,
 * which is a value of RDMACHUNK_LOG_FILE or RDMACHUNK_STATS with its %p? It takes regular files
 * only, follows no symbolic link in the last component and creates a missing file (util/sink.c). A
 * relative path counts from `directory`. Creates and changes nothing. Returns NULL, or why not.
 */
const char *output_file_refused(const char *path, const char *directory);

#endif
