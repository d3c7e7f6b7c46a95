/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RDMACHUNK_TESTS_UNIT_SUPPORT_H
#define RDMACHUNK_TESTS_UNIT_SUPPORT_H

#include <check.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/data_run.h"
#include "random.h"

#define KIB (UINT64_C(1) << 10)
#define MIB (UINT64_C(1) << 20)
#define GIB (UINT64_C(1) << 30)

/* For the long loops, where Check's own assertions, which note each place passed,
 * take seconds: fails with `what` and the number of the round. */
static inline void expect(bool ok, const char *what, uint64_t round)
{
	if (!ok)
		ck_abort_msg("round %llu: %s", (unsigned long long)round, what);
}

/* Guest memory that has data all over but in the holes, each of which must be read to be
 * told from it. Addresses are this process's. */
#define FAKE_HOLES 64
struct fake_memory {
	struct range hole[FAKE_HOLES];
	unsigned int holes;
	uint64_t read; /* bytes of holes */
};

void fake_memory_hole(struct fake_memory *fake, uint64_t start, uint64_t end);
struct guest_memory fake_memory_of(struct fake_memory *fake);

/* A copy in memory of exactly `len` bytes, so that a sanitizer sees a read past it. */
void *exact_copy(const void *data, size_t len);

/* Run it; what main() returns. */
int unit_run(Suite *suite);

#endif
