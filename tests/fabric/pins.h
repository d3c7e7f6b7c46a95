/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Where the pages are that an MR pins.
 *
 * A device pins pages, not addresses. When the process gives a page back, the MR keeps the old one,
 * and whoever touches the address afterwards gets another. Here nothing is pinned, so each MR says
 * of each of its pages where it is: at the address at which it was registered, as long as nobody
 * gave it back; in a copy of the fabric's, made just before that (discard.h); or, if it was moved
 * (mremap), where it is now. All MRs that pinned a page share its copy.
 *
 *	MR          | page 0 | page 1 | page 2 |        after madvise(page 1, MADV_DONTNEED)
 *	address       NIC      process  NIC
 *	frame                  NIC
 *
 * A peer's NIC reads our memory by itself, so it finds the places out from afar (struct
 * pin_window). It looks before and after it reads, and reads again if a place has changed. A place
 * is busy from before the page is copied until after it is gone, so none can change and look as if
 * it had not.
 *
 * Lock order: discards (one at a time), places (the NIC against a discard), the list of MRs. Under
 * none of them is malloc called: an allocator may be what gives pages back.
 */
#ifndef FABRIC_PINS_H
#define FABRIC_PINS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

/* A place is the address of a page with these in its low bits; 0: where it was registered. */
#define PLACE_FRAME 1ull /* of frames.h */
#define PLACE_ALIAS 2ull /* of aliases.h */
#define PLACE_MOVED 3ull /* another address of the process */
#define PLACE_KIND  3ull
#define PLACE_BUSY  4ull /* about to change: where the page is cannot be told now */

static inline uintptr_t fab_place_address(uint64_t place)
{
	return place & ~0xfffull;
}

/* What a peer may read at any time: never freed, but used again for another MR. */
struct pin_window {
	_Atomic uint64_t generation; /* 0: no MR; else never the same twice */
	uint64_t start;		     /* address of the first page, as registered */
	_Atomic uint64_t places;     /* address of a place for each page; 0: none has moved */
};

/* A live MR's pages. */
struct pins {
	struct pin_window window; /* first: what a peer knows the address of */
	struct pins *next;
	size_t pages;
	size_t elsewhere; /* pages whose place is ALIAS or MOVED */
};

/* Returns NULL for want of memory. */
struct pins *fab_pins_new(const void *addr, size_t length);
void fab_pins_free(struct pins *pins);

/*
 * A part of an MR, at the address at which it was registered; or, without pins, memory that no MR
 * has.
 */
struct span {
	const struct pins *pins;
	uint64_t generation;
	char *at;
	size_t length;
};

/* Around every access of the NIC: no page is given back under its hands. Never for long. */
void fab_pins_lock(void);
void fab_pins_unlock(void);

/*
 * Where the span's first bytes are, with the lock held: fills up to room of iov, for at most length
 * bytes. Returns their number, 0 if the MR is gone.
 */
int fab_pins_locate(const struct span *span, size_t length, struct iovec *iov, int room);

/* For discard.c. */

/* Whether there is any MR to keep pages for. One atomic load. */
bool fab_pins_any(void);

/* All of a discard is between the first two, all changes of places between the others. */
void fab_pins_begin_discard(void);
void fab_pins_end_discard(void);
void fab_pins_begin_change(void);
void fab_pins_end_change(void);

/* Whether any MR has pages that are at [at, at + pages). */
bool fab_pins_touch(uintptr_t at, size_t pages);

/* Calls visit for each page of an MR that is there, as its index-th page from at. */
void fab_pins_visit(uintptr_t at, size_t pages,
		    void (*visit)(struct pins *pins, size_t page, size_t index, void *arg),
		    void *arg);

uint64_t fab_pins_place(const struct pins *pins, size_t page);

/* Returns 0, or -1 for want of memory (for the first change of an MR only). */
int fab_pins_set_place(struct pins *pins, size_t page, uint64_t place);

#endif
