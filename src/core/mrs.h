/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RDMACHUNK_CORE_MRS_H
#define RDMACHUNK_CORE_MRS_H

#include <stdbool.h>
#include <stdint.h>

#include "core/ram_blocks.h"
#include "core/registration.h"

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
	enum mr_state state : 8;
	bool kept;	    /* by the connection, until its end */
	bool needed;	    /* QEMU has it, or a WRITE of QEMU's */
	unsigned int users; /* handles of QEMU's */
	struct mrs_real real;
	uint64_t length;   /* bytes pinned */
	struct mrs *owner; /* NULL when the connection is over */
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
	uint64_t prefetched;  /* of those, before it asked */
	uint64_t renewed;     /* of those, because something there had been discarded */
	uint64_t largest;     /* bytes */
	uint64_t pinned;      /* bytes, now */
	uint64_t pinned_peak; /* bytes, at most at any time */
};

/* No errno: try again when mrs_waits() or conn_waits() allows it. */
#define CONN_AGAIN 1

/* What has to end before a registration can succeed. */
enum conn_wait {
	CONN_WAITS_FOR_NOTHING,
	CONN_WAITS_FOR_PREFETCH, /* a registration ahead of QEMU that is under way */
	CONN_WAITS_FOR_WRITES,	 /* on the wire: take in their completions */
};

struct mrs {
	struct mrs_ops ops;
	struct registration_policy policy;
	/* WRITEs read what is registered here: what is stale may go when there are none. */
	bool source;
	struct mr *live;      /* and those that are gone, but that QEMU has handles to */
	struct mr *stale;     /* to be given back when no WRITE uses them */
	struct mr *coming;    /* those that are being registered ahead of QEMU, */
	unsigned int comings; /* so many */
	enum conn_wait waits;
	struct mrs_counters counters;
};

/* All zero, then this. */
void mrs_init(struct mrs *s, const struct mrs_ops *ops, unsigned int shift, bool prefetch);

/* See to it that discards of the block are known. 0; or a negative errno, and then nothing
 * that is registered there may be ours. */
int mrs_watch(struct mrs *s, struct ram_blocks *blocks, struct ram_block *block);

struct mrs_want {
	struct range range;
	struct range bounds; /* it may reach as far */
	int access;
	bool last; /* do not wait for writes any more */
};

/*
 * The MR for a range, made where there is none, as registration_get() does; QEMU gets a
 * handle to it. 0; the negative errno of the registration; or CONN_AGAIN: try again when
 * mrs_waits() allows it and what is stale has been given back.
 */
int mrs_get(struct mrs *s, struct ram_blocks *blocks, struct ram_block *block,
	    const struct mrs_want *want, struct mr **mr);

/* The MR that a WRITE from `where` needs, as registration_renew() says; NULL when it has
 * the right one. `last` as in struct mrs_want. Returns as mrs_get(). */
int mrs_renew(struct mrs *s, struct ram_blocks *blocks, struct ram_block *block, struct range where,
	      bool last, struct mr **mr);

enum conn_wait mrs_waits(const struct mrs *s);

/* Registration ahead of QEMU: `range` is being registered, and has been: `real` is NULL
 * when that failed. There may be several at once. NULL when there is no memory. */
struct mr *mrs_begin(struct mrs *s, struct ram_block *block, struct range range);
void mrs_end(struct mrs *s, struct mr *mr, const struct mrs_real *real);

/* One that is stale and that no WRITE uses, to be deregistered; NULL when there is none. */
void *mrs_take_stale(struct mrs *s);

/* The connection is over. One real MR that nobody else uses, to be deregistered; NULL when
 * there are no more, and then all others are their handles' alone. */
void *mrs_take_last(struct mrs *s);

/* What was to be registered ahead, and whose end nobody has told, is forgotten. */
void mrs_clear(struct mrs *s);

/* A handle of QEMU's is gone. Returns the real MR when it has to be deregistered, else NULL.
 * `mr` may be gone then. */
void *mrs_put(struct mr *mr);

#endif
