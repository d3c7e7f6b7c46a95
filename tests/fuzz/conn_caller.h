/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RDMACHUNK_TESTS_FUZZ_CONN_CALLER_H
#define RDMACHUNK_TESTS_FUZZ_CONN_CALLER_H

#include "fuzz.h"
#include "world.h"

/*
 * A connection in the model's driver and on its NIC, which do what the input says and no more, and
 * a ledger of what QEMU has posted. Here is what must hold whatever comes, beside what the model
 * asks of each shim.
 */

#define CALLER_WRS	 16384 /* that QEMU posts */
#define CALLER_QEMU_RECV 3     /* QEMU has posted at most */
#define CALLER_HANDLES	 64
#define CALLER_LKEYS	 256 /* from here on those of real MRs; QEMU makes up others */

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

struct caller {
	struct input in;
	struct driver *driver;
	struct conn *conn; /* the driver's */
	struct nic_qp *qp;
	struct driver_hooks hooks;
	uint64_t data; /* which of the guest's memory has any */
	bool inside;   /* a call of QEMU's has not returned */
	bool silent;   /* WRs have completed without a word, and none behind them with one */
	/* Our own receive buffers that the NIC has had, by number. */
	unsigned int used_buffers;

	/* How the next actions end, and registrations. */
	unsigned int post_takes; /* this many WRs; */
	int post_error;		 /* then this, once: 0 for none */
	int recv_error;
	unsigned int recv_takes;
	uint64_t reg_limit; /* longer ones fail */
	int reg_error;
	bool watch_fails;
	bool reg_discards; /* memory is discarded while it is registered */

	unsigned int wrs;
	unsigned int open[QEMU_KINDS]; /* that were taken and have not completed */
	bool told_again;	       /* a WRITE that had completed has failed */
	bool too_many;		       /* QEMU has posted more RECVs than it can */
	bool overrun;		       /* and polled so little that a CQ has overrun */

	struct world world;
	/* Nor is this cleared. */
	struct qemu_wr wr[CALLER_WRS];
};

/* A connection as the first bytes of the input want it. */
void caller_init(struct caller *c, enum conn_role role, const struct conn_options *options);

/* Gives back what QEMU has of the connection's, and frees all. */
void caller_end(struct caller *c, unsigned int order);

/* Our own receive buffers and messages: POSTING_MEMORY_LEN bytes. */
void *caller_memory(void);

void caller_listen(struct caller *c);

/* One step of a thread. */
void caller_step_poster(struct caller *c);
void caller_step_prefetcher(struct caller *c);

/* The NIC: its oldest WR completes, with `status` where that is an error; or all of them do,
 * without; a message comes. All of them do nothing when they cannot. */
void caller_complete(struct caller *c, uint32_t status);
void caller_complete_all(struct caller *c);
void caller_receive(struct caller *c, const void *data, uint32_t length);

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

/* The threads end what they do, and what the NIC has completes and is taken in. */
void caller_finish(struct caller *c);

/* The threads end, the QP fails and flushes all, and QEMU polls all: then everything that it
 * posted has completed. `gives_up`: the connection fails, too. */
void caller_flush(struct caller *c, bool gives_up);

/* After each event: was there room for all that QEMU is due? */
void caller_look(struct caller *c);

/* Discards a part of a block that is watched. */
void caller_discard(struct caller *c);

#endif
