/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RDMACHUNK_TESTS_MODEL_QEMU_SOURCE_H
#define RDMACHUNK_TESTS_MODEL_QEMU_SOURCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/completion_queue.h"
#include "guest.h"
#include "nic.h"

struct world;

/*
 * The source of a migration as QEMU's migration/rdma.c has it; the functions in
 * the .c file are named after QEMU's, without their qemu_rdma_. It also keeps
 * account of the completions it is owed.
 */

enum { SOURCE_RECV_READY, SOURCE_RECV_DATA, SOURCE_RECVS };

struct qemu_source {
	uint8_t recv[SOURCE_RECVS][NIC_MESSAGE];
	uint8_t control[NIC_MESSAGE];
	uint32_t control_key;
	bool control_ready_expected;
	bool error_state, received_error;
	unsigned int nb_sent;
	unsigned int scanned; /* pages looked at, by all scans */
	/* The pages being merged; none when length is 0. */
	unsigned int current_block, current_page, current_pages;
	/* By the chunk's first page. */
	bool transit[GUEST_PAGES];
	uint32_t rkey[GUEST_PAGES], lkey[GUEST_PAGES];
	uint64_t remote_base[GUEST_BLOCKS];
	/* Asked for, by WRITE and by COMPRESS. */
	unsigned int written_pages, zeroed_pages;
	/* Completions owed, and error completions seen for a WRITE that was not. */
	/* Calls that learnt that the connection has failed. */
	unsigned int refused_writes, refused_sends;
	unsigned int owed_writes, owed_sends, owed_recvs[SOURCE_RECVS];
	uint8_t owed[GUEST_PAGES];
	unsigned int extra;
	uint32_t statuses; /* of completions: bit n is status n */
	bool gave_up_a_send;
	bool swallowed; /* an error */
};

void qemu_source_init(struct world *w);

/* The whole migration: true when QEMU believes that it has succeeded. */
bool qemu_source_migrate(struct world *w);

/* After a migration that failed: QEMU's farewell. */
void qemu_source_clean_up(struct world *w);

/* After all that: poll whatever is still due. */
void qemu_source_poll_rest(struct world *w);

#endif
