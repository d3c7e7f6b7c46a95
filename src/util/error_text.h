/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RDMACHUNK_UTIL_ERROR_TEXT_H
#define RDMACHUNK_UTIL_ERROR_TEXT_H

/* What an errno, a positive one, means, for people. It is the calling thread's until that asks
 * again: before glibc 2.32 strerror() has one buffer for all threads. */
const char *error_text(int error);

#endif
