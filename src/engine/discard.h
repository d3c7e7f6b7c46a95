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

enum discard_kind {
	DISCARD_PAGES,
	/* and the file behind them has a hole: every mapping of it */
	DISCARD_FROM_FILE,
	/* and what was mapped: something else may be there now */
	DISCARD_MAPPING,
};

/* The memory at [addr, addr + length) is no longer what it was. */
void discard_memory(const void *addr, size_t length, enum discard_kind kind);

/* Of the file that `fd` has open, [offset, offset + length) is no longer what it
 * was. `length` 0: to its end. */
void discard_file(int fd, off_t offset, off_t length);

/*
 * Report what is discarded of `block`, one of `blocks`, to it from now on. Its local
 * address is known. Nothing in it has been registered before. 0, or -ENOMEM: then
 * what is discarded there would not be known.
 */
int discard_watch(struct ram_blocks *blocks, struct ram_block *block);

/*
 * Stop, for all of them. True: no report is under way any more. False when one has not
 * come to its end for a second, because its thread was killed in it or has no
 * processor: then the blocks must stay where they are.
 */
bool discard_unwatch(struct ram_blocks *blocks);

#endif
