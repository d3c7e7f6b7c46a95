/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RDMACHUNK_TESTS_MODEL_RANDOM_H
#define RDMACHUNK_TESTS_MODEL_RANDOM_H

#include <stdbool.h>
#include <stdint.h>

/* splitmix64: the same numbers for a seed on every machine. */
struct random {
	uint64_t state;
};

static inline uint64_t random_next(struct random *r)
{
	uint64_t z = r->state += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return z ^ z >> 31;
}

/* From 0 to below - 1. */
static inline uint64_t random_below(struct random *r, uint64_t below)
{
	uint64_t next = random_next(r);

	return below >> 32 ? next % below : (next >> 32) * below >> 32;
}

/* True `percent` times out of a hundred. */
static inline bool random_percent(struct random *r, unsigned int percent)
{
	return random_below(r, 100) < percent;
}

static inline unsigned int random_of(struct random *r, const unsigned int *values,
				     unsigned int count)
{
	return values[random_below(r, count)];
}

/* One of the values. */
#define RANDOM_OF(r, ...)                                   \
	random_of((r), (const unsigned int[]){__VA_ARGS__}, \
		  sizeof((const unsigned int[]){__VA_ARGS__}) / sizeof(unsigned int))

#endif
