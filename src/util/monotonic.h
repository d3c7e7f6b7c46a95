/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RDMACHUNK_UTIL_MONOTONIC_H
#define RDMACHUNK_UTIL_MONOTONIC_H

#include <stdint.h>
#include <time.h>

/* Nanoseconds of a clock that nobody sets. */
static inline uint64_t monotonic_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

#endif
