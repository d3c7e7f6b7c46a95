/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RDMACHUNK_CORE_CONN_TYPES_H
#define RDMACHUNK_CORE_CONN_TYPES_H

#include <stdbool.h>
#include <stdint.h>

#include "core/data_run.h"
#include "core/mrs.h"
#include "core/wire.h"

/* What a connection is described by: see core/conn.h. */

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

/* What the user chose, and where we run. */
struct conn_options {
	bool one_cq;	      /* SENDs and RECVs complete on the same CQ */
	unsigned int shift;   /* regions of 2^shift bytes */
	bool writes;	      /* complete WRITEs early and merge them */
	bool zeros;	      /* merge COMPRESS messages */
	bool prefetch;	      /* register piece by piece, ahead of QEMU */
	unsigned int threads; /* CONN_REGISTER at once; 0 is 1 */
	/* The memory that this process may lock is limited: nothing is registered
	 * that QEMU has not asked for or will not, as far as can be told. */
	bool limited;
	struct guest_memory memory;
	/* How memory is registered while QEMU waits for that. */
	struct mrs_ops mrs;
};

struct conn_counters {
	uint64_t requests_seen;	      /* REGISTER_REQUESTs QEMU made */
	uint64_t requests_sent;	      /* that went out, widened or not */
	uint64_t requests_widened;    /* of those, widened */
	uint64_t requests_answered;   /* locally */
	uint64_t requests_held;	      /* of those, while the answer was on its way */
	uint64_t requests_prefetched; /* made by us, ahead of QEMU */
	uint64_t unregisters_answered;
	uint64_t zeros_seen;	       /* COMPRESS messages QEMU made */
	uint64_t sent[WIRE_TYPES];     /* messages on the wire, by type */
	uint64_t received[WIRE_TYPES]; /* by a source only */
};

#endif
