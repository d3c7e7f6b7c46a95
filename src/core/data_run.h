/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RDMACHUNK_CORE_DATA_RUN_H
#define RDMACHUNK_CORE_DATA_RUN_H

#include <stdbool.h>
#include <stdint.h>

#include "core/extent_map.h"

/*
 * Runs of chunks with data: what is worth registering, for QEMU never registers a
 * chunk of zeros. A gap in a run is bridged where it may be, so that a chunk of
 * zeros now and then does not end it:
 *
 *      |==data==|.gap.|=====data=====|....gap....|=data=|
 *      |<----------- run ----------->|
 *
 * All gaps together are at most a quarter of the run. So never more than a third
 * as much again is registered as stock QEMU would register.
 */

/* What a caller who holds a lock may read, in bytes, to find where a run ends. */
#define DATA_RUN_BUDGET (UINT64_C(16) << 20)

/* The guest's memory in this process, which core does not read itself. */
struct guest_memory {
	/*
	 * Is there anything but zeros in [addr, addr + length)? Memory that is not
	 * there has none. Takes the bytes that it had to read from *budget, and
	 * gives up, with false, when that is used up.
	 */
	bool (*has_data)(void *context, uint64_t addr, uint64_t length, uint64_t *budget);
	void *context;
};

/* Where to look: in the block whose first byte is at `addr` in this process,
 * whose chunks are of `chunk` bytes. */
struct data_run_place {
	const struct guest_memory *memory;
	uint64_t addr;
	uint64_t chunk;
};

/* The first chunk with data in `range`, which begins with a chunk; the end of the
 * range when there is none. Reads all of it if need be. */
uint64_t data_run_find(const struct data_run_place *place, struct range range);

/* The end of the run that begins with the first chunk of `range`, which is taken to
 * have data. Not beyond the range. `bridge`: gaps may be bridged. */
uint64_t data_run_end(const struct data_run_place *place, struct range range, bool bridge);

/* The same where more may follow that is not for this run: a gap at the end of the range is bridged
 * like any other if data does, up to a quarter of the range behind it, and not beyond `limit`. */
uint64_t data_run_end_in_window(const struct data_run_place *place, struct range range,
				uint64_t limit, bool bridge);

#endif
