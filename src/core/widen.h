/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RDMACHUNK_CORE_WIDEN_H
#define RDMACHUNK_CORE_WIDEN_H

#include <stdbool.h>
#include <stdint.h>

#include "core/extent_map.h"

/* The arithmetic of chunks and regions. Every range is in bytes from the start
 * of a RAM block. */

/*
 * What to register when `want` is asked for: the 2^shift region around it,
 * clipped to the block and to what is registered already.
 *
 *      |<---------- 2^shift ---------->|
 *      |==extent==|     want           |==extent==
 *                 |<----- result ----->|
 *
 * `want` itself when it reaches into the next region. Returns false, touching
 * nothing, when an extent overlaps `want` or it leaves the block.
 */
bool widen_range(const struct extent_map *map, uint64_t block_length, struct range want,
		 unsigned int shift, struct range *wide);

/*
 * Which chunk QEMU means. It asked for a registration at `offset` with `chunks`
 * further chunks and then registered `length` bytes here, which is
 * [chunk_start(c), chunk_end(c + chunks)] clipped to the block (QEMU
 * migration/rdma.c, qemu_rdma_write_one). Sets *start to that chunk's start, and
 * *chunk_size to QEMU's chunk size in bytes, or to 0 when the clipping leaves it
 * open. `known` is the chunk size learned before, or 0. Returns 0, or -EINVAL
 * when no chunk size that QEMU allows explains the numbers.
 */
int widen_learn_chunk(uint64_t block_length, uint64_t offset, uint64_t chunks, uint64_t length,
		      uint64_t known, uint64_t *start, uint64_t *chunk_size);

/* The range that a request at `offset` with `chunks` further chunks registers;
 * false when it does not lie in the block. */
bool widen_chunk_range(uint64_t block_length, uint64_t offset, uint64_t chunks, uint64_t chunk_size,
		       struct range *range);

#endif
