/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RDMACHUNK_CORE_DISCARD_MAP_H
#define RDMACHUNK_CORE_DISCARD_MAP_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/extent_map.h"

/*
 * Which parts of a RAM block have been discarded since they were registered last.
 * QEMU gives pages of its guest back to the host, for a balloon or a free page
 * report (QEMU softmmu/physmem.c, ram_block_discard_range). An MR keeps the old
 * page, while the guest gets a new one when it writes there again: what such an
 * MR is read or written by is lost.
 *
 *      discard:       the pages go       the bits are set     QEMU goes on
 *      registration:  the bits are reset      the NIC pins    the MR is used
 *
 * So a bit that is set means that an MR made before may be stale; one that is not
 * means that no discard which has returned came after the registration. The
 * setting needs no lock and may come from any thread, at any time: all else in
 * core is serialised by the caller.
 */

/* A bit stands for so many bytes: QEMU's smallest chunk. */
#define DISCARD_GRANULE (UINT64_C(1) << 20)

/* All zero is a map that knows of nothing and takes nothing in. */
struct discard_map {
	_Atomic uint64_t *bits;
	uint64_t length; /* of the block, bytes */
};

/* For a block of `length` bytes, nothing discarded; once. 0 or -ENOMEM. */
int discard_map_init(struct discard_map *map, uint64_t length);
void discard_map_free(struct discard_map *map);

/* Something in `range` has been discarded. What is outside the block is ignored. */
void discard_map_set(struct discard_map *map, struct range range);

/* Has anything in a granule of `range` been discarded? */
bool discard_map_test(const struct discard_map *map, struct range range);

/* `range` is about to be registered. A granule of which it is only a part, other
 * than the block's last, keeps its bit. Has a bit been taken away? */
bool discard_map_reset(struct discard_map *map, struct range range);

/* The granules that `range` reaches into, clipped to the block. */
struct range discard_map_round(const struct discard_map *map, struct range range);

#endif
