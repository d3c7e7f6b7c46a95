/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RDMACHUNK_TESTS_FUZZ_CONN_CALLER_H
#define RDMACHUNK_TESTS_FUZZ_CONN_CALLER_H

#include "core/conn.h"
#include "fuzz.h"

/*
 * The caller of a connection, with all that it has: a NIC that does what the input says and no
 * more, registrations, the threads that do actions late, and a ledger of what QEMU has posted.
 * Here is what must hold whatever comes.
 */

#define CALLER_WRS	 16384 /* that QEMU posts */
#define CALLER_RECVS	 32    /* that the NIC takes */
#define CALLER_QEMU_RECV 3     /* QEMU has posted at most */
#define CALLER_HANDLES	 64
#define CALLER_LKEYS	 0x1000u /* those of real MRs are above */

enum qemu_kind { QEMU_SEND, QEMU_WRITE, QEMU_RECV, QEMU_KINDS };

/* What QEMU has posted. Its number is in its wr_id. */
struct qemu_wr {
	enum qemu_kind kind;
	bool accepted;
	bool posted;	/* a SEND: the NIC has it */
	bool abandoned; /* it need not complete any more */
	bool completed;
	uint32_t length;
	void *data; /* QEMU's memory, for a message */
};

struct real_mr {
	uint32_t lkey;
	bool given_back;
	struct real_mr *next;
};

/* A thread of the engine's: it takes an action, does it, and says so, with other events in
 * between. */
struct late {
	enum { LATE_NOTHING, LATE_TAKEN, LATE_DONE } state;
	struct conn_action action;
	struct conn_result result;
};

struct nic_entry {
	struct conn_send wr;
	bool done; /* it has completed, if only silently */
};

struct caller {
	struct conn *conn;
	struct input in;
	struct conn_options options;
	uint64_t data; /* which of the guest's memory has any */
	bool poster;   /* a thread posts the WRITEs */
	bool inside;   /* a call of QEMU's has not returned */
	struct late post, prefetch;
	bool listens;
	struct conn_action listen;

	/* The NIC. WRs that have completed are on the send queue until that was polled. */
	struct nic_entry sq[ORDER_SEND_QUEUE + 1];
	unsigned int sq_count;
	struct conn_recv rq[CALLER_RECVS];
	unsigned int rq_count;
	struct completion cq[CONN_CQS][ORDER_SEND_QUEUE + CALLER_RECVS + 1];
	unsigned int cq_count[CONN_CQS];
	bool qp_error;
	unsigned int own_buffers;  /* on the receive queue, by number; */
	unsigned int used_buffers; /* that have been */

	/* How the next actions end, and registrations. */
	unsigned int post_takes; /* this many WRs; */
	int post_error;		 /* then this, once: 0 for none */
	int recv_error;
	unsigned int recv_takes;
	uint64_t reg_limit; /* longer ones fail */
	int reg_error;
	bool watch_fails;
	bool reg_discards; /* memory is discarded while it is registered */

	struct qemu_wr *wr; /* of CALLER_WRS */
	unsigned int wrs;
	unsigned int open[QEMU_KINDS]; /* that were taken and have not completed */
	bool told_again;	       /* a WRITE that had completed has failed */
	bool too_many;		       /* QEMU has posted more RECVs than it can */
	bool recv_refused;	       /* the last CONN_POST_RECV failed */
	struct real_mr *mrs;
	uint32_t lkeys;
	unsigned int mrs_live;
	struct mr *handle[CALLER_HANDLES];
	unsigned int handles;
};

/* A connection as the first bytes of the input want it. */
void caller_init(struct caller *c, const uint8_t *data, size_t size);

/* Gives back what QEMU has of the connection's, and frees all. */
void caller_end(struct caller *c, unsigned int order);

/* Our own receive buffers and messages: POSTING_MEMORY_LEN bytes. */
void *caller_memory(void);

/* All that is to be done now but by threads. False when it had to stop: a RECV of a
 * candidate's could not be posted. */
bool caller_run(struct caller *c);

void caller_listen(struct caller *c);

/* One step of a thread. */
void caller_step_poster(struct caller *c);
void caller_step_prefetcher(struct caller *c);

/* The NIC: its oldest WR completes, with `status` where that is an error; a message comes, of
 * which *len bytes are in *msg; the oldest RECV fails. All of them do nothing when they cannot. */
void caller_complete(struct caller *c, uint32_t status);
void *caller_receive_begin(struct caller *c, uint32_t room);
void caller_receive_end(struct caller *c, uint32_t length);
void caller_fail_recv(struct caller *c, uint32_t status);

/* Takes in what has completed: at most `max`. */
void caller_drain(struct caller *c, enum conn_cq cq, unsigned int max);

/* QEMU polls until it gets something, or nothing is there. Returns how many it got. */
unsigned int caller_poll(struct caller *c, enum conn_cq cq, unsigned int max);

/* Is this wr_id of something that has not completed? */
bool caller_is_outstanding(const struct caller *c, uint64_t wr_id);

/* A new WR of QEMU's; NULL when there have been too many. `length` bytes of data where it is
 * a message. */
struct qemu_wr *caller_new_wr(struct caller *c, enum qemu_kind kind, uint32_t length,
			      uint64_t *wr_id);

/* The connection has taken it. `urgent`: QEMU does not wait any more for what it sent before. */
void caller_accept(struct caller *c, struct qemu_wr *wr, bool urgent);

/* QEMU deregisters one. */
void caller_put(struct caller *c, unsigned int which);

/* The threads end what they do, and what the NIC has completes and is taken in. */
void caller_finish(struct caller *c);

/* The threads end, the QP fails and flushes all, and QEMU polls all: then everything that it
 * posted has completed. `gives_up`: the connection fails, too. */
void caller_flush(struct caller *c, bool gives_up);

/* Discards a part of a block that is watched. */
void caller_discard(struct caller *c);

#endif
