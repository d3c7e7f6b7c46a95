/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RDMACHUNK_TESTS_PRELOAD_ASK_H
#define RDMACHUNK_TESTS_PRELOAD_ASK_H

#include <stddef.h>

#include "util/attach_abi.h"

/* Opens the module, as rdmachunk attach has QEMU open it. NULL after a message on standard error.
 */
void *ask_open(const char *path);

/* Asks an open module. 0; or a negative errno, with its message on standard error. */
int ask(void *library, enum attach_action action);

/* The same with settings: NAME=VALUE strings, each with its NUL, the last of them empty. */
int ask_with(void *library, enum attach_action action, const char *settings, size_t len);

#endif
