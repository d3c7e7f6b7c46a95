/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RDMACHUNK_CORE_CONN_H
#define RDMACHUNK_CORE_CONN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/completion_queue.h"
#include "core/conn_types.h"
#include "core/data_run.h"
#include "core/mrs.h"
#include "core/posting.h"
#include "core/prefetch.h"
#include "core/ram_blocks.h"
#include "core/recv_queue.h"
#include "core/order.h"

/*
 * One migration connection, without any I/O. The caller tells it what QEMU, the
 * NIC and the memory did, and then does what it says until it says no more:
 *
 *      conn_post_send(c, wr)  conn_post_recv(c, recv)  conn_completed(c, wc)  ...
 *      while (conn_next(c, kinds, &action)) {
 *              do it
 *              conn_done(c, &action, &result);
 *      }
 *      conn_take_due(c, cq, wc, max)       what QEMU is due
 *
 * No verbs, no clock, no locks: the caller serialises all calls, and may let go of
 * its lock while it does an action that says so.
 *
 *      candidate --> passthrough
 *          |
 *          +-------> active --> failed
 *
 * Until it is active nothing has been promised to QEMU and everything can pass
 * through. Afterwards a failure of ours must fail the connection.
 */
struct conn;

/* NULL when there is no memory. */
struct conn *conn_new(const struct conn_options *options);

/* Real MRs that it still has must have been taken by conn_end(). */
void conn_free(struct conn *c);

enum conn_state conn_state(const struct conn *c);
enum conn_role conn_role(const struct conn *c);
/* With what everything that is posted to a failed connection ends, a negative errno, never
 * -ENOMEM; 0 for one that has not failed. */
int conn_error(const struct conn *c);
const char *conn_state_name(enum conn_state state);
const char *conn_role_name(enum conn_role role);

/*
 * The connection is being made. In this order, as far as they apply:
 *
 * conn_set_role().
 *
 * conn_take_over(): a source's receive queue is to be ours. `memory` of
 * POSTING_MEMORY_LEN bytes is registered under `lkey`. Its buffers are to be posted then:
 * should one fail (conn_done()), the connection is as it was if none was posted before,
 * and cannot be kept otherwise.
 *
 * conn_keep_recvs(): a destination's receive queue stays QEMU's own. What QEMU has
 * posted until now is to be posted.
 *
 * conn_wants_help(): may somebody have to listen on one CQ while QEMU sleeps on the other
 * (CONN_LISTEN)? Where there is nobody who can, conn_forgo_help(): the connection does
 * without what needs that.
 *
 * conn_ask_singly(): a source asks for no more than QEMU does.
 *
 * conn_start(): candidate -> active. `max_message`: bytes that one WRITE of the port's
 * can have.
 *
 * conn_pass_through(): candidate -> passthrough instead. The RECVs that were kept are to
 * be posted.
 */
void conn_set_role(struct conn *c, enum conn_role role);
void conn_take_over(struct conn *c, void *memory, uint32_t lkey);
void conn_keep_recvs(struct conn *c);
bool conn_wants_help(const struct conn *c);
void conn_forgo_help(struct conn *c);
void conn_ask_singly(struct conn *c);
void conn_start(struct conn *c, uint64_t max_message);
void conn_pass_through(struct conn *c);

/* ---- Events ---- */

/* One WR that QEMU posts on its send queue. */
struct conn_wr {
	uint64_t wr_id;
	bool message;	  /* a SEND; else an RDMA WRITE */
	const void *data; /* the message; not read for a WRITE */
	uint64_t length;  /* bytes */
	uint64_t local_addr;
	uint64_t remote_addr; /* WRITE */
	uint32_t lkey;
	uint32_t rkey; /* WRITE */
	/* 0 at first. How much of a WRITE has been taken in when CONN_AGAIN is returned. */
	uint64_t taken;
	bool last; /* do not wait for other writes any more */
};

/*
 * QEMU posts a WR on an active or a failed connection. 0; -ENOMEM when a WRITE has to
 * wait for the completion of another; CONN_AGAIN when it reads memory that cannot be
 * registered for now: call again, with the same WR, when conn_waits() allows it; or the
 * error of a failed connection.
 */
int conn_post_send(struct conn *c, struct conn_wr *wr);

/* Might a message have come on the RECV CQ that this post would have to wait for? Take in
 * what is there first. */
bool conn_expects_message(const struct conn *c);

/* QEMU posts a RECV on a candidate's or a source's connection. 0 or -ENOMEM. */
int conn_post_recv(struct conn *c, const struct recv_request *request);

/* QEMU arms a CQ: unless a completion is due there it sleeps next. On a failed
 * connection one is due then, of no request, with an error. */
void conn_arm(struct conn *c, enum conn_cq cq);

/* A completion from a real CQ, as it is. */
void conn_completed(struct conn *c, const struct completion *wc);

/* QEMU polls a CQ, and looks after it itself from now on. */
void conn_polls(struct conn *c, enum conn_cq cq);

/* What QEMU is due on this CQ, `max` at most; returns how many. When there is none it
 * may sleep next. */
unsigned int conn_take_due(struct conn *c, enum conn_cq cq, struct completion *wc,
			   unsigned int max);
unsigned int conn_count_due(const struct conn *c, enum conn_cq cq);

/* The time of what is told next: ns of a clock that does not go back. Needed before
 * completions and before conn_done() of what is posted; without, nothing is known of how fast the
 * wire and the ends are, and the connection does what is right for any. */
void conn_time(struct conn *c, uint64_t now);

/* The other end has disconnected, or said ERROR: nothing is registered ahead of QEMU any more. */
void conn_disconnected(struct conn *c);

/* Something that only the caller knows of makes it impossible to keep the connection
 * right. `error`: for conn_error() and the message, a positive errno. `reason` is a
 * literal. */
void conn_fail(struct conn *c, int error, const char *reason);

/*
 * QEMU registers memory of its own. Sets *mr to the MR that serves it, which gets a user,
 * or to NULL when it is no guest memory of an active connection: then register exactly
 * what was asked. 0, or the negative errno of the registration; CONN_AGAIN: call again when
 * conn_waits() allows it. With `last` it does not wait for writes any more.
 */
struct conn_registration {
	uint64_t addr;
	uint64_t length; /* bytes */
	int access;
	bool last;
};
int conn_register(struct conn *c, const struct conn_registration *want, struct mr **mr);

/* After CONN_AGAIN: what has to end before a call can succeed. Do what conn_next() says before
 * calling again: what has become of no use is to be deregistered. */
enum conn_wait conn_waits(const struct conn *c);

/* The guest's RAM blocks as this end knows them: ram_blocks_discard() says what has been
 * discarded there. */
struct ram_blocks *conn_blocks(struct conn *c);

/* Nothing is registered ahead of QEMU any more: for postcopy (engine/handle.c), or as QEMU takes
 * the connection down. */
void conn_stop_prefetch(struct conn *c);

/* The QP is gone. Every real MR that nobody but the connection uses, one at a time, to be
 * deregistered; NULL after the last. */
void *conn_end(struct conn *c);

/* ---- Actions ---- */

enum conn_action_kind {
	CONN_ABORT,	   /* put the QP into its error state, then post action.abort.wr */
	CONN_SHUN,	   /* remember: this peer cannot register much at once */
	CONN_POST_RECV,	   /* post action.recv */
	CONN_POST_MESSAGE, /* post action.post, one SEND */
	CONN_POST_WRITES,  /* post action.post; the lock may be let go meanwhile */
	CONN_DEREGISTER,   /* action.mr */
	CONN_LISTEN,	   /* take in what completes on action.cq, again and again */
	CONN_SCAN,	   /* look through guest memory; the lock may be let go meanwhile */
	CONN_REGISTER,	   /* the same: register action.memory */
	CONN_KINDS,
};

#define CONN_KIND(kind) (1u << (kind))
#define CONN_ALL_KINDS	(CONN_KIND(CONN_KINDS) - 1)

struct conn_action {
	enum conn_action_kind kind;
	union {
		struct {
			int error; /* positive errno */
			int cause; /* what led to it, a positive errno, or 0 */
			const char *reason;
			/* Flushed at once: an event for a QEMU that sleeps on the send CQ. */
			struct conn_send wr;
		} abort;
		struct conn_recv recv;
		struct {
			unsigned int count;
			struct conn_send wr[ORDER_BATCH];
		} post;
		void *mr;		   /* as mrs_ops.reg() made it */
		enum conn_cq cq;	   /* CONN_LISTEN */
		struct prefetch_scan scan; /* prefetch_find() */
		struct {
			uint64_t addr;
			uint64_t length;
			int access;
			struct mr *mr; /* for which it is */
		} memory;
	};
};

/* How an action ended. All zero is success for kinds with no field of their own. */
struct conn_result {
	int error;	     /* positive errno */
	unsigned int posted; /* WRs of CONN_POST_MESSAGE and CONN_POST_WRITES */
	struct range found;  /* CONN_SCAN: what prefetch_find() returned */
	struct mrs_real mr;  /* CONN_REGISTER, without an error, */
	uint64_t ns;	     /* and what it took; 0: not known */
};

/*
 * What is to be done next, of these kinds (a mask of CONN_KIND()s); false when there is
 * nothing. Each that is taken must be done and reported by conn_done(), before the next
 * of its kind is taken; but for CONN_REGISTER, of which there may be as many as
 * conn_options.threads at once, and which may end in any order. While CONN_POST_WRITES is being
 * done no message is offered either.
 * CONN_LISTEN is offered for as long as somebody has to listen: ask for it after each event,
 * when nothing else is to be done any more.
 */
bool conn_next(struct conn *c, unsigned int kinds, struct conn_action *action);
void conn_done(struct conn *c, const struct conn_action *action, const struct conn_result *result);

/* Would conn_next() return true? For CONN_POST_WRITES, CONN_LISTEN, CONN_SCAN and
 * CONN_REGISTER: the others never wait for another thread. */
bool conn_has(struct conn *c, unsigned int kinds);

/* For tests: what is wrong, when conn_next() has no more to say; NULL when nothing is. */
const char *conn_check(const struct conn *c);

/* ---- Figures ---- */

struct conn_figures {
	struct conn_counters messages;
	struct order_counters order;
	struct mrs_counters mrs;
	uint64_t fallbacks;	  /* registrations that failed and were tried again smaller */
	unsigned int shift;	  /* as chosen */
	unsigned int shift_works; /* what is registered at once now; 0: QEMU's own chunks */
	uint64_t chunk;		  /* QEMU's chunk size in bytes, 0 while not known */
	/* WRITEs taken in that have not completed: bytes and number. */
	uint64_t window_bytes;
	unsigned int window_writes;
	/* Of those, what could go and waits for others to go with. */
	unsigned int gathering;
};
void conn_figures(const struct conn *c, struct conn_figures *figures);

#endif
