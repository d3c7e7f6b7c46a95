/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RDMACHUNK_TESTS_PRELOAD_AHEAD_BLOCK_H
#define RDMACHUNK_TESTS_PRELOAD_AHEAD_BLOCK_H

/* For both ends: the guest's memory, and what the fake counts. */

#include <stdint.h>
#include <sys/mman.h>

#include "migration.h"

#define MIB    ((uint64_t)MIGRATION_CHUNK)
#define LENGTH (64 * MIB)

static inline int counted(const int *counter)
{
	return __atomic_load_n(counter, __ATOMIC_RELAXED);
}

static inline int live_mrs(void)
{
	struct fake_live live;

	peer_get_live(&live);
	return live.mrs;
}

static inline char *map(uint64_t length)
{
	char *block = mmap(NULL, length, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	must(block != MAP_FAILED);
	return block;
}

#endif
