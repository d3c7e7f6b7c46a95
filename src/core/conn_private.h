/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RDMACHUNK_CORE_CONN_PRIVATE_H
#define RDMACHUNK_CORE_CONN_PRIVATE_H

#include "core/conn_types.h"
#include "core/delivery.h"
#include "core/destination.h"
#include "core/posting.h"
#include "core/source.h"

/* What a connection is made of: for conn.c, which takes events in, and actions.c, which says
 * what is to be done. */

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
	/* A CONN_SCAN has not been done. */
	bool scanning;
	/* There was nothing to scan or to register ahead of QEMU, and all that happened since
	 * is that QEMU posted WRITEs, and that they went: that changes nothing. */
	bool prefetched;
	struct conn_counters counters;
};

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
