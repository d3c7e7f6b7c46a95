/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A symbol for people and tools to tell the library, and which it is, by its file. */
#include "util/version.h"

extern const char rdmachunk_version[];
const char rdmachunk_version[] __attribute__((visibility("default"), used)) = VERSION_TEXT;
