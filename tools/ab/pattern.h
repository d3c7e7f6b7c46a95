/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The contents of a guest's RAM: a reproducible fill, and a byte for byte comparison. */
#ifndef TOOLS_AB_PATTERN_H
#define TOOLS_AB_PATTERN_H

#include <stdint.h>

#include "failure.h"

struct pattern {
	uint64_t seed;
	double zero_fraction; /* of all MiBs, spread evenly: 0.25 makes every fourth one zero */
	unsigned int sparse;  /* only one in so many pages of the others has data; 0 and 1: all */
};

struct comparison {
	uint64_t differing_bytes;
	uint64_t first_difference; /* byte offset; valid when differing_bytes is not 0 */
};

/*
 * Make the file @fd @size bytes long (a multiple of 4 KiB), fill the MiBs that are not zero with
 * pages that all differ from each other, and leave the others as holes. A full file system is a
 * failure, as is a request to stop (see wait.h), here and in pattern_compare.
 */
int pattern_fill(int fd, uint64_t size, const struct pattern *pattern, struct failure *failure);

/*
 * The destination's opposite: the same size, but the MiBs that @pattern leaves zero get junk, so
 * that a zero page that is never sent shows.
 */
int pattern_fill_junk(int fd, uint64_t size, const struct pattern *pattern,
		      struct failure *failure);

int pattern_compare(int fd_a, int fd_b, uint64_t size, struct comparison *result,
		    struct failure *failure);

#endif
