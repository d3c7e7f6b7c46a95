/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RDMACHUNK_TESTS_PRELOAD_SLOW_H
#define RDMACHUNK_TESTS_PRELOAD_SLOW_H

#include <sys/types.h>

/*
 * A preload with a posix_madvise() that the loader must ask the library for (IFUNC), so that a
 * first call of it can be held while the loader binds it. The symbol is slow_gate.
 */
struct slow_gate {
	pid_t thread; /* whose first call is held; 0: nobody's */
	int inside;   /* the loader is at it */
	int open;     /* it goes on */
	/* Where the last call came from: an address in the caller. */
	const void *caller;
};

#endif
