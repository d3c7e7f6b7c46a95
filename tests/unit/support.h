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

/*
 * QEMU's control messages, encoded here once more from the structures in QEMU's
 * migration/rdma.c, so that the codec under test does not vouch for itself.
 */
struct message {
	uint8_t data[2048];
	size_t len;
};

/* A header without body; each put adds to the body and to the header's length. */
void message_begin(struct message *m, uint32_t type, uint32_t repeat);
void message_put32(struct message *m, uint32_t v);
void message_put64(struct message *m, uint64_t v);

/* The numbers at byte `at` of a message. */
uint32_t message_get32(const void *msg, size_t at);
uint64_t message_get64(const void *msg, size_t at);

/* A REGISTER_REQUEST or UNREGISTER_REQUEST; a REGISTER_RESULT; one RAM block more
 * in a RAM_BLOCKS_RESULT. */
void message_register(struct message *m, uint32_t type, uint64_t addr, uint32_t block,
		      uint64_t chunks);
void message_result(struct message *m, uint32_t rkey, uint64_t host_addr);
void message_put_block(struct message *m, uint64_t host_addr, uint64_t offset, uint64_t length);

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
