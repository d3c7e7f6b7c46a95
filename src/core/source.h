/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RDMACHUNK_CORE_SOURCE_H
#define RDMACHUNK_CORE_SOURCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/data_run.h"
#include "core/prefetch.h"
#include "core/ram_blocks.h"
#include "core/wire.h"
#include "core/zero_queue.h"

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
	SOURCE_REQUEST_HELD,	 /* its chunk is in a request of our own, not answered yet */
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

struct source_options {
	unsigned int shift; /* regions of 2^shift bytes */
	unsigned int threads;
	bool prefetch; /* begin with less, and offer more by source_scan() */
	bool bridge;   /* gaps in a run may be bridged */
	struct guest_memory memory;
};

struct source {
	struct source_options options;
	struct ram_blocks blocks;
	/* QEMU's chunk size in bytes, 0 until its first local registration shows it. */
	uint64_t chunk_size;
	/* False after anything that we do not understand: requests then go to the
	 * destination as QEMU wrote them. Extents already made stay valid. */
	bool widening;
	/* Ask for nothing but what QEMU asks for. */
	bool single;
	/* The destination has been asked for more than a chunk at once. */
	bool widened;
	struct source_request request;
	struct prefetch prefetch;
};

enum source_verdict {
	SOURCE_FORWARD, /* send what QEMU wrote */
	SOURCE_REPLACE, /* send `message` in its place */
	SOURCE_ANSWER,	/* send nothing; QEMU receives `message`, then a READY */
	SOURCE_HOLD,	/* send nothing; the answer comes with source_prefetched() */
	SOURCE_ASK,	/* the same, and source_asked() is to be sent */
	SOURCE_FAIL,	/* neither is safe: fail the connection */
};

/* All zero, then this. */
void source_init(struct source *s, const struct source_options *options);
void source_clear(struct source *s);

struct source_can {
	bool answer; /* both receive buffers for an answer of QEMU's are posted */
	bool ask;    /* a request of our own may go to the destination */
};

/*
 * QEMU sends the control message `msg`. Without can.answer nothing is answered locally. Fills
 * *reply for SOURCE_REPLACE and SOURCE_ANSWER.
 */
enum source_verdict source_send(struct source *s, const void *msg, size_t len,
				struct source_can can, struct wire_message *reply);

/* What source_send() made of QEMU's message has been posted, behind WRITEs that take
 * `queue_ns`. */
void source_posted(struct source *s, uint64_t now, uint64_t queue_ns);

/* The control message `msg` has come from the destination, at `now` (ns). Call it before QEMU
 * is given the message. */
void source_receive(struct source *s, const void *msg, size_t len, uint64_t now);

/* QEMU sends a COMPRESS. True when it is of memory that we know: sets *run. */
bool source_zero(struct source *s, const void *msg, size_t len, struct zero_run *run);

/* QEMU has come to `end` of a block, in bytes from its start. */
void source_passed(struct source *s, uint32_t block, uint64_t end);

/* QEMU posts a WRITE from [addr, addr + length). In its later passes it asks for nothing where it
 * has been: then this alone shows that it is elsewhere. */
void source_wrote(struct source *s, uint64_t addr, uint64_t length);

/* Is it time to look for more to register, ahead of QEMU, for this wire? Then *scan is the memory
 * in which to look for the next run of data. Report what prefetch_find() finds there to
 * source_scanned(). */
bool source_scan(const struct source *s, const struct rate *wire, struct prefetch_scan *scan);
void source_scanned(struct source *s, const struct prefetch_scan *scan, struct range found);

/* Is QEMU at the tail of its first pass, for this wire (core/prefetch.h)? */
bool source_in_tail(const struct source *s, const struct rate *wire);

/* Is there anything that source_ask() may ask for? */
bool source_has_planned(const struct source *s);

/* True when *request, for `most` bytes at most or a chunk, is to be sent to the destination, ahead
 * of QEMU; its result goes to source_prefetched(). Not while another one has not been answered. */
bool source_ask(struct source *s, uint64_t most, struct wire_register *request);

/* What the destination is asked for, ahead of QEMU. */
struct wire_register source_asked(const struct source *s);

/* That request could not be sent, and is taken back. */
void source_withdraw(struct source *s);

/*
 * The result of that request, at `now` (ns), in the place of source_receive(). 0, or -EBADMSG
 * when it is none. True in *held: QEMU waits for an answer, which is *reply.
 */
int source_prefetched(struct source *s, const void *msg, size_t len, uint64_t now, bool *held,
		      struct wire_message *reply);

/* Has the destination a request that it has not answered, QEMU's or our own, after it was asked
 * for more than QEMU's own chunks? If it ends the migration like this, that may have been too
 * much for it. */
bool source_may_be_too_much(const struct source *s);

/* What to register here where QEMU registers `want` of the block: no more than the
 * destination was asked for. */
struct range source_bounds(const struct source *s, const struct ram_block *block,
			   struct range want);

/* What to register next in this process, ahead of QEMU: a part of *block that the
 * destination has been asked for, and that is watched. False when there is none. */
bool source_prefetch_local(const struct source *s, struct ram_block **block, struct range *range);

/*
 * QEMU registers [addr, addr + length) of its own memory. Returns the RAM block
 * it lies in, with the place in it in *want, and learns from it; NULL when it
 * is no chunk of guest memory that we know.
 */
struct ram_block *source_register(struct source *s, uint64_t addr, uint64_t length,
				  struct range *want);

#endif
