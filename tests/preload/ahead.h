/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RDMACHUNK_TESTS_PRELOAD_AHEAD_H
#define RDMACHUNK_TESTS_PRELOAD_AHEAD_H

/* Migrations in which the shim registers memory before QEMU asks for it. */

/* client ahead CASE; the cases are in ahead.c and ahead_destination.c */
int ahead_run(char **args);

/* One after the other they end in each way that there is. */
void ahead_round(int round);

/* Of this process. */
unsigned int ahead_threads(void);

#endif
