/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RDMACHUNK_CORE_SEND_QUEUE_H
#define RDMACHUNK_CORE_SEND_QUEUE_H

#include <stdbool.h>
#include <stdint.h>

/*
 * The WRs on the real send queue. Each goes out under a wr_id of our own, a
 * serial number, and is looked up by it when it completes. An RC QP executes in
 * order, so a completion retires every WR posted before it as well.
 */

#define SEND_QUEUE_ROOM	  2048 /* at least any max_send_wr a provider rounds 512 up to */
#define SEND_SLOTS	  5    /* messages of our own that can be on the wire at once */
#define SEND_NO_SLOT	  (-1)
#define SEND_SLOT_ORDERED 0 /* for the message that takes the place of QEMU's own */
/*
 * For a request of our own. The destination's answer says that it is free again;
 * the completion may lie unseen in the CQ while QEMU sleeps on the other one.
 */
#define SEND_SLOT_REQUEST 1

struct send_record {
	uint64_t wr_id;	 /* QEMU's */
	uint64_t length; /* bytes, of a WRITE */
	bool message;	 /* a SEND whose completion QEMU waits for */
	int kind;	 /* the owner's */
	int slot;	 /* the own message it sends, or SEND_NO_SLOT */
	bool signaled;	 /* else it says nothing when it succeeds */
};

/* send_queue_init() before use. */
struct send_queue {
	struct send_record ring[SEND_QUEUE_ROOM];
	uint64_t next;	       /* serial of the next WR */
	uint64_t oldest;       /* serial of the oldest that has not completed */
	unsigned int messages; /* SENDs among them */
	unsigned int slots;    /* bit n: slot n is free */
};

void send_queue_init(struct send_queue *q);

/* Sets *serial; 0, or -ENOMEM when the queue is full. */
int send_queue_add(struct send_queue *q, const struct send_record *record, uint64_t *serial);

/* The WR `serial` has completed: sets *record and retires it and all before it.
 * 0, or -ENOENT when no such WR is on the queue. */
int send_queue_complete(struct send_queue *q, uint64_t serial, struct send_record *record);

/* The newest was not posted after all: it is forgotten. */
void send_queue_take_back(struct send_queue *q);

/* How many of the newest say nothing when they succeed. */
unsigned int send_queue_silent(const struct send_queue *q);

/* A free slot other than those that have a name, or SEND_NO_SLOT.
 * Recording a WR with it takes it; it becomes free when that WR retires. */
int send_queue_free_slot(const struct send_queue *q);

#endif
