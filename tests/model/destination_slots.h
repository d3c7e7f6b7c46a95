/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RDMACHUNK_TESTS_MODEL_DESTINATION_SLOTS_H
#define RDMACHUNK_TESTS_MODEL_DESTINATION_SLOTS_H

#include <stdbool.h>
#include <stdint.h>

#include "core/extent_map.h"
#include "memory.h"
#include "message.h"

/*
 * What the destination makes of each message, as QEMU's qemu_rdma_registration_handle() and
 * qemu_rdma_register_and_get_keys() do: one slot for each chunk, an MR under the slot of its
 * first chunk only, and the old MR for a slot that has one, however short.
 */

#define SLOTS_BLOCKS 4
#define SLOTS	     MEMORY_PAGES /* of all blocks */

enum slots_verdict {
	SLOTS_DONE,    /* there may be an answer; a READY is next */
	SLOTS_AGAIN,   /* the registration has to wait: nothing has been done */
	SLOTS_FAILED,  /* it cannot be made: QEMU ends the migration */
	SLOTS_REFUSED, /* QEMU would crash, or refuse the message */
};

/* Ranges are in bytes from the block's start. */
struct slots_ops {
	/* Register this: sets *rkey, never to 0, unless it returns SLOTS_AGAIN or SLOTS_FAILED. */
	enum slots_verdict (*reg)(void *context, unsigned int block, struct range range,
				  uint32_t *rkey);
	/* Fill this with zeros. NULL where no COMPRESS is sent. */
	void (*zero)(void *context, unsigned int block, struct range range);
};

struct slots_block {
	uint64_t offset, length, host_addr;
	unsigned int first; /* slot */
	uint64_t chunks;
};

struct slot {
	uint32_t rkey;	 /* 0: nothing registered */
	uint32_t chunks; /* that its MR covers */
};

struct destination_slots {
	const struct slots_ops *ops;
	void *context;
	uint64_t chunk_size; /* bytes */
	unsigned int count;
	struct slots_block block[SLOTS_BLOCKS];
	unsigned int used;
	struct slot slot[SLOTS];
	unsigned int requests; /* REGISTER_REQUESTs answered */
	unsigned int repeated; /* of those, for a slot that had an MR already */
	const char *why;       /* the last was refused */
};

/* All zero but for the first three fields, then one for each block. */
void slots_add_block(struct destination_slots *s, uint64_t offset, uint64_t length,
		     uint64_t host_addr);

/* A message of `len` bytes, which is not one for QEMU's stream. reply->len is 0 when there is no
 * answer. */
enum slots_verdict slots_handle(struct destination_slots *s, const void *msg, size_t len,
				struct message *reply);

/* `count` chunks from this one on, as far as the block goes. */
struct range slots_range(const struct destination_slots *s, unsigned int block, uint64_t chunk,
			 uint64_t count);

/* Would the NIC let a write with `rkey` into all of `range` of the block? */
bool slots_cover(const struct destination_slots *s, unsigned int block, uint32_t rkey,
		 struct range range);

#endif
