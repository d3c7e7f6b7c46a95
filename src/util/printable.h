/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RDMACHUNK_UTIL_PRINTABLE_H
#define RDMACHUNK_UTIL_PRINTABLE_H

#include <stddef.h>

/* Bytes of the character that the string begins with, which a NUL ends; 0 when it is a control
 * character, or none of UTF-8. */
size_t printable_character(const char *string);

/*
 * Make a string of somebody else's one that a terminal prints and JSON takes, in place: each byte
 * of a control character, and of what is not UTF-8, becomes a question mark.
 */
void printable(char *string);

#endif
