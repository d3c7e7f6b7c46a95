/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RDMACHUNK_TESTS_ENGINE_QEMU_H
#define RDMACHUNK_TESTS_ENGINE_QEMU_H

#include "../preload/peer.h"
#include "guest.h"

/*
 * One end of a migration, with the calls of QEMU's migration/rdma.c and the sleep between them: it
 * arms a CQ, polls it until it is empty, and does not look again before there is an event on its
 * channel. Whoever forgets to wake it leaves it there for ever.
 *
 * All that can fail returns false then, and QEMU is done with the connection.
 */

#define QEMU_CHUNKS 32u
#define QEMU_WRITES 1024u

struct qemu {
	struct peer peer;
	bool failed;
	bool cancelled; /* by another thread */
	char *ram;
	size_t length;
	struct ibv_mr *mr[QEMU_CHUNKS]; /* by chunk */
	const char *doing;		/* for the watchdog */
	unsigned long steps;		/* the same */

	/* A source's. */
	bool ready_expected;
	uint32_t rkey[QEMU_CHUNKS];
	uint64_t remote, remote_offset;
	uint64_t posted[QEMU_WRITES]; /* WRITEs that it has not seen complete */
	unsigned int oldest, writes;  /* of them */
	bool sending;		      /* the same of a message; a destination's, too */
};

/* Connected already, with a RECV for READY. */
bool qemu_learn_blocks(struct qemu *q);

/* Bytes of one chunk: as zeros where they are that, else written. */
bool qemu_send_range(struct qemu *q, size_t start, size_t length);

/* All writes are complete. */
bool qemu_drain(struct qemu *q);

/* A message that has no response. */
bool qemu_send(struct qemu *q, enum wire_type type);

/* A destination does what it is told, until `end` comes. */
bool qemu_serve(struct qemu *q, enum wire_type end);

/* Deregisters the chunks. */
void qemu_deregister(struct qemu *q);

#endif
