/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RDMACHUNK_CORE_PREFETCH_H
#define RDMACHUNK_CORE_PREFETCH_H

#include <stdbool.h>
#include <stdint.h>

#include "core/data_run.h"
#include "core/extent_map.h"

/* Guest memory in which to look for the next run of data. */
struct prefetch_scan {
	uint32_t block;
	struct range range; /* where the run may begin */
	uint64_t end;	    /* and where it ends at the latest */
	uint64_t position;  /* where QEMU was */
	struct data_run_place place;
	unsigned int shift; /* 2^shift bytes at most */
	bool bridge;
};

/* What to ask for; empty, at the end of scan->range, when there is no data in that. Reads
 * guest memory, and nothing of the connection's. */
struct range prefetch_find(const struct prefetch_scan *scan);

#endif
