/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RDMACHUNK_CORE_PROGRESS_H
#define RDMACHUNK_CORE_PROGRESS_H

#include <stdint.h>

#include "core/conn.h"

/* How far a migration is, for somebody who looks at it while it runs. */

enum conn_phase {
	CONN_PHASE_SETUP,	 /* the RAM blocks are not known yet */
	CONN_PHASE_FIRST_PASS,	 /* there is a block that QEMU has not been through */
	CONN_PHASE_LATER_PASSES, /* what the guest has written since */
	CONN_PHASE_RECEIVING,	 /* at a destination, which sees no more than requests */
	CONN_PHASES,
};

/* What QEMU sleeps for. */
enum conn_blocked {
	CONN_BLOCKED_NOT,	   /* it does not sleep */
	CONN_BLOCKED_REGISTRATION, /* the destination registers memory */
	CONN_BLOCKED_ZEROS,	   /* the destination zeroes memory */
	CONN_BLOCKED_WRITES,	   /* WRITEs are on the wire, or have to go before a message */
	CONN_BLOCKED_MESSAGE,	   /* the other end is to say or take something else */
	CONN_BLOCKED_KINDS,
};

struct conn_progress {
	enum conn_phase phase;
	enum conn_blocked blocked;
	uint64_t ram_bytes;    /* of all RAM blocks */
	uint64_t rate;	       /* bytes per second on the wire; 0: not known */
	uint64_t ahead_bytes;  /* registered, or asked for, in front of QEMU */
	uint64_t window_bytes; /* of WRITEs taken in that have not completed; */
	uint64_t window_limit; /* as many may be */
};

/* Takes no longer for a larger guest than the logarithm of its extents. */
void conn_progress(const struct conn *c, struct conn_progress *progress);

/* "first pass", "registration" and so on; "none" for CONN_BLOCKED_NOT. */
const char *conn_phase_name(enum conn_phase phase);
const char *conn_blocked_name(enum conn_blocked blocked);

#endif
