/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RDMACHUNK_TOOLS_LAUNCHER_JSON_TEXT_H
#define RDMACHUNK_TOOLS_LAUNCHER_JSON_TEXT_H

#include <stddef.h>
#include <stdio.h>

/* The launcher has no JSON library: it starts QEMU, in an image that may have little more than
 * that, and needs nothing but libc. */

/* `len` bytes of a string as a JSON string, in quotes. What is not UTF-8, as names of files may not
 * be, becomes U+FFFD. */
void json_put_string(FILE *out, const char *text, size_t len);

#endif
