/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Second mappings, of the fabric's own, of shared memory that the process unmaps: the file keeps
 * its pages, and so do MRs. No locks and no malloc: the caller serialises (pins.c does).
 */
#ifndef FABRIC_ALIASES_H
#define FABRIC_ALIASES_H

#include <stddef.h>
#include <stdint.h>

/* Maps what is at [at, at + pages * FAB_PAGE_SIZE) again. Returns the address, or 0. */
uintptr_t fab_alias_new(uintptr_t at, size_t pages);

/* References are to pages. A mapping goes with its last, or now if it never had one. */
void fab_alias_ref(uintptr_t page);
void fab_alias_unref(uintptr_t page);
void fab_alias_drop_unused(void);

#endif
