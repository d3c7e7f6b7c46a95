/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RDMACHUNK_LAUNCHER_CHECK_PROGRAM_H
#define RDMACHUNK_LAUNCHER_CHECK_PROGRAM_H

#include <stdbool.h>

#include "findings.h"

/* Is the library at this path ours, and can it be loaded, by this program for a start? */
bool check_library(struct findings *findings, const char *library);

/*
 * Is `program`, which can be executed, a QEMU that makes migrations over RDMA, and does the loader
 * take `library` into it? `library` is NULL when there is none. Runs "program --version".
 */
void check_program(struct findings *findings, const char *program, const char *library);

#endif
