/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RDMACHUNK_TESTS_MODEL_DRIVER_H
#define RDMACHUNK_TESTS_MODEL_DRIVER_H

#include <stdbool.h>
#include <stdint.h>

#include "core/conn.h"
#include "memory.h"
#include "nic.h"
#include "random.h"

struct driver;
struct world;

/*
 * What somebody else than the seed has to say, and wants to see. Errors are positive errnos, 0 for
 * none. `post_send` is asked before the NIC gets a WR, `post_recv` before it gets a RECV of the
 * core's, `reg` for memory that is about to be registered, of which `registered` tells then.
 */
struct driver_hooks {
	int (*post_send)(void *context, const struct conn_send *wr);
	int (*post_recv)(void *context, const struct conn_recv *recv);
	int (*reg)(void *context, uint64_t length);
	void (*registered)(void *context);
	bool (*can_watch)(void *context, const struct ram_block *block);
	void *context;
};

/*
 * A shim: the core under test, and in the place of src/engine the one switch that does what
 * the core says. QEMU's calls return as those of verbs do. What threads do in the engine
 * are steps here, for a scheduler to take between the calls.
 */

/* A thread of the shim's, and the action that it has taken to do. */
struct worker {
	bool woken;
	bool busy;
	bool performed; /* all but conn_done(), which needs the lock */
	struct conn_action action;
	struct conn_result result;
	/* CONN_REGISTER: the key of what it is registering, or 0; and since when. */
	uint32_t pinning;
	uint64_t since; /* ns */
};

#define DRIVER_THREADS 4 /* register ahead of QEMU, at most */

struct driver {
	struct world *world;
	struct conn *conn;
	struct nic_qp *qp;
	const struct driver_hooks *hooks; /* set before driver_init(), or NULL */
	bool poster;			  /* a thread posts the WRITEs */
	struct worker post, prefetch[DRIVER_THREADS];
	unsigned int threads; /* of the latter; 0 is 1 */
	bool listens;	      /* one does, so: */
	struct conn_action listen;
	unsigned int locked; /* the session is, by a thread that lets others act */
	bool inside;	     /* a thread is in the core, and the others wait for the lock */
	uint64_t asked;	     /* bytes that QEMU registers: these can always be had */
	unsigned int waits;  /* since QEMU's call */
	bool refuse;	     /* not with these access flags */
	/* What QEMU has registered through the core, and without it. */
	struct mr *handle[MEMORY_PAGES];
	uint32_t own[MEMORY_PAGES];
	unsigned int handles, owns;
	unsigned int registered; /* MRs that have not been given back */
	uint64_t pinned;	 /* bytes of them */
	uint64_t limit;		 /* that can be, 0: any number */
	int beyond;		 /* the negative errno of one more, 0: -ENOMEM */
	bool shunned;
	unsigned int given_back;
	/* What it has been told. */
	bool failed;	       /* a completion said so */
	uint64_t extents;      /* their sum when they were last checked */
	uint32_t failure;      /* the first one's status, of a WR on the send queue */
	unsigned int due;      /* to QEMU on the send CQ, from before that */
	unsigned int messages; /* SENDs given to the NIC that need a credit */
};

/* A candidate, on this QP. */
void driver_init(struct world *w, struct driver *d, struct nic_qp *qp,
		 const struct conn_options *options);

/* The connection is made. `memory`: POSTING_MEMORY_LEN bytes for a source. */
void driver_start(struct driver *d, enum conn_role role, void *memory);

/* When QEMU gives back its registrations. */
enum driver_puts {
	DRIVER_PUTS_FIRST, /* before it destroys the QP */
	DRIVER_PUTS_LATE,
	DRIVER_PUTS_LAST, /* when the connection has been freed, too */
};

/* It does that, and destroys the QP. Nothing may be left. */
void driver_end(struct driver *d, enum driver_puts puts);

/* After a rule has been broken: frees what is left. */
void driver_clear(struct driver *d);

/* Tells the core the time, where the seed has it know that. */
void driver_time(struct driver *d);

/* All that is to be done now, but what the threads have. Each call below ends with it. False when
 * a RECV of a candidate's could not be posted, which ends it. */
bool driver_run(struct driver *d);

/* The one switch: does it. */
void driver_perform(struct driver *d, const struct conn_action *action, struct conn_result *result);

/* Takes in what has completed on this CQ. */
void driver_drain(struct driver *d, enum conn_cq cq);

/* A call has returned CONN_AGAIN: lets go of the lock until it may be made again. */
void driver_wait(struct driver *d);

/* What QEMU calls. Positive errnos. driver_register() sets *lkey and returns 0, or a negative
 * errno; at a destination CONN_AGAIN, when it has to be called again. */
int driver_post_send(struct driver *d, const struct conn_wr *wr);
int driver_post_recv(struct driver *d, const struct recv_request *request);
bool driver_poll(struct driver *d, enum conn_cq cq, struct completion *wc);
unsigned int driver_poll_some(struct driver *d, enum conn_cq cq, struct completion *wc,
			      unsigned int max);
void driver_arm(struct driver *d, enum conn_cq cq);
int driver_register(struct driver *d, uint64_t addr, uint64_t length, int access, uint32_t *lkey);

/* The thread that listens on one CQ while QEMU sleeps on the other; the one that posts
 * WRITEs; those that register ahead of QEMU. Is there anything to do? Then a step of it. */
bool driver_can_listen(struct driver *d);
void driver_listen(struct driver *d);
bool driver_can_post(struct driver *d);
void driver_post(struct driver *d);
bool driver_can_prefetch(struct driver *d);
void driver_prefetch(struct driver *d);

/* One of those has taken an action that it has not done. */
bool driver_is_prefetching(const struct driver *d);

/* One of them is registering; and the key of what, or 0. */
bool driver_is_pinning(const struct driver *d);
uint32_t driver_pinning(const struct driver *d, struct random *r);

/* Will the thread that posts give the NIC anything, for all we know? */
bool driver_is_posting(const struct driver *d);

#endif
