/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RDMACHUNK_TESTS_MODEL_GUEST_H
#define RDMACHUNK_TESTS_MODEL_GUEST_H

#include <stdbool.h>
#include <stdint.h>

#include "memory.h"

struct world;

/*
 * The guest's memory at both ends. Addresses are those of a real guest; of each
 * page, which is as large as the seed says, only what was last written to it is
 * kept: 0 for zeros, else a number that no other write has.
 */

#define GUEST_BLOCKS 3
#define GUEST_PAGES  MEMORY_PAGES
/* What the destination's memory holds before the migration. */
#define GUEST_NEVER_WRITTEN UINT32_MAX

struct guest_block {
	uint64_t local;	    /* its base in the source's process */
	uint64_t remote;    /* in the destination's */
	uint64_t offset;    /* in the ram_addr_t space of both */
	uint64_t length;    /* bytes */
	unsigned int first; /* page */
	unsigned int pages;
};

struct guest {
	uint64_t page_size, chunk_size; /* bytes */
	unsigned int blocks;
	struct guest_block block[GUEST_BLOCKS];
	unsigned int pages;
	struct memory here, there;
	uint32_t written[GUEST_PAGES]; /* what the guest wrote last */
	bool undefined[GUEST_PAGES];   /* discarded since: that, or zeros */
	bool dirty[GUEST_PAGES];
	uint32_t version;
	unsigned int writes_left; /* a guest writes only so often */
	unsigned int zero_percent;
	bool stopped;
};

/* A guest of the seed's size, all pages dirty. */
void guest_init(struct world *w);

/* It writes a page or two; or this one. Never to a page that is being discarded:
 * it has given that away. */
void guest_write(struct world *w);
void guest_write_page(struct world *w, unsigned int page, bool zero);

/* The page at an address of the source's or of the destination's, or -1. */
int guest_page_here(const struct guest *g, uint64_t addr);
int guest_page_there(const struct guest *g, uint64_t addr);

/* Are `count` pages from `first` all zero at the source? */
bool guest_is_zero(const struct world *w, unsigned int first, unsigned int count);

/* The chunk that a page of a block is in, and that chunk's end in the block. */
unsigned int guest_chunk(const struct guest *g, const struct guest_block *b, unsigned int page);
uint64_t guest_chunk_end(const struct guest *g, const struct guest_block *b, uint64_t chunk);

#endif
