/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RDMACHUNK_LAUNCHER_CHECK_PROGRAM_H
#define RDMACHUNK_LAUNCHER_CHECK_PROGRAM_H

#include "findings.h"

/* Can the library at this path be loaded, by this program for a start? */
void check_library(struct findings *findings, const char *library);

/*
 * Is `program`, which can be executed, a QEMU that makes migrations over RDMA, and does the loader
 * take `library` into it? `library` is NULL when there is none. Runs "program --version".
 */
void check_program(struct findings *findings, const char *program, const char *library);

#endif
