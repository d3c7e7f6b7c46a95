/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RDMACHUNK_TESTS_UNIT_QEMU_H
#define RDMACHUNK_TESTS_UNIT_QEMU_H

#include "core/source.h"
#include "destination_slots.h"
#include "support.h"

/*
 * A source under test, with no connection around it: what passes between QEMU and the
 * model's destination goes through its calls. Fails the test when one of the two would be
 * given something that it, or the destination's NIC, does not accept.
 */

/* Where the blocks are in the source's process, in the destination's, and in the
 * destination's ram_addr_t space. */
#define LOCAL(block)  (UINT64_C(0x7f0000000000) + (uint64_t)(block) * (UINT64_C(1) << 40))
#define REMOTE(block) (UINT64_C(0x550000000000) + (uint64_t)(block) * (UINT64_C(1) << 40))
#define OFFSET(block) ((uint64_t)(block) * (UINT64_C(1) << 36))

struct qemu {
	struct source source;
	struct rate wire;
	struct fake_memory memory;
	struct destination_slots destination;
	uint32_t last_rkey;		    /* of the destination's */
	uint32_t rkey[SLOTS_BLOCKS][SLOTS]; /* that QEMU has; 0: not registered */
	bool can_answer;		    /* the next exchange's */
	bool can_ask;			    /* its own, when the destination is free */
	/* The source may not know guest memory for what it is, for want of its own. */
	bool may_lose_track;
	unsigned int sent; /* messages on the wire */
	unsigned int answered;
	unsigned int credits; /* READYs received less messages sent */
	/* A request of the source's own, on the wire and not answered. */
	bool asked;
	struct wire_register ahead;
};

/* What source_send() is told. */
#define CAN_NOTHING ((struct source_can){.answer = false})
#define CAN_ANSWER  ((struct source_can){.answer = true})
#define CAN_ASK	    ((struct source_can){.answer = true, .ask = true})

/* A connection whose RAM block list has been exchanged. */
void qemu_start(struct qemu *q, unsigned int shift, uint64_t chunk_size, const uint64_t *lengths,
		unsigned int count);

/* [from, to) of a block is zeros, as far as the source can see; QEMU may write there all
 * the same. */
void qemu_hole(struct qemu *q, unsigned int block, uint64_t from, uint64_t to);

/* Send it, or what the source makes of it; *reply is what QEMU then receives. */
enum source_verdict qemu_exchange(struct qemu *q, const struct message *m, struct message *reply);
void qemu_receive_ready(struct qemu *q);

/* The request QEMU makes for a write that begins `within` bytes into the chunk. */
void qemu_request(const struct qemu *q, struct message *m, unsigned int block, uint64_t chunk,
		  uint64_t within);

/* What would become of a REGISTER_REQUEST, without sending it, while the destination is not free
 * for one of the source's own. */
enum source_verdict qemu_judge(const struct qemu *q, const struct message *m,
			       struct wire_message *own);

/* QEMU has its answer and registers its own chunk. */
struct ram_block *qemu_register(struct qemu *q, unsigned int block, uint64_t chunk,
				struct range *want);

/* A write into a chunk, with all that comes before it the first time. */
void qemu_write(struct qemu *q, unsigned int block, uint64_t chunk, uint64_t within);
enum source_verdict qemu_unregister(struct qemu *q, unsigned int block, uint64_t chunk);

/* The source looks for data, and the first is `data` bytes from where it looks, or
 * nowhere. True when it plans to ask for what it found. */
#define QEMU_NO_DATA UINT64_MAX
bool qemu_plan(struct qemu *q, uint64_t data);

/* It asks for what is planned: `most` bytes at most. True when that is on the wire then. */
bool qemu_ask(struct qemu *q, uint64_t most);

/* Both, unless the destination is not free. */
bool qemu_look(struct qemu *q, uint64_t data);

/* The destination answers that. *reply is what QEMU gets for it; its len is 0 for
 * nothing. */
void qemu_answer_ahead(struct qemu *q, struct message *reply);

/* The destination's NIC would let the write through. */
void qemu_check_write(const struct qemu *q, unsigned int block, uint64_t chunk);

/* What the source believes is registered is, and nothing in it overlaps. */
void qemu_check_extents(const struct qemu *q, uint64_t round);

#endif
