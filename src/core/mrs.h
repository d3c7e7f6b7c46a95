/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RDMACHUNK_CORE_MRS_H
#define RDMACHUNK_CORE_MRS_H

#include <stdbool.h>
#include <stdint.h>

#include "core/ram_blocks.h"

/*
 * The MRs of guest memory in this process: which there are, who uses them, when they may
 * be given back. A real MR is whatever mrs_ops.reg() makes.
 *
 * An MR dies when QEMU has no handle to it and the connection does not keep it. One that
 * holds nothing any more, because all of it has been discarded, is given back before that,
 * when no WRITE can use it.
 */

enum mr_state {
	MR_PRIVATE, /* in no map: for one handle of QEMU's */
	MR_MAPPED,  /* some of its range is in block->local */
	MR_STALE,   /* nothing of it is any more */
	MR_GONE,    /* the real MR has been given back */
};

/* A real MR. */
struct mrs_real {
	void *mr;
	uint32_t lkey;
};

/* `users`, `real` and `lkey` are for whoever has a handle, serialised as all of core. */
struct mr {
	enum mr_state state;
	struct mrs_real real;
	uint64_t length;    /* bytes pinned */
	unsigned int users; /* handles of QEMU's */
	bool kept;	    /* by the connection, until its end */
	bool needed;	    /* QEMU has it, or a WRITE of QEMU's */
	struct mrs *owner;  /* NULL when the connection is over */
	struct ram_block *block;
	struct range range;
	uint64_t mapped; /* bytes of the range that are in block->local */
	struct mr *next, **link;
};

struct mrs_ops {
	/* Register exactly that. Sets *real and returns 0, or a negative errno. */
	int (*reg)(void *context, uint64_t addr, uint64_t length, int access,
		   struct mrs_real *real);
	void (*dereg)(void *context, void *real);
	/* See to it that what is discarded of `block` is reported to it, from now on. 0 or
	 * a negative errno. */
	int (*watch)(void *context, struct ram_blocks *blocks, struct ram_block *block);
	void *context;
};

struct mrs_counters {
	uint64_t asked;	      /* chunk registrations QEMU asked for */
	uint64_t made;	      /* registrations made for them */
	uint64_t ahead;	      /* of those, before it asked */
	uint64_t renewed;     /* of those, because something there had been discarded */
	uint64_t largest;     /* bytes */
	uint64_t pinned;      /* bytes, now */
	uint64_t pinned_peak; /* bytes, at most at any time */
};

/* A handle of QEMU's is gone. Returns the real MR when it has to be deregistered, else NULL.
 * `mr` may be gone then. */
void *mrs_put(struct mr *mr);

#endif
