/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RDMACHUNK_CORE_CONN_PRIVATE_H
#define RDMACHUNK_CORE_CONN_PRIVATE_H

#include "core/conn_types.h"
#include "core/delivery.h"
#include "core/destination.h"
#include "core/posting.h"
#include "core/source.h"

/* What a connection is made of: for conn.c, which takes events in, actions.c, which says what is
 * to be done, and what these share, conn_setup.c and plan.c. */

/* Nobody sleeps on any CQ. */
#define CONN_AWAKE CONN_CQS

/* Why the connection has failed, and whether the caller knows. */
struct failure {
	int error; /* positive errno */
	int cause;
	const char *reason;
	bool told;
};

/* That the peer ended the migration when it was to register much at once. */
enum refusal { REFUSAL_NONE, REFUSAL_SEEN, REFUSAL_TOLD };

/*
 * The destination registers while it is in its loop for that (migration/rdma.c,
 * qemu_rdma_registration_handle): from the first WRITE, request or COMPRESS of QEMU's until
 * another message. One such time is a round; QEMU's last about 50 ms.
 */
struct round {
	bool begins;	    /* at the time that is told next */
	uint64_t began, ns; /* of this one, of the last */
};

struct conn {
	enum conn_state state;
	enum conn_role role;
	struct conn_options options;
	struct failure failure;
	struct source source;		/* CONN_SOURCE */
	struct destination destination; /* CONN_DESTINATION */
	struct mrs mrs;
	struct order order;
	struct posting posting;
	struct delivery delivery;
	/* What QEMU posted while nobody knew whose connection it is is to be posted. */
	bool recvs_due;
	/* QEMU has given the migration up. */
	bool given_up;
	enum refusal refusal;
	/* The CQ on which QEMU sleeps as far as we know, or CONN_AWAKE. */
	enum conn_cq asleep;
	struct round round;
	/* A CONN_SCAN has not been done. */
	bool scanning;
	/* There was nothing to scan or to register ahead of QEMU, and all that happened since
	 * is that QEMU posted WRITEs, and that they went: that changes nothing. */
	bool prefetched;
	struct conn_counters counters;
};

struct conn_action;

/* core/plan.c: what is registered ahead of QEMU, and when. */

/* QEMU posts what it only does in a round; or what ends one. */
void plan_enter_round(struct conn *c);
void plan_leave_round(struct conn *c);

/* What is planned goes to the destination, if it is time. */
void plan_ask(struct conn *c);

/* CONN_SCAN or CONN_REGISTER, whichever of these kinds is to be done first, if any is. */
bool plan_next(struct conn *c, unsigned int kinds, struct conn_action *a);

/* How much of `bounds`, which the destination was asked for, is to be registered here by a thread
 * of QEMU's that needs `want`: the rest is our threads' to do meanwhile. */
struct range plan_bounds(const struct conn *c, const struct ram_block *block, struct range want,
			 struct range bounds);

/* Is there anything for CONN_SCAN or CONN_REGISTER? QEMU's every WRITE asks. */
bool plan_has(struct conn *c, unsigned int kinds);

/* May QEMU's WRITEs be as far ahead of the wire as ORDER_WINDOW_TAIL, until its first pass ends? */
bool plan_opens_window(const struct conn *c);

static inline struct completion_queue *conn_due(struct conn *c, enum conn_cq cq)
{
	return delivery_due(&c->delivery, cq);
}

/* A WRITE is queued or on the wire, which needs the MR that it was given. */
static inline bool conn_is_writing(const struct conn *c)
{
	return c->order.writes.count || c->order.writes_in_flight;
}

#endif
