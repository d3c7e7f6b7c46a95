/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Pages of the fabric's own, in which it keeps what an MR pins and the process has given back.
 * Nothing here has a lock or calls malloc: the caller serialises (pins.c does).
 */
#ifndef FABRIC_FRAMES_H
#define FABRIC_FRAMES_H

#include <stdint.h>

#define FAB_PAGE_SHIFT 12
#define FAB_PAGE_SIZE  (1ull << FAB_PAGE_SHIFT)

/* The address of a page with no references, or 0 for want of memory. Its content is undefined. */
uintptr_t fab_frame_new(void);

/* A frame goes with its last reference, or now if it never had one. */
void fab_frame_ref(uintptr_t frame);
void fab_frame_unref(uintptr_t frame);
void fab_frame_drop_unused(uintptr_t frame);

struct frame_counts {
	uint64_t live; /* pages */
	uint64_t total;
};

void fab_frame_counts(struct frame_counts *counts);

#endif
