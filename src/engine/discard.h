/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RDMACHUNK_ENGINE_DISCARD_H
#define RDMACHUNK_ENGINE_DISCARD_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "core/ram_blocks.h"

struct discard_table;

/*
 * Guest memory that this process gives back while a migration has it registered:
 * the calls that do so are reported here once they have been made, and find the RAM
 * blocks that they hit.
 *
 * Any thread may call these three, holding any lock: they take none and allocate
 * nothing. errno is kept.
 */

extern _Atomic(struct discard_table *) discard_watched;

/* Is any RAM block watched? One atomic load: nothing needs to be reported else. */
static inline bool discard_watching(void)
{
	return atomic_load_explicit(&discard_watched, memory_order_acquire) != NULL;
}

/* The memory at [addr, addr + length) is no longer what it was. `replaced`: another
 * mapping may be there now. */
void discard_memory(const void *addr, size_t length, bool replaced);

/* Of the file that `fd` has open, [offset, offset + length) is no longer what it
 * was. `length` 0: to its end. */
void discard_file(int fd, off_t offset, off_t length);

/*
 * Report what is discarded of `block`, one of `blocks`, to it from now on. Its local
 * address is known. Nothing in it has been registered before. 0, or -ENOMEM: then
 * what is discarded there would not be known.
 */
int discard_watch(struct ram_blocks *blocks, struct ram_block *block);

/* Stop, for all of them. No report is under way when this returns. */
void discard_unwatch(struct ram_blocks *blocks);

#endif
