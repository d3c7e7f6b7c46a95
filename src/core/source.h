/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RDMACHUNK_CORE_SOURCE_H
#define RDMACHUNK_CORE_SOURCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/data_run.h"
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

/*
 * A registration that QEMU has not asked for yet. From when it is made until the
 * destination answers, its extent is in the block's map with this in the place
 * of an rkey, so that nothing else is asked for there.
 */
#define SOURCE_NO_RKEY_YET UINT64_MAX

struct source_ahead {
	bool on;
	/* Where QEMU is: the end of what it asked for or zeroed last. */
	bool known;
	/* It was in `block` before, if we do not know any better. */
	bool seen;
	uint32_t block;
	uint64_t position;
	/* Up to here there is no data in memory that is not registered. */
	uint64_t looked;
	/* The request that the destination has not answered. */
	bool asked;
	struct range range; /* of ahead.asked_block */
	uint32_t asked_block;
	/* QEMU asks for a chunk of it, and waits. */
	bool held;
};

/*
 * What the destination cannot register ends the migration there, so it is asked for
 * runs of chunks with data only. In a block that QEMU has been through such a run
 * has SOURCE_PASSED_BYTES at most, and nothing is asked for ahead of it: a page that
 * the guest writes as it is stopped has to wait for all of that, in the blackout. At
 * 1 us for a page at each end, which is slow, 4 MiB are 2 ms; stock QEMU's chunk
 * takes 0.5. Twice that, for a page in each of two regions, is far from the 10 ms by
 * which we may be worse; 16 MiB would be beyond them.
 */
#define SOURCE_PASSED_BYTES (UINT64_C(4) << 20)

struct source_options {
	unsigned int shift; /* regions of 2^shift bytes */
	bool ahead;	    /* begin with less, and offer more by source_look() */
	bool bridge;	    /* gaps in a run may be bridged */
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
	struct source_ahead ahead;
};

enum source_verdict {
	SOURCE_FORWARD, /* send what QEMU wrote */
	SOURCE_REPLACE, /* send `message` in its place */
	SOURCE_ANSWER,	/* send nothing; QEMU receives `message`, then a READY */
	SOURCE_HOLD,	/* send nothing; the answer comes with source_ahead_result() */
	SOURCE_FAIL,	/* neither is safe: fail the connection */
};

struct source_reply {
	uint8_t message[64];
	size_t len;
};

/* All zero, then this. */
void source_init(struct source *s, const struct source_options *options);
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

/* QEMU has come to `end` of a block, in bytes from its start. */
void source_passed(struct source *s, uint32_t block, uint64_t end);

/*
 * Is it time to register more, ahead of QEMU? Then *look is the memory in which
 * source_find(), which needs no lock, finds the next run of data. Report that to
 * source_looked().
 */
struct source_look {
	uint32_t block;
	struct range range; /* where the run may begin */
	uint64_t end;	    /* and where it ends at the latest */
	uint64_t position;  /* where QEMU was */
	struct data_run_place place;
	unsigned int shift; /* 2^shift bytes at most */
	bool bridge;
};
bool source_look(const struct source *s, struct source_look *look);

/* What to ask for; empty, at the end of look->range, when there is no data in that. */
struct range source_find(const struct source_look *look);

/* True when *request is to be sent to the destination, ahead of QEMU, which `can_ask`
 * must allow; its result goes to source_ahead_result(). */
bool source_looked(struct source *s, const struct source_look *look, struct range found,
		   bool can_ask, struct wire_register *request);

/* That request could not be sent, and is taken back. */
void source_withdraw(struct source *s);

/*
 * The result of that request, in the place of source_receive(). 0, or -EBADMSG
 * when it is none. True in *held: QEMU waits for an answer, which is *reply.
 */
int source_ahead_result(struct source *s, const void *msg, size_t len, bool *held,
			struct source_reply *reply);

/* Has the destination not answered a request, after it was asked for more than QEMU's
 * own chunks? If the migration ends like this, that may have been too much for it. */
bool source_may_be_too_much(const struct source *s);

/* What to register here where QEMU registers `want` of the block: no more than the
 * destination was asked for. */
struct range source_bounds(const struct source *s, const struct ram_block *block,
			   struct range want);

/* What to register next in this process, ahead of QEMU: a part of *block that the
 * destination has been asked for, and that is watched. False when there is none. */
bool source_register_ahead(const struct source *s, struct ram_block **block, struct range *range);

/*
 * QEMU registers [addr, addr + length) of its own memory. Returns the RAM block
 * it lies in, with the place in it in *want, and learns from it; NULL when it
 * is no chunk of guest memory that we know.
 */
struct ram_block *source_register(struct source *s, uint64_t addr, uint64_t length,
				  struct range *want);

#endif
