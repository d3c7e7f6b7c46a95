/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RDMACHUNK_TESTS_MODEL_MEMORY_H
#define RDMACHUNK_TESTS_MODEL_MEMORY_H

#include <stdint.h>

struct world;

/*
 * The guest's memory at one end: which physical page is mapped at each of its
 * pages. An MR pins those that are there when it is made. A discard takes a page
 * away; the guest then reads zeros there, and whoever writes or registers the
 * page gets a new one, while the old one stays with the MRs that have pinned it.
 */

#define MEMORY_PAGES	2048
#define MEMORY_PHYSICAL 65536 /* of both ends together */

struct physical_page {
	uint32_t content;
	uint32_t discards; /* of the guest's page, before this one was put there */
};

/* Physical page 0 is none. */
struct memory {
	uint32_t mapped[MEMORY_PAGES];
	/* Times that the page was discarded; and how many of those calls, the first
	 * ones up to the latest that has returned. */
	uint32_t discarded[MEMORY_PAGES], returned[MEMORY_PAGES];
};

uint32_t memory_read(const struct world *w, const struct memory *m, unsigned int page);
void memory_write(struct world *w, struct memory *m, unsigned int page, uint32_t content);

/* The physical page that an MR made now gets. */
uint32_t memory_pin(struct world *w, struct memory *m, unsigned int page);

/* Returns the number of the discard, for memory_discard_returned(). */
uint32_t memory_discard(struct memory *m, unsigned int page);
void memory_discard_returned(struct memory *m, unsigned int page, uint32_t number);

#endif
