/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RDMACHUNK_TOOLS_LAUNCHER_JSON_TEXT_H
#define RDMACHUNK_TOOLS_LAUNCHER_JSON_TEXT_H

#include <stddef.h>
#include <stdio.h>

/* The launcher has no JSON library: it starts QEMU, in an image that may have little more than
 * that, and needs nothing but libc. */

/* `len` bytes of UTF-8 as a JSON string, in quotes. */
void json_put_string(FILE *out, const char *text, size_t len);

#endif
