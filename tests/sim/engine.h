/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RDMACHUNK_TESTS_SIM_ENGINE_H
#define RDMACHUNK_TESTS_SIM_ENGINE_H

#include <stdbool.h>
#include <stdint.h>

#include "core/conn.h"
#include "nic.h"

struct world;

/*
 * The source's shim: the core under test, driven as src/engine/datapath.c and
 * its threads drive it. Calls return as those of verbs do, and each checks what
 * must hold between calls.
 */

#define ENGINE_MESSAGE 256 /* bytes of a receive buffer */

/* What the thread that registers ahead is busy with, without the lock. */
enum engine_ahead { AHEAD_IDLE, AHEAD_LOOKING, AHEAD_REGISTERING };

/* The thread that posts WRITEs, and the batch that it has taken to post. */
struct engine_poster {
	bool wanted;
	bool busy;
	struct transmit_out out[TRANSMIT_BATCH];
	unsigned int count, posted;
};

/* MRs, by key. */
struct engine_mrs {
	uint64_t mapped[NIC_MRS]; /* bytes of it in the blocks' local maps */
	uint32_t stale[NIC_MRS];  /* none any more, to be given back */
	unsigned int stale_count;
	unsigned int renewed, given_back;
};

struct engine {
	struct conn conn;
	struct engine_poster poster;
	struct engine_mrs mrs;
	enum engine_ahead ahead;
	struct source_look look;
	struct ram_block *ahead_block;
	struct range ahead_range;
	uint32_t ahead_key;
	void *buffers[RECV_QUEUE_BUFFERS];
	uint8_t memory[RECV_QUEUE_BUFFERS][ENGINE_MESSAGE];
	uint8_t slots[SEND_SLOTS][64];
	uint32_t memory_key, slots_key;
	unsigned int locked;   /* the session is, by a thread that lets others act */
	bool wanted;	       /* the progress thread is */
	enum conn_cq armed;    /* then: the CQ that QEMU sleeps on */
	bool failed;	       /* the NIC has told of a failure */
	uint32_t failure;      /* the first one's status, of a WR on the send queue */
	unsigned int messages; /* SENDs given to the NIC that need a credit */
};

/* A candidate; then QEMU connects. */
void engine_init(struct world *w);
void engine_start(struct world *w);
void engine_clear(struct world *w);

/* What QEMU calls. */
int engine_post_send(struct world *w, const struct conn_wr *wr);
int engine_post_recv(struct world *w, const struct recv_request *request);
bool engine_poll(struct world *w, enum conn_cq cq, struct completion *wc);
void engine_arm(struct world *w, enum conn_cq cq);
/* The progress thread, and whether it has anything to do. */
bool engine_can_progress(const struct world *w);
void engine_progress(struct world *w);

/* The thread that posts WRITEs in QEMU's place. */
bool engine_can_post(const struct world *w);
void engine_post(struct world *w);

/* The thread that registers ahead of QEMU. */
bool engine_can_ahead(const struct world *w);
void engine_ahead(struct world *w);

#endif
