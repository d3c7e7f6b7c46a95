/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RDMACHUNK_ENGINE_SCAN_H
#define RDMACHUNK_ENGINE_SCAN_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/prefetch.h"

/* Is there data in [addr, addr + length)? */
struct scan_look {
	uint64_t addr, length;
	bool data;
};

#define SCAN_LOOKS 16

/* What it has cost: pages that were looked at, in bytes, and processor time in ns. And what was
 * seen last by who looks ahead. All zero at first. */
struct scan {
	_Atomic uint64_t bytes;
	_Atomic uint64_t cpu_ns;
	struct scan_look look[SCAN_LOOKS];
	size_t looks;
};

/* The memory of this process: what of it has data. What it costs to look is added to *scan, which
 * outlives it, by whichever thread does. */
struct guest_memory scan_memory(struct scan *scan);

/* As prefetch_find(), of whose guest memory *scan is. */
struct range scan_find(struct scan *scan, const struct prefetch_scan *place);

#endif
