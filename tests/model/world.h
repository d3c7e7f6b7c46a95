/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RDMACHUNK_TESTS_MODEL_WORLD_H
#define RDMACHUNK_TESTS_MODEL_WORLD_H

#include <setjmp.h>
#include <stdbool.h>
#include <stdint.h>

#include "discard.h"
#include "driver.h"
#include "guest.h"
#include "memory.h"
#include "nic.h"
#include "qemu_destination.h"
#include "qemu_source.h"
#include "random.h"

/*
 * A migration: QEMU's two ends, the shims between them and their NICs, the guest. There is no
 * clock and there are no threads: QEMU's source is plain sequential code, the others act when
 * they are told to.
 */

/* What goes wrong, at a step that the seed chooses. */
enum fault {
	FAULT_NONE,
	FAULT_WR,		   /* a WR of the source's fails */
	FAULT_QP,		   /* its QP goes into error */
	FAULT_DEATH,		   /* the destination dies */
	FAULT_REMOTE_REGISTRATION, /* the destination cannot register */
	FAULT_LOCAL_REGISTRATION,  /* the source cannot, not even a chunk */
	FAULT_POST,		   /* its NIC takes no more WRs */
	FAULT_CANCEL,		   /* the user cancels */
	FAULTS
};

/* What the seed chooses. */
struct settings {
	unsigned int chunk_shift; /* QEMU's chunks have 2^this bytes */
	unsigned int chunk_pages;
	unsigned int blocks;
	unsigned int block_pages[GUEST_BLOCKS];
	unsigned int shift; /* RDMACHUNK_SHIFT */
	bool writes, zeros, ahead, one_cq;
	unsigned int threads; /* that register ahead of QEMU */
	bool poster;	      /* a thread posts the WRITEs */
	bool swallows;	      /* QEMU forgets an error that it polls between pages */
	bool hostile;	      /* QEMU and the peer say what they like */
	uint64_t max_message; /* of the port's, bytes */
	unsigned int zero_percent;
	unsigned int guest_writes;  /* pages at most, times those it has */
	unsigned int guest_percent; /* of QEMU's steps at which it writes */
	unsigned int guest_zero_percent;
	unsigned int iterations; /* before the guest stops */
	unsigned int iteration_pages;
	unsigned int dirty_percent; /* of what is dirty, sent in a pass over it */
	unsigned int rewind_percent;
	unsigned int wide_fail_percent; /* of wide registrations */
	unsigned int busy_percent;	/* calls that a full send queue turns away */
	enum fault fault;
	unsigned int fault_step;
	uint64_t tick_ns; /* of the clock at each step; 0: the core is never told the time */
};

enum actor {
	ACTOR_EXECUTE,
	ACTOR_COMPLETE,
	ACTOR_DESTINATION_EXECUTE,
	ACTOR_DESTINATION_COMPLETE,
	ACTOR_DESTINATION,
	ACTOR_PROGRESS,
	ACTOR_AHEAD,
	ACTOR_POSTER,
	ACTOR_DISCONNECT,
	ACTORS
};

struct world {
	uint64_t seed;
	bool trace;
	jmp_buf failed;
	char why[256];

	struct random random;
	struct settings settings;
	unsigned int weight[ACTORS];
	unsigned int pace;	  /* how much the others do at each step of QEMU's, per mille */
	unsigned int period_left; /* steps of QEMU's until these change */
	struct guest guest;
	struct discards discards;
	struct nic nic;
	struct qemu_source source;
	struct driver source_driver;
	struct qemu_destination destination;
	struct driver destination_driver; /* without a conn when there is no shim */

	unsigned int steps;
	uint64_t clock;	  /* ns */
	bool fault_due;	  /* its step has come */
	bool fault_fired; /* it has had an effect */
	bool cancelled;
	bool hang_up;		     /* the destination goes away */
	bool disconnected;	     /* and the source knows */
	bool succeeded;		     /* the migration */
	struct conn_figures figures; /* of the source's shim, at its end */

	/* From here on nothing is cleared: it is looked at only as far as it is used. */
	uint32_t physical_pages;
	struct physical_page physical[MEMORY_PHYSICAL];
	struct nic_rings rings;
	struct nic_mr mr[NIC_MRS]; /* of both ends, by key */
	uint32_t pinned[NIC_PINS];
};

/* The fault that the seed chose takes effect now, if it is of this kind. */
bool world_fault(struct world *w, enum fault fault);

void world_trace(const struct world *w, const char *who, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* These three are whoever's who has a world. Let the others act, as much as they should;
 * let one of them act: false when none of them has anything to do; a rule is broken. */
void world_yield(struct world *w);
bool world_step(struct world *w);
_Noreturn void world_fail(struct world *w, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

#define world_expect(w, ok, ...)                      \
	do {                                          \
		if (__builtin_expect(!(ok), 0))       \
			world_fail((w), __VA_ARGS__); \
	} while (0)

#endif
