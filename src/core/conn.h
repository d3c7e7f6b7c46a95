/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RDMACHUNK_CORE_CONN_H
#define RDMACHUNK_CORE_CONN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/completion_queue.h"
#include "core/recv_queue.h"
#include "core/registration.h"
#include "core/send_queue.h"
#include "core/source.h"

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
	uint64_t unregisters_answered;
	uint64_t sent[WIRE_TYPES];     /* messages on the wire, by type */
	uint64_t received[WIRE_TYPES]; /* by a source only */
	uint64_t writes;
	uint64_t write_bytes;
};

struct conn {
	enum conn_state state;
	enum conn_role role;
	bool one_cq;
	unsigned int shift;
	struct source source;	       /* CONN_SOURCE */
	struct ram_blocks dest_blocks; /* CONN_DESTINATION */
	struct registration_policy policy;
	struct send_queue sends;
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
void conn_init(struct conn *c, bool one_cq, unsigned int shift);

/* Frees what the connection holds. MRs must have been forgotten or released. */
void conn_clear(struct conn *c);

/* candidate -> passthrough. RECVs that were kept stay in c->recvs for the
 * engine to post. */
void conn_pass_through(struct conn *c);

/* candidate -> active. A source's own receive buffers are posted by now. */
void conn_start(struct conn *c, enum conn_role role);

/* -> failed: every RECV of QEMU's completes with a flush error. */
void conn_fail(struct conn *c);

/* Which of c->due the completions for this CQ are in. */
struct completion_queue *conn_due(struct conn *c, enum conn_cq cq);

/* QEMU posts a RECV on a candidate's or a source's connection. 0 or -ENOMEM. */
int conn_post_recv(struct conn *c, const struct recv_request *request, void *const *buffers);

/* One WR that QEMU posts on its send queue. */
struct conn_wr {
	uint64_t wr_id;
	bool message;	  /* a SEND */
	const void *data; /* the message; not read for anything else */
	uint64_t length;  /* bytes */
	bool signaled;
};

enum conn_action {
	CONN_POST,     /* post it under wr_id `serial` */
	CONN_POST_OWN, /* post `own` in its place, signalled as it was */
	CONN_NOTHING,  /* it has been dealt with */
};

struct conn_post {
	enum conn_action action;
	uint64_t serial;
	int slot; /* CONN_POST_OWN: the send slot to copy `own` to */
	struct source_reply own;
};

/* 0 with *post filled; -ENOMEM when the queue is full; -EIO when failed. */
int conn_post_send(struct conn *c, const struct conn_wr *wr, struct conn_post *post);

/* The real queue refused what conn_post_send() had it post for `wr`. */
void conn_post_refused(struct conn *c, const struct conn_wr *wr);

/* WR `serial` completed; wc->wr_id is filled in here. 0, or -ENOENT. */
int conn_send_completed(struct conn *c, uint64_t serial, const struct completion *wc);

/* Own receive buffer `buffer` completed; on success buffers[buffer] holds
 * wc->byte_len bytes. */
void conn_recv_completed(struct conn *c, unsigned int buffer, const struct completion *wc,
			 void *const *buffers);

/* A RECV that QEMU posted itself (destination) completed. */
void conn_foreign_recv_completed(struct conn *c, const struct completion *wc);

/*
 * QEMU registers memory. Returns the block and the place in it when the chunk
 * is guest memory of an active connection, else NULL: then register exactly
 * what was asked.
 */
struct ram_block *conn_register(struct conn *c, uint64_t addr, uint64_t length, struct range *want);

/* "candidate" and so on */
const char *conn_state_name(enum conn_state state);
const char *conn_role_name(enum conn_role role);

#endif
