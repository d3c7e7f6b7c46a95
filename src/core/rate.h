/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RDMACHUNK_CORE_RATE_H
#define RDMACHUNK_CORE_RATE_H

#include <stdbool.h>
#include <stdint.h>

/*
 * How fast the wire is: bytes of WRITEs that completed in times at which it had work. When
 * nobody polls for a while it looks slower than it is, so a lower reading counts for less than a
 * higher one.
 */

/* What a reading is taken over at least: long beside one WRITE, which counts when it ends. */
#define RATE_NS UINT64_C(20000000)

struct rate {
	uint64_t per_second; /* bytes; 0 while nothing is known */
	bool busy;
	uint64_t since; /* ns, when it is busy */
	uint64_t ns;	/* and before that, of this reading */
	uint64_t bytes; /* that have completed in this reading */
};

/* The wire was idle, and has work from now on. */
void rate_begin(struct rate *r, uint64_t now);

/* `bytes` have completed; `idle`: and there is no more. */
void rate_completed(struct rate *r, uint64_t bytes, bool idle, uint64_t now);

/* What `bytes` take, in ns, and the bytes that the wire takes in `ns`; 0 while nothing is known. */
uint64_t rate_ns(const struct rate *r, uint64_t bytes);
uint64_t rate_bytes(const struct rate *r, uint64_t ns);

#endif
