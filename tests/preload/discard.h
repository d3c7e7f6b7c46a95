/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RDMACHUNK_TESTS_PRELOAD_DISCARD_H
#define RDMACHUNK_TESTS_PRELOAD_DISCARD_H

/* Guest memory that is given back while a migration has it registered. Run with regions of
 * four chunks, and nothing ahead. */

/* client discard CASE: what main() returns. */
int discard_run(char **args);

#endif
