/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RDMACHUNK_CORE_REGISTRATION_H
#define RDMACHUNK_CORE_REGISTRATION_H

#include <stdbool.h>
#include <stdint.h>

#include "core/ram_blocks.h"

/*
 * Local registrations: one MR for a whole region where QEMU asks for a chunk.
 * The MRs are made through a table of operations, so that tests can make them
 * fail. An MR is a pointer to something aligned.
 */

struct registration_ops {
	/*
	 * Register `length` bytes at `addr` with QEMU's own access flags. Sets
	 * *mr and returns 0, or returns a negative errno.
	 */
	int (*reg)(void *context, uint64_t addr, uint64_t length, int access, void **mr);
	/* `bytes` of what `mr` served are its no more, because something there has been
	 * discarded. May be NULL. */
	void (*cut)(void *context, void *mr, uint64_t bytes);
	/* Give back all that is registered ahead and that nobody has asked for. False when
	 * there is none. May be NULL. */
	bool (*release)(void *context);
};

struct registration_policy {
	/* Largest registration to try, as a power of two; only ever shrinks: it
	 * remembers the size that worked after a larger one failed. 0: exactly
	 * what QEMU asks for. */
	unsigned int shift;
	/* What comes next is registered ahead of QEMU. Not any more when nothing larger
	 * than what QEMU asks for can be registered. */
	bool prefetch;
	/* One of those failed, or had to be given back: no more of them. */
	bool prefetch_failed;
	/* Registrations that failed and were tried again smaller. */
	uint64_t fallbacks;
	/* The access flags all wide MRs of this connection have; set by the first. */
	int access;
	bool access_known;
};

/* No errno: a provider may have any of those. */
#define REGISTRATION_COMING 1

enum registration_state {
	REGISTRATION_EXISTING, /* an MR made before serves this too */
	REGISTRATION_MAPPED,   /* a new one, in block->local */
	REGISTRATION_PRIVATE,  /* a new one that nobody else may use: in no map */
};

struct registration {
	enum registration_state state;
	void *mr;
	/* Where it lies in the block. */
	struct range range;
};

/*
 * Find or make the MR for `want`, a range of `block` whose local address is
 * known. It may reach as far as `bounds`, which holds `want`. When there is no room
 * for it, what is registered ahead is given back; else it is halved until `want`
 * itself is tried; only the failure of that is returned, as its negative errno. New
 * MRs enter block->local with the MR as value.
 *
 * REGISTRATION_COMING when it is being registered ahead of QEMU: ask again after that.
 *
 * What cannot be widened safely (other access flags than the connection's, a
 * range that overlaps an extent in part) gets an MR of its own.
 *
 * An MR made before something in `want` was discarded does not count: the part
 * of it there leaves block->local first.
 */
int registration_get(const struct registration_ops *ops, void *context,
		     struct registration_policy *policy, struct ram_block *block, struct range want,
		     struct range bounds, int access, struct registration *registration);

/*
 * QEMU posts a WRITE from `want`, a range of `block`, with the lkey that it got
 * when it registered the chunk. Sets *mr to the MR that holds what is there now;
 * to NULL when QEMU's own is right. Registers the granules that `want` reaches into
 * when something in them has been discarded since they were registered, and then
 * sets *made.
 *
 * 0; REGISTRATION_COMING as above; or the negative errno of that registration: the WRITE must
 * not go out. Needed once anything has been discarded, ram_blocks.discarded.
 */
int registration_renew(const struct registration_ops *ops, void *context,
		       struct registration_policy *policy, struct ram_block *block,
		       struct range want, void **mr, bool *made);

/*
 * Where the first part of `want` ends that one MR can serve as things are: QEMU's chunks
 * may be larger than a granule, and a WRITE then reach over what one discard has left of
 * an MR and what took the place of the rest. To renew it as a whole would be right as
 * well, but registers again what is right already.
 */
uint64_t registration_part(const struct ram_block *block, struct range want);

/* `mr`, made for `range` of the block, serves nothing there from now on: what it served
 * counts as discarded, and is registered again when it is needed. Returns how many bytes. */
uint64_t registration_give_up(struct ram_block *block, struct range range, const void *mr);

/* `mr`, made for `range` of the block, is about to go. */
void registration_forget(struct ram_block *block, struct range range, const void *mr);

/*
 * Registration ahead of QEMU: `range` of the block, which is free, is being registered as
 * `mr`: the NIC pins it after this and before registration_end(), or registration_fail():
 * then nothing more is registered ahead. 0 or -ENOMEM. There may be several at once, and
 * in what has left one of them, because it was discarded meanwhile, there may be another.
 *
 * registration_end() returns how many bytes the MR serves: less than `range`, or
 * nothing, where something has been discarded and needed meanwhile.
 */
int registration_begin(struct ram_block *block, struct range range, const void *mr);
uint64_t registration_end(struct ram_block *block, struct range range, const void *mr);
void registration_fail(struct registration_policy *policy, struct ram_block *block,
		       struct range range, const void *mr);

/* The value of an extent of block->local: is it being registered ahead of QEMU, and has no MR
 * yet? */
static inline bool registration_is_coming(uint64_t value)
{
	return value & 1;
}

#endif
