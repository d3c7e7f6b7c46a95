/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RDMACHUNK_TESTS_MODEL_DISCARD_H
#define RDMACHUNK_TESTS_MODEL_DISCARD_H

#include <stdbool.h>
#include <stdint.h>

#include "memory.h"
#include "random.h"

struct driver;
struct world;

/*
 * QEMU discards guest memory, for a balloon or because the guest reports free pages,
 * at the destination where the guest has nothing yet: from a thread that is neither the migration's
 * nor one of ours, and that holds no lock of ours. Between any two steps of a call the others act.
 *
 *      pages go, some at a time -> the shim's hook learns of them -> it returns ->
 *      the guest writes there again, or does not
 *
 * All of it is drawn from a stream of its own: without discards a seed is what it
 * was before there were any.
 */

#define DISCARDS    2  /* calls at once */
#define DISCARD_RUN 64 /* pages of one at most */

enum discard_stage {
	DISCARD_NONE,
	DISCARD_GOING, /* pages go */
	DISCARD_GONE,  /* all of them; the shim does not know */
	DISCARD_MARKED,
	DISCARD_RETURNED, /* the guest may write there */
};

struct discard {
	enum discard_stage stage;
	bool there;			 /* at the destination */
	unsigned int first, count, done; /* pages */
	uint32_t number[DISCARD_RUN];	 /* by the page's place in the run */
};

/* A page of a WRITE that QEMU has posted, and how many discards of it had returned. */
struct discard_write {
	unsigned int page;
	uint32_t returned;
};
#define DISCARD_WRITES 4096 /* more than the shim ever keeps */

struct discards {
	struct random random;
	unsigned int left;	/* calls to come */
	unsigned int pace;	/* steps of these calls at a step of others, per mille */
	unsigned int run;	/* pages at most */
	unsigned int reuse;	/* of those, per cent, are written afterwards */
	unsigned int meanwhile; /* steps of others while a page is pinned, per mille */
	/* What is rare, and drawn here, too: memory that the core asks for and does not get,
	 * and registrations that QEMU has to make with other access flags; per cent. */
	unsigned int scarce, refused;
	unsigned int destination; /* per cent of the calls are there; 0: it has no shim */
	struct discard call[DISCARDS];
	/* Calls that have not returned. */
	uint8_t under_way[MEMORY_PAGES], under_way_there[MEMORY_PAGES];
	unsigned int calls, pages;    /* so far */
	bool unwatched[MEMORY_PAGES]; /* see below */
	struct discard_write write[DISCARD_WRITES];
};

/* What the seed chooses: none at all without `on`. */
void discard_init(struct world *w, bool on);

/* One of these calls may go on; called wherever others may act. */
void discard_step(struct world *w);

/*
 * QEMU posts a WRITE of pages, the first of which is the `number`th that it writes; and
 * the NIC writes such a page. They are the same, and the NIC reads a physical page that
 * was put there after every discard that had returned when QEMU posted the WRITE.
 */
void discard_note_write(struct world *w, unsigned int number, unsigned int page,
			unsigned int pages);
void discard_check_write(struct world *w, unsigned int number, unsigned int page,
			 const struct physical_page *read);

/* QEMU itself has registered memory, which no shim watches: it is as in stock QEMU. */
void discard_unwatched(struct world *w, uint64_t addr, uint64_t length);

/* QEMU's thread is in this shim, and busy in the kernel: others act, but for those that
 * need the session's lock. */
void discard_meanwhile(struct world *w, struct driver *d);

/* A thread that holds no lock is busy there: is it the others' turn? */
bool discard_interrupts(struct world *w);

#endif
