/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RDMACHUNK_LAUNCHER_LIBRARY_H
#define RDMACHUNK_LAUNCHER_LIBRARY_H

#include <stddef.h>

enum library_kind {
	LIBRARY_OURS,	 /* built together with this launcher */
	LIBRARY_ANOTHER, /* librdmachunk of another version or build */
	LIBRARY_UNUSABLE,
};

#define LIBRARY_TEXT_LEN 512

/*
 * What the file at `path` is, as far as its bytes tell: nothing of it is executed. `text` says why
 * it cannot be used, or which versions differ; it is empty for one of ours.
 */
enum library_kind library_examine(const char *path, char text[LIBRARY_TEXT_LEN]);

#endif
