/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Protection domains and memory regions: registration, keys, and the checks the NIC makes.
 */
#ifndef FABRIC_MEMORY_H
#define FABRIC_MEMORY_H

#include <stdbool.h>
#include <stdint.h>
#include <infiniband/verbs.h>

#include "pins.h"

/* A live MR that the NIC holds while it copies; ibv_dereg_mr waits until it is put. */
struct region;

/*
 * Finds the MR of key and checks that it belongs to pd, covers [addr, addr + length) and grants
 * every flag of access. On success *span is that part of it and the MR is held until
 * fab_region_put. Returns 0, or EINVAL (no such key, other domain, out of bounds) or EACCES.
 */
int fab_region_get(const struct ibv_pd *pd, uint32_t key, uint64_t addr, uint64_t length,
		   unsigned int access, struct region **region, struct span *span);
void fab_region_put(struct region *region);

/* QPs keep their domain busy. */
void fab_pd_hold(struct ibv_pd *pd);
void fab_pd_release(struct ibv_pd *pd);

struct memory_counts {
	uint64_t live_pds;
	uint64_t live_mrs;
	uint64_t most_mrs;
	uint64_t pinned; /* bytes */
	uint64_t most_pinned;
	uint64_t registered; /* bytes over all registrations */
};

void fab_memory_counts(struct memory_counts *counts);

#endif
