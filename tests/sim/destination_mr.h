/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RDMACHUNK_TESTS_SIM_DESTINATION_MR_H
#define RDMACHUNK_TESTS_SIM_DESTINATION_MR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/conn.h"
#include "memory.h"

struct world;

/*
 * A shim at the destination, as far as registrations go: src/engine/mr.c there. QEMU
 * discards memory that it has not registered; what it has, no shim can replace, for
 * the source has the rkey.
 */

struct destination_mr {
	bool on;
	struct conn conn;
	bool locked;		 /* the session is, by QEMU's thread */
	uint32_t ahead_key;	 /* what the thread that registers ahead is busy with */
	struct ram_block *block; /* and where */
	struct range range;
	bool asked[MEMORY_PAGES];	 /* by QEMU */
	uint8_t under_way[MEMORY_PAGES]; /* discards that have not returned */
};

void destination_mr_init(struct world *w);
void destination_mr_clear(struct world *w);

/* QEMU sends its list of RAM blocks. */
void destination_mr_list(struct world *w, const void *message, size_t len);

/* QEMU registers. False when it has to wait. */
bool destination_mr_register(struct world *w, uint64_t addr, uint64_t length, uint32_t *rkey);

/* A step of the thread that registers ahead of QEMU. */
void destination_mr_step(struct world *w);

/* The hook behind a discard of `count` pages from `first` on. */
void destination_mr_discarded(struct world *w, unsigned int first, unsigned int count);

#endif
