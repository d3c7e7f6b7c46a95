/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RDMACHUNK_CORE_TRANSMIT_H
#define RDMACHUNK_CORE_TRANSMIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/completion_queue.h"
#include "core/send_queue.h"
#include "core/write_queue.h"
#include "core/zero_queue.h"

/*
 * The order in which things go out on a QP's send queue, and what QEMU is told
 * of each.
 *
 *      QEMU's WRITE ----> writes: merged, completed early within a window
 *      QEMU's COMPRESS -> zeros:  merged, answered at once
 *      any other SEND --> strict: after all of the above, completes for real
 *      our own REGISTER_REQUEST -> request: when the destination has nothing else
 *                         to do
 *
 * An RC QP executes in order, so the completion of a strict SEND proves every
 * write before it.
 */

/* Writes may be this much ahead of the wire, in bytes and in number, before QEMU
 * has to wait for completions; it is let go again at half of that. */
#define TRANSMIT_WINDOW_BYTES (UINT64_C(64) << 20)

/* Those below are smaller in one build of the simulation, where they get full. */
#ifndef TRANSMIT_WINDOW_WRITES
#define TRANSMIT_WINDOW_WRITES 512
#endif

/* WRs handed to the NIC in one call at most. */
#ifndef TRANSMIT_BATCH
#define TRANSMIT_BATCH 64
#endif

/* The send queue QEMU asks for; all we may count on. */
#ifndef TRANSMIT_SEND_QUEUE
#define TRANSMIT_SEND_QUEUE 512
#endif

/* A completion is asked for at least this often, so that the queue drains. */
#ifndef TRANSMIT_UNSIGNALED
#define TRANSMIT_UNSIGNALED 32
#endif

struct transmit_policy {
	bool early;	    /* complete WRITEs early, merge them */
	uint64_t merge_max; /* bytes of one WRITE at most */
};

struct transmit_counters {
	uint64_t writes;      /* WRITEs QEMU posted */
	uint64_t write_bytes; /* bytes of them */
	uint64_t write_wrs;   /* WRITEs given to the NIC */
	uint64_t doorbells;   /* calls that gave it anything */
	uint64_t wrs;	      /* WRs of any kind given to it */
	uint64_t signaled;    /* of those, signalled */
	uint64_t withheld;    /* completions kept back because the window was full */
	uint64_t fenced;      /* times the writes waited for a zero run's READY */
	uint64_t zeros_kept;  /* COMPRESS messages taken in to be merged */
	uint64_t zeros_sent;  /* COMPRESS messages made of them */
};

/* A SEND of QEMU's that waits for its turn; there is one at a time, because QEMU
 * waits for its completion. */
struct transmit_strict {
	bool pending;
	bool urgent; /* READY and ERROR: needs no credit and waits for nothing */
	uint64_t wr_id;
	uint64_t addr; /* QEMU's message */
	uint32_t length;
	uint32_t lkey;
	/* What is sent in the place of that; empty where nothing is. */
	struct wire_message own;
};

/* A REGISTER_REQUEST that QEMU knows nothing of; one at a time. */
enum transmit_request_state {
	TRANSMIT_REQUEST_NONE,
	TRANSMIT_REQUEST_QUEUED,   /* waits for its turn */
	TRANSMIT_REQUEST_SENT,	   /* its result has not come */
	TRANSMIT_REQUEST_ANSWERED, /* the READY after that has not come */
};

struct transmit_request {
	enum transmit_request_state state;
	struct wire_register message;
};

/* The QP, as far as its completions have told. */
enum transmit_qp {
	TRANSMIT_QP_WORKS,
	TRANSMIT_QP_BROKEN,  /* it is in error: it flushes whatever it is given */
	TRANSMIT_QP_FLUSHED, /* and the receive queue is being flushed, too */
};

struct transmit {
	struct transmit_policy policy;
	struct send_queue sends;
	struct write_queue writes;
	struct zero_queue zeros;
	struct transmit_strict strict;
	struct transmit_request request;
	/* The destination is in its loop for registrations: from the first request
	 * or COMPRESS of QEMU's until another message. */
	bool registering;
	unsigned int credits;	       /* READYs received and not used by a SEND */
	uint64_t ahead_bytes;	       /* of writes queued or on the wire */
	unsigned int in_flight;	       /* WRs on the wire */
	unsigned int writes_in_flight; /* of those, WRITEs */
	unsigned int unsignaled;       /* WRs posted since the last signalled one */
	/* wr_ids of WRITEs whose completions are kept back */
	struct completion_queue withheld;
	bool flush; /* QEMU is about to sleep: hold nothing back */
	enum transmit_qp qp;
	bool fence_counted;
	/* The NIC would take no more: wait for a completion. */
	bool stalled;
	uint64_t completions; /* of WRs, so far */
	struct transmit_counters counters;
};

enum transmit_kind {
	TRANSMIT_WRITE,
	TRANSMIT_ZERO,	  /* an own message: a COMPRESS */
	TRANSMIT_REQUEST, /* an own message: a REGISTER_REQUEST */
	TRANSMIT_STRICT,  /* QEMU's message, or an own one in its place */
};

/* A WR for the real send queue. */
struct transmit_out {
	enum transmit_kind kind;
	uint64_t serial; /* its wr_id */
	bool signaled;
	int slot;		       /* own message's slot, or SEND_NO_SLOT */
	struct write write;	       /* TRANSMIT_WRITE */
	struct wire_compress zero;     /* TRANSMIT_ZERO */
	struct wire_register request;  /* TRANSMIT_REQUEST */
	struct transmit_strict strict; /* TRANSMIT_STRICT */
};

void transmit_init(struct transmit *t);

/* QEMU posts a WRITE, or, where the policy completes it early, a part of one. Pushes
 * its completion to `due` at once where the policy allows. 0, or -ENOMEM: QEMU then waits for a
 * completion, and one will come. */
int transmit_write(struct transmit *t, const struct write *write, struct completion_queue *due);

/* QEMU posts a COMPRESS. 0 when it is kept, and QEMU may be told it is sent and
 * answered; -ENOSPC or -EBUSY when it has to go out as a strict SEND. */
int transmit_zero(struct transmit *t, const struct zero_run *run);

/* QEMU posts a SEND of another kind. 0, or -EBUSY when one is pending already. */
int transmit_strict(struct transmit *t, const struct transmit_strict *strict);

/* Is the destination free for a request of our own? */
bool transmit_can_request(const struct transmit *t);

/* Send one; transmit_can_request() held just before. */
void transmit_request(struct transmit *t, const struct wire_register *message);

/* It is queued still, and is not to be sent. */
void transmit_withdraw_request(struct transmit *t);

/* Its result has come. */
void transmit_request_answered(struct transmit *t);

/* The pending SEND is given up: it will neither go out nor complete. */
void transmit_abandon_strict(struct transmit *t);

/* QEMU is about to sleep on a completion channel. */
void transmit_flush(struct transmit *t);

/*
 * What to give the NIC now, oldest first: at most TRANSMIT_BATCH, 0 when there
 * is nothing. Report how many of them it took with transmit_posted() before the
 * next call.
 */
unsigned int transmit_batch(struct transmit *t, struct transmit_out *out);
void transmit_posted(struct transmit *t, const struct transmit_out *out, unsigned int count);

/*
 * Of the WRITEs that were posted last, `count` in `out`, the NIC took only `posted`, after
 * all: the others are the first in the queue again. 0, or -ENOSPC when they do not fit:
 * then some are lost.
 */
int transmit_take_back(struct transmit *t, const struct transmit_out *out, unsigned int posted,
		       unsigned int count);

/*
 * The NIC's send queue was full. `completions` is what transmit.completions was before it
 * was given anything. Nothing more is offered before something completes; false when
 * nothing will, because what is on the wire is silent.
 */
bool transmit_stall(struct transmit *t, uint64_t completions);

/*
 * WR `serial` completed with `wc`. Pushes to `due` what QEMU is due for that. A
 * failed WR makes the connection broken. 0; -ENOENT for a serial that is not on
 * the queue; -ENOSPC when `due` was full, and a completion is lost.
 */
int transmit_completed(struct transmit *t, uint64_t serial, const struct completion *wc,
		       struct completion_queue *due);

/* A READY came. True when it answers a message of ours that QEMU knows nothing
 * of: then QEMU must not see it. */
bool transmit_ready(struct transmit *t);

/* The QP is known to be in error. Pushes the withheld completions, flushed. */
void transmit_break(struct transmit *t, struct completion_queue *due);

/* Nothing more will be posted. Pushes all that QEMU waits for and the NIC does not
 * have, flushed; but for the pending SEND, which is the caller's to complete. */
void transmit_fail(struct transmit *t, struct completion_queue *due);

/* Has the destination a message of our own that it has not answered? */
bool transmit_expects_ready(const struct transmit *t);

/* Could our request go, but for room in the send queue? */
bool transmit_waits_for_room(const struct transmit *t);

/* For tests: what is wrong when transmit_batch() has nothing; NULL when nothing is. */
const char *transmit_check(const struct transmit *t);

/* Is anything kept back until a READY comes? Then somebody must be listening. */
bool transmit_waits_for_ready(const struct transmit *t);

#endif
