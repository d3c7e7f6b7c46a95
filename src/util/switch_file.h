/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RDMACHUNK_UTIL_SWITCH_FILE_H
#define RDMACHUNK_UTIL_SWITCH_FILE_H

#include <stdbool.h>

/*
 * A file that switches something off while it says "off", alone or with white space behind it.
 * Other contents, and no file, mean on. Nothing but a regular file is read, and no more of it than
 * a few bytes.
 */

/* Off? Sets *error: 0, or why the file could not be read, which means on: for switch_file_error().
 * May take as long as the file system likes. */
bool switch_file_read(const char *path, int *error);

/* The same by a thread, for which nobody waits longer than SWITCH_FILE_MS: then *error says so. */
bool switch_file_is_off(const char *path, int *error);

/* For people; lasts as error_text(). NULL for 0. */
const char *switch_file_error(int error);

#ifndef SWITCH_FILE_MS
#define SWITCH_FILE_MS 1000
#endif

#endif
