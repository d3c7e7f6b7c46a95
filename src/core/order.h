/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RDMACHUNK_CORE_ORDER_H
#define RDMACHUNK_CORE_ORDER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/completion_queue.h"
#include "core/own_request.h"
#include "core/rate.h"
#include "core/send_queue.h"
#include "core/write_queue.h"
#include "core/zero_queue.h"

/*
 * The order in which things go out on a QP's send queue, and what QEMU is told
 * of each.
 *
 *      QEMU's WRITE ----> writes: merged, completed early within a window
 *      QEMU's COMPRESS -> zeros:  merged, answered at once
 *      any other SEND --> ordered: after all of the above, completes for real
 *      our own REGISTER_REQUEST -> request: when the destination has nothing else
 *                         to do
 *
 * An RC QP executes in order, so the completion of an ordered SEND proves every
 * write before it.
 */

/*
 * Writes may be ahead of the wire by what it takes in ORDER_WINDOW_NS, before QEMU has to wait
 * for completions; it is let go again at half of that. All of it is downtime when the guest is
 * stopped, and makes QEMU believe that the wire is faster than it is. Never less than
 * ORDER_WINDOW_LEAST and two WRITEs, of which one is on the wire while QEMU makes the next; and
 * never more than ORDER_WINDOW_BYTES and ORDER_WINDOW_WRITES. ORDER_WINDOW_FIRST is for a wire that
 * is not known. At the tail of the first pass (core/prefetch.h) it is ORDER_WINDOW_TAIL; no WRITE
 * of several becomes longer for that, since messages wait for those on the wire.
 */
#define ORDER_WINDOW_NS	   UINT64_C(5000000)
#define ORDER_WINDOW_LEAST (UINT64_C(2) << 20)
#define ORDER_WINDOW_FIRST (UINT64_C(8) << 20)

/* Those below are smaller in one build of the simulation, where they get full. */
#ifndef ORDER_WINDOW_BYTES
#define ORDER_WINDOW_BYTES (UINT64_C(64) << 20)
#endif

#ifndef ORDER_WINDOW_TAIL
#define ORDER_WINDOW_TAIL (UINT64_C(512) << 20)
#endif

#ifndef ORDER_WINDOW_WRITES
#define ORDER_WINDOW_WRITES 512
#endif

/* WRs handed to the NIC in one call at most. */
#ifndef ORDER_BATCH
#define ORDER_BATCH 64
#endif

/* The send queue QEMU asks for; all we may count on. */
#ifndef ORDER_SEND_QUEUE
#define ORDER_SEND_QUEUE 512
#endif

/* A completion is asked for at least this often, so that the queue drains. */
#ifndef ORDER_UNSIGNALED
#define ORDER_UNSIGNALED 32
#endif

struct order_policy {
	bool early;	    /* complete WRITEs early, merge them */
	uint64_t merge_max; /* bytes of one WRITE at most */
};

struct order_counters {
	uint64_t writes;      /* WRITEs QEMU posted */
	uint64_t write_bytes; /* bytes of them */
	uint64_t write_wrs;   /* WRITEs given to the NIC */
	uint64_t doorbells;   /* calls that gave it anything */
	uint64_t wrs;	      /* WRs of any kind given to it */
	uint64_t signaled;    /* of those, signalled */
	uint64_t withheld;    /* completions kept back because the window was full */
	uint64_t tails;	      /* times the window was opened for the tail of the first pass */
	uint64_t fenced;      /* times the writes waited for a zero run's READY */
	uint64_t zeros_kept;  /* COMPRESS messages taken in to be merged */
	uint64_t zeros_sent;  /* COMPRESS messages made of them */
};

/* A SEND of QEMU's that waits for its turn; there is one at a time, because QEMU
 * waits for its completion. */
struct order_message {
	bool pending;
	bool urgent; /* READY and ERROR: needs no credit and waits for nothing */
	uint64_t wr_id;
	uint64_t addr; /* QEMU's message */
	uint32_t length;
	uint32_t lkey;
	/* What is sent in the place of that; empty where nothing is. */
	struct wire_message own;
};

/* The QP, as far as its completions have told. */
enum order_qp {
	ORDER_QP_WORKS,
	ORDER_QP_BROKEN,  /* it is in error: it flushes whatever it is given */
	ORDER_QP_FLUSHED, /* and the receive queue is being flushed, too */
};

struct order {
	struct order_policy policy;
	struct send_queue sends;
	struct write_queue writes;
	struct zero_queue zeros;
	struct order_message ordered;
	struct own_request request;
	/* The destination is in its loop for registrations: from the first WRITE, request
	 * or COMPRESS of QEMU's until another message. */
	bool registering;
	unsigned int credits;	       /* READYs received and not used by a SEND */
	uint64_t now;		       /* ns, of the event that is being told */
	struct rate rate;	       /* of the wire */
	uint64_t window_bytes;	       /* of writes queued or on the wire */
	uint64_t wire_bytes;	       /* of those, on the wire */
	uint64_t window;	       /* as many may be; */
	uint64_t usual_window;	       /* what that is but at the tail of the first pass */
	uint64_t longest;	       /* bytes, of QEMU's WRITEs */
	bool tail;		       /* QEMU is at the end of its first pass */
	unsigned int in_flight;	       /* WRs on the wire */
	unsigned int writes_in_flight; /* of those, WRITEs */
	unsigned int unsignaled;       /* WRs posted since the last signalled one */
	/* wr_ids of WRITEs whose completions are kept back */
	struct completion_queue withheld;
	bool flush; /* QEMU is about to sleep: hold nothing back */
	enum order_qp qp;
	bool fence_counted;
	/* The NIC would take no more: wait for a completion. */
	bool stalled;
	uint64_t completions; /* of WRs, so far */
	struct order_counters counters;
};

enum order_kind {
	ORDER_WRITE,
	ORDER_ZERO,    /* an own message: a COMPRESS */
	ORDER_REQUEST, /* an own message: a REGISTER_REQUEST */
	ORDER_MESSAGE, /* QEMU's message, or an own one in its place */
};

/* A WR for the real send queue. */
struct order_out {
	enum order_kind kind;
	uint64_t serial; /* its wr_id */
	bool signaled;
	int slot; /* own message's slot, or SEND_NO_SLOT */
	union {
		struct write write;		     /* ORDER_WRITE */
		struct wire_compress zero;	     /* ORDER_ZERO */
		struct wire_register request;	     /* ORDER_REQUEST */
		const struct order_message *ordered; /* ORDER_MESSAGE: the one pending */
	};
};

void order_init(struct order *t);

/* QEMU posts a WRITE, or, where the policy completes it early, a part of one. Pushes
 * its completion to `due` at once where the policy allows. 0, or -ENOMEM: QEMU then waits for a
 * completion, and one will come. */
int order_write(struct order *t, const struct write *write, struct completion_queue *due);

/* Is QEMU at the tail of its first pass? The window is as that says from now on. */
void order_set_tail(struct order *t, bool tail);

/* QEMU posts a COMPRESS. 0 when it is kept, and QEMU may be told it is sent and
 * answered; -ENOSPC or -EBUSY when it has to go out as an ordered SEND. */
int order_zero(struct order *t, const struct zero_run *run);

/* QEMU posts a SEND of another kind. 0, or -EBUSY when one is pending already. */
int order_message(struct order *t, const struct order_message *ordered);

/* Is the destination free for a request of our own? Then own_request_queue() has it sent. */
bool order_can_request(const struct order *t);

/* Is it, or will it be with the READY for the last one? */
bool order_can_queue_request(const struct order *t);

/* The pending SEND is given up: it will neither go out nor complete. */
void order_abandon_message(struct order *t);

/* QEMU is about to sleep on a completion channel. */
void order_flush(struct order *t);

/*
 * What to give the NIC now, oldest first: at most ORDER_BATCH, 0 when there
 * is nothing. Report how many of them it took with order_posted() before the
 * next call.
 */
unsigned int order_batch(struct order *t, struct order_out *out);
void order_posted(struct order *t, const struct order_out *out, unsigned int count);

/*
 * Of the WRITEs that were posted last, `count` in `out`, the NIC took only `posted`, after
 * all: the others are the first in the queue again. 0, or -ENOSPC when they do not fit:
 * then some are lost.
 */
int order_take_back(struct order *t, const struct order_out *out, unsigned int posted,
		    unsigned int count);

/*
 * The NIC's send queue was full. `completions` is what order.completions was before it
 * was given anything. Nothing more is offered before something completes; false when
 * nothing will, because what is on the wire is silent.
 */
bool order_stall(struct order *t, uint64_t completions);

/*
 * WR `serial` completed with `wc`. Pushes to `due` what QEMU is due for that. A
 * failed WR makes the connection broken. 0; -ENOENT for a serial that is not on
 * the queue; -ENOSPC when `due` was full, and a completion is lost.
 */
int order_completed(struct order *t, uint64_t serial, const struct completion *wc,
		    struct completion_queue *due);

/* A READY came. True when it answers a message of ours that QEMU knows nothing
 * of: then QEMU must not see it. */
bool order_ready(struct order *t);

/* The QP is known to be in error. Pushes the withheld completions, flushed. */
void order_break(struct order *t, struct completion_queue *due);

/* Nothing more will be posted. Pushes all that QEMU waits for and the NIC does not
 * have, flushed; but for the pending SEND, which is the caller's to complete. */
void order_fail(struct order *t, struct completion_queue *due);

/* What a message that is posted now waits for, in ns: the WRITEs on the wire, at its rate. 0 when
 * that is not known. */
uint64_t order_queue_ns(const struct order *t);

/* Has the destination a message of our own that it has not answered? */
bool order_expects_ready(const struct order *t);

/* Is anything kept back until the destination answers such a message? */
bool order_waits_for_ready(const struct order *t);

/* Could our request go, but for room in the send queue? */
bool order_waits_for_room(const struct order *t);

/* Writes that could go, and may wait for others to go with. */
unsigned int order_gathering(const struct order *t);

/* Would order_batch() offer WRITEs, when it has no message? */
bool order_writes_are_next(const struct order *t);

/* For tests: what is wrong when order_batch() has nothing; NULL when nothing is. */
const char *order_check(const struct order *t);

#endif
