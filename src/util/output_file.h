/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RDMACHUNK_UTIL_OUTPUT_FILE_H
#define RDMACHUNK_UTIL_OUTPUT_FILE_H

/*
 * Open a file that lines are to be appended to, as whoever this process is: root, maybe, with a
 * path that leads through a directory to which anybody may write, such as /tmp. A new file has
 * mode 0600, whatever the umask allows.
 *
 * Nothing but a regular file is opened, and its own name is never a symbolic link. In directories
 * that everybody may write to no other link is followed either, as fs.protected_symlinks has it
 * for some; and a file that is there already has to be this user's, or the directory's owner's,
 * and to have no second name (fs.protected_regular, fs.protected_hardlinks).
 *
 * Returns NULL and sets *fd, which is closed on exec; or returns why not, for people, a text
 * that lasts as that of error_text(). May take as long as the file system likes.
 */
const char *output_file_open(const char *path, int *fd);

/* Why output_file_open() would not, or NULL. Opens, creates and changes nothing. */
const char *output_file_examine(const char *path);

#endif
