/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RDMACHUNK_CORE_POSTING_H
#define RDMACHUNK_CORE_POSTING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/recv_queue.h"
#include "core/send_queue.h"
#include "core/order.h"
#include "core/wire.h"

/*
 * WRs as the NIC takes them: the batch that it is being given, the memory of our own that
 * it reads messages from and receives them into, and what a wr_id of ours says.
 */

/* Bytes of our own memory: receive buffers, then a slot for each message of ours. */
#define POSTING_MEMORY_LEN \
	(RECV_QUEUE_BUFFERS * (size_t)WIRE_MESSAGE_MAX + SEND_SLOTS * (size_t)WIRE_OWN_MAX)

/* A WR for the real send queue. */
struct conn_send {
	uint64_t wr_id;
	bool message; /* a SEND; else an RDMA WRITE */
	bool signaled;
	bool ours; /* QEMU knows nothing of it */
	uint64_t addr;
	uint64_t length; /* bytes; 0: no SGE */
	uint64_t remote_addr;
	uint32_t lkey;
	uint32_t rkey;
};

/* A WR for the real receive queue. */
struct conn_recv {
	uint64_t wr_id;
	uint64_t addr;
	uint32_t length;
	uint32_t lkey;
};

enum posting_state {
	POSTING_NOTHING,
	POSTING_MESSAGE,
	POSTING_WRITES, /* they have left the queue */
};

/* All zero at first. */
struct posting {
	uint8_t *memory; /* of POSTING_MEMORY_LEN, under `lkey`; NULL when there is none */
	uint32_t lkey;
	/* Receive buffers to be posted: bit n is buffer n. */
	unsigned int buffers_due;
	/* And those that the NIC has. */
	unsigned int buffers_posted;
	/* What the NIC is being given. */
	enum posting_state state;
	unsigned int count;
	uint64_t completions; /* order.completions before that */
	struct order_out out[ORDER_BATCH];
};

/* What a WR was, by the wr_id that it completes with. */
enum posting_of { POSTING_OF_SEND, POSTING_OF_RECV, POSTING_OF_NOTHING, POSTING_OF_QEMU };

/* Sets *number to the serial of a SEND or WRITE, or to the buffer of a RECV. */
enum posting_of posting_of(uint64_t wr_id, uint64_t *number);

const void *posting_buffer(const struct posting *p, uint64_t buffer);

/* A receive buffer of our own that is to be posted; false when there is none. */
bool posting_next_recv(struct posting *p, struct conn_recv *recv);

/* One has completed. False when the NIC did not have it. */
bool posting_recv_done(struct posting *p, uint64_t buffer);

/* A WR that does nothing, but completes. */
struct conn_send posting_nothing(void);

/*
 * What order_batch() has for the NIC, in `wr`, if that is of a kind that is wanted:
 * returns how many, 0 while it is being given something already.
 */
unsigned int posting_next(struct posting *p, struct order *t, bool message, bool writes,
			  struct conn_send *wr);

/* Does a write that the NIC is being given, and may not take, reach into `remote`? */
bool posting_overlaps(const struct posting *p, struct range remote);

/* It has taken `posted` of them, of which p->out tells; `full`: there was no room for the
 * rest. False when that is not offered again because nothing will make room. */
bool posting_done(struct posting *p, struct order *t, unsigned int posted, bool full);

#endif
