/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RDMACHUNK_CORE_SOURCE_H
#define RDMACHUNK_CORE_SOURCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/ram_blocks.h"
#include "core/wire.h"

/*
 * The sending end of a migration: which registrations the destination has made,
 * and what becomes of each control message QEMU sends.
 *
 * The destination registers [chunk_start(c), chunk_end(c + chunks)] under the
 * slot of the first chunk and, asked for that chunk again, returns the old MR
 * however short (QEMU migration/rdma.c, qemu_rdma_registration_handle). So no
 * two extents may overlap, and the first chunk of one is never requested twice.
 */

enum source_request_stage {
	SOURCE_REQUEST_NONE,
	SOURCE_REQUEST_SENT,	 /* on the wire, no result yet */
	SOURCE_REQUEST_ANSWERED, /* QEMU registers its chunk next */
};

/* The REGISTER_REQUEST that QEMU is busy with; it makes one at a time. */
struct source_request {
	enum source_request_stage stage;
	struct wire_register asked; /* by QEMU */
	uint64_t offset;	    /* of asked.addr, in bytes from the block's start */
	/* What the destination was asked for; empty while the chunk size is unknown. */
	struct range range;
	/* The extent exists already: nothing is to be recorded. */
	bool recorded;
	uint32_t rkey;
};

struct source {
	unsigned int shift;
	struct ram_blocks blocks;
	/* QEMU's chunk size in bytes, 0 until its first local registration shows it. */
	uint64_t chunk_size;
	/* False after anything that we do not understand: requests then go to the
	 * destination as QEMU wrote them. Extents already made stay valid. */
	bool widening;
	struct source_request request;
};

enum source_verdict {
	SOURCE_FORWARD, /* send what QEMU wrote */
	SOURCE_REPLACE, /* send `message` in its place */
	SOURCE_ANSWER,	/* send nothing; QEMU receives `message`, then a READY */
	SOURCE_FAIL,	/* neither is safe: fail the connection */
};

struct source_reply {
	uint8_t message[64];
	size_t len;
};

/* All zero, then this. `shift`: regions of 2^shift bytes. */
void source_init(struct source *s, unsigned int shift);
void source_clear(struct source *s);

/*
 * QEMU sends the control message `msg`. `can_answer`: both receive buffers for
 * an answer are posted; without it nothing is answered locally. Fills *reply
 * for SOURCE_REPLACE and SOURCE_ANSWER.
 */
enum source_verdict source_send(struct source *s, const void *msg, size_t len, bool can_answer,
				struct source_reply *reply);

/* The control message `msg` has come from the destination. Call it before QEMU
 * is given the message. */
void source_receive(struct source *s, const void *msg, size_t len);

/*
 * QEMU registers [addr, addr + length) of its own memory. Returns the RAM block
 * it lies in, with the place in it in *want, and learns from it; NULL when it
 * is no chunk of guest memory that we know.
 */
struct ram_block *source_register(struct source *s, uint64_t addr, uint64_t length,
				  struct range *want);

#endif
