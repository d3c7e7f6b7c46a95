/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RDMACHUNK_CORE_CONN_H
#define RDMACHUNK_CORE_CONN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/completion_queue.h"
#include "core/destination.h"
#include "core/recv_queue.h"
#include "core/registration.h"
#include "core/source.h"
#include "core/transmit.h"

/*
 * One migration connection, without any I/O: the engine tells what QEMU and the
 * NIC did, and does what it is told. No verbs, no clock, no locks: the caller
 * serialises.
 *
 *      candidate --> passthrough
 *          |
 *          +-------> active --> failed
 *
 * Until it is active nothing has been promised to QEMU and everything can pass
 * through. Afterwards a failure of ours must fail the connection.
 */

enum conn_state {
	CONN_CANDIDATE,	  /* a QP of QEMU's shape, not yet connected */
	CONN_PASSTHROUGH, /* not ours */
	CONN_ACTIVE,
	CONN_FAILED, /* every operation ends in an error */
};

enum conn_role {
	CONN_NO_ROLE,
	CONN_SOURCE,
	CONN_DESTINATION,
};

/* The two completion queues; the same one on a connection that has only one. */
enum conn_cq { CONN_SEND_CQ, CONN_RECV_CQ, CONN_CQS };

struct conn_counters {
	uint64_t requests_seen;	    /* REGISTER_REQUESTs QEMU made */
	uint64_t requests_sent;	    /* that went out, widened or not */
	uint64_t requests_widened;  /* of those, widened */
	uint64_t requests_answered; /* locally */
	uint64_t requests_held;	    /* of those, while the answer was on its way */
	uint64_t requests_ahead;    /* made by us, ahead of QEMU */
	uint64_t unregisters_answered;
	uint64_t zeros_seen;	       /* COMPRESS messages QEMU made */
	uint64_t sent[WIRE_TYPES];     /* messages on the wire, by type */
	uint64_t received[WIRE_TYPES]; /* by a source only */
};

/* What the user chose, and where we run. */
struct conn_options {
	unsigned int shift; /* regions of 2^shift bytes */
	bool writes;	    /* complete WRITEs early and merge them */
	bool zeros;	    /* merge COMPRESS messages */
	bool ahead;	    /* register piece by piece, ahead of QEMU */
	/* The memory that this process may lock is limited: nothing is registered
	 * that QEMU has not asked for or will not, as far as can be told. */
	bool limited;
	struct guest_memory memory;
};

struct conn {
	enum conn_state state;
	enum conn_role role;
	bool one_cq;
	struct conn_options options;
	struct source source;	       /* CONN_SOURCE */
	struct ram_blocks dest_blocks; /* CONN_DESTINATION */
	struct destination destination;
	struct registration_policy policy;
	/* A source: QEMU has given the migration up; or the destination has before, while
	 * it was to register what may be more than stock QEMU would ask for. */
	bool given_up;
	bool refused;
	struct transmit transmit;
	struct recv_queue recvs; /* CONN_SOURCE and CONN_CANDIDATE */
	struct completion_queue due[CONN_CQS];
	/* RECV completions kept back until a SEND's has been delivered */
	struct completion_queue held;
	/* The real receive queue is being flushed: whatever QEMU posts is, too. */
	bool recvs_flushed;
	/* Own receive buffers to be posted again: bit n is buffer n. The engine
	 * clears what it has posted. */
	unsigned int repost;
	struct conn_counters counters;
};

/* `one_cq`: SENDs and RECVs complete on the same CQ. */
void conn_init(struct conn *c, bool one_cq, const struct conn_options *options);

/* Frees what the connection holds. MRs must have been forgotten or released. */
void conn_clear(struct conn *c);

/* candidate -> passthrough. RECVs that were kept stay in c->recvs for the
 * engine to post. */
void conn_pass_through(struct conn *c);

/*
 * Of a candidate whose role is known: may somebody have to look after one CQ while
 * QEMU sleeps on the other, as conn_arm() says? Where there is nobody who can, the
 * connection has to do without what needs that.
 */
bool conn_wants_help(const struct conn *c);
void conn_forgo_help(struct conn *c);

/* A source: ask for no more than QEMU does. Before conn_start(). */
void conn_ask_singly(struct conn *c);

/* candidate -> active. A source's own receive buffers are posted by now.
 * `max_message`: bytes that one WRITE of the port's can have. */
void conn_start(struct conn *c, enum conn_role role, uint64_t max_message);

/* -> failed: everything that QEMU waits for completes with a flush error. */
void conn_fail(struct conn *c);

/* Which of c->due the completions for this CQ are in. */
struct completion_queue *conn_due(struct conn *c, enum conn_cq cq);

/* QEMU posts a RECV on a candidate's or a source's connection. 0 or -ENOMEM. */
int conn_post_recv(struct conn *c, const struct recv_request *request, void *const *buffers);

/* One WR that QEMU posts on its send queue. */
struct conn_wr {
	uint64_t wr_id;
	bool message;	  /* a SEND; else an RDMA WRITE */
	const void *data; /* the message; not read for a WRITE */
	uint64_t length;  /* bytes */
	uint64_t local_addr;
	uint64_t remote_addr; /* WRITE */
	uint32_t lkey;
	uint32_t rkey;	     /* WRITE */
	bool goes_on, later; /* WRITE, in parts: see struct write */
};

/*
 * 0; -ENOMEM when a WRITE has to wait for the completion of another; -EIO when
 * the connection has failed. The engine then posts what conn_batch() says. For a
 * message sent in the place of QEMU's, *own is filled and own->len is not 0: the
 * engine copies it to SEND_SLOT_STRICT first.
 */
int conn_post_send(struct conn *c, const struct conn_wr *wr, struct source_reply *own);

/* transmit_batch() and transmit_posted() for an active connection. */
unsigned int conn_batch(struct conn *c, struct transmit_out *out);
void conn_posted(struct conn *c, const struct transmit_out *out, unsigned int count);

/*
 * QEMU arms a CQ: unless a completion is due there it sleeps next. On a failed
 * connection one is due then, of no request, with an error. Returns true
 * when somebody else must then look after the other CQ, because what QEMU waits
 * for depends on a completion there: conn_needs_help() says for how long.
 */
bool conn_arm(struct conn *c, enum conn_cq cq);
bool conn_needs_help(const struct conn *c, enum conn_cq armed);

/* WR `serial` completed; its wr_id is filled in here. 0, or -ENOENT. */
int conn_send_completed(struct conn *c, uint64_t serial, const struct completion *wc);

/* Own receive buffer `buffer` completed; on success buffers[buffer] holds
 * wc->byte_len bytes. */
void conn_recv_completed(struct conn *c, unsigned int buffer, const struct completion *wc,
			 void *const *buffers);

/* A RECV that QEMU posted itself (destination) completed. */
void conn_foreign_recv_completed(struct conn *c, const struct completion *wc);

/* The other end has disconnected. */
void conn_disconnected(struct conn *c);

/*
 * QEMU registers memory. Returns the block and the place in it when the chunk
 * is guest memory of an active connection, else NULL: then register exactly
 * what was asked.
 */
struct ram_block *conn_register(struct conn *c, uint64_t addr, uint64_t length, struct range *want);

/* What to register here where QEMU registers `want` of such a block: as much, or more. */
struct range conn_bounds(const struct conn *c, const struct ram_block *block, struct range want);

/*
 * QEMU posts a WRITE from [addr, addr + length). Once guest memory has been
 * discarded on this connection, returns the block that it lies in and the place
 * there: registration_renew() then says which MR the WRITE needs. The place may end
 * before the WRITE does: then this is a part of it, to be posted by itself, and the
 * rest another. Else NULL: the lkey is right.
 */
struct ram_block *conn_renew(struct conn *c, uint64_t addr, uint64_t length, struct range *where);

/* Is a WRITE queued, or on the wire, which needs the MR that it was given? */
bool conn_writing(const struct conn *c);

/*
 * Registration ahead of QEMU, by a thread of the engine's: conn_look() says in
 * which memory to look for data next. What source_find() finds there, without the
 * session's lock, is to be reported to conn_looked().
 */
bool conn_look(const struct conn *c, struct source_look *look);
void conn_looked(struct conn *c, const struct source_look *look, struct range found);

/* What to register next in this process, ahead of QEMU: a range of *block, which is
 * watched: nobody else would notice when it is discarded. Then registration_begin() it. */
bool conn_register_ahead(const struct conn *c, struct ram_block **block, struct range *range);

/* The guest's RAM blocks as this end knows them. */
struct ram_blocks *conn_blocks(struct conn *c);

/* "candidate" and so on */
const char *conn_state_name(enum conn_state state);
const char *conn_role_name(enum conn_role role);

#endif
