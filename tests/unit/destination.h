/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RDMACHUNK_TESTS_UNIT_DESTINATION_H
#define RDMACHUNK_TESTS_UNIT_DESTINATION_H

#include <stdbool.h>
#include <stdint.h>

#include "core/extent_map.h"
#include "support.h"

/*
 * The destination of a migration, as QEMU's qemu_rdma_registration_handle() and
 * qemu_rdma_register_and_get_keys() behave: one slot for each chunk, an MR
 * under the slot of its first chunk only, and the old MR for a slot that has one.
 */

#define DESTINATION_BLOCKS 4
#define DESTINATION_CHUNKS 160

struct destination_slot {
	uint32_t rkey; /* 0: nothing registered */
	struct range range;
};

struct destination_block {
	uint64_t offset, length, host_addr;
	struct destination_slot slot[DESTINATION_CHUNKS];
};

struct qemu_destination {
	uint64_t chunk_size;
	unsigned int count;
	struct destination_block block[DESTINATION_BLOCKS];
	uint32_t last_rkey;
	unsigned int requests; /* REGISTER_REQUESTs handled */
	unsigned int repeated; /* of those, for a slot that had an MR already */
};

/* All zero with a chunk_size, then one for each block. */
void destination_add_block(struct qemu_destination *d, uint64_t offset, uint64_t length,
			   uint64_t host_addr);

/* What it answers to RAM_BLOCKS_REQUEST. */
void destination_list_blocks(const struct qemu_destination *d, struct message *reply);

/*
 * Handle a message; reply->len is 0 when there is no answer but the next READY.
 * Fails the test where QEMU would crash, refuse the message or end the migration.
 */
void destination_handle(struct qemu_destination *d, const void *msg, size_t len,
			struct message *reply);

/* Would the NIC let a write with `rkey` into all of `range` of block `index`? */
bool destination_covers(const struct qemu_destination *d, unsigned int index, uint32_t rkey,
			struct range range);

#endif
