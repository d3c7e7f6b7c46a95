/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One line that says why a step did not succeed, handed up to whoever reports it. */
#ifndef TOOLS_AB_FAILURE_H
#define TOOLS_AB_FAILURE_H

struct failure {
	char text[1024];
};

/* Set the text (the first failure wins: later ones are mostly its consequence). Returns -1. */
int fail(struct failure *failure, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
