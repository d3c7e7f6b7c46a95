/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RDMACHUNK_UTIL_VERSION_H
#define RDMACHUNK_UTIL_VERSION_H

/* Made by make (src/local.mk): a checksum of the module's sources. */
#ifndef BUILD_ID
#include "util/build-id.h"
#endif

/*
 * What is at the library's symbol VERSION_SYMBOL, for the launcher to read from the file: the
 * version and, in parentheses, the checksum. The launcher built with it has the same text.
 */
#define VERSION_SYMBOL "rdmachunk_version"
#define VERSION_TEXT   PACKAGE_VERSION " (" BUILD_ID ")"

#endif
