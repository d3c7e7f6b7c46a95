/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RDMACHUNK_TESTS_PRELOAD_QUIT_H
#define RDMACHUNK_TESTS_PRELOAD_QUIT_H

/* client quit CASE: a program that ends while it has migration connections. */
int quit_run(char **args);

#endif
