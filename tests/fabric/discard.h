/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What a call that gives memory back means to the MRs that pin it:
 *
 *	begin    discard.c may ask what is mapped where
 *	range... what the call takes away
 *	keep     what MRs pin of that is copied
 *	         the call itself
 *	end      MRs are told the new places, or that nothing has happened
 *
 * Only while fab_pins_any(). From begin to end no other discard and no end of an MR; from keep to
 * end the NIC touches no memory of this process, and peers that read it wait for the pages in
 * question.
 */
#ifndef FABRIC_DISCARD_H
#define FABRIC_DISCARD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* What becomes of pages. */
enum fate {
	FATE_COPY,  /* only the MRs have them any more */
	FATE_ALIAS, /* a file keeps them, and what is written there is seen through the MRs */
	FATE_MOVE,  /* they get another address of the process */
};

struct run {
	uintptr_t at;
	size_t pages;
	size_t index; /* of the first page in struct discard's places */
	enum fate fate;
};

struct discard {
	struct run *runs;
	size_t count, room;
	uint64_t *places; /* what takes the pages' place; the same file page has one only */
	size_t indices;
	uintptr_t moved_to; /* for FATE_MOVE: where the run's first page is now */
	bool done;
};

void fab_discard_begin(struct discard *discard);

/* Pages at [at, at + length), whatever is mapped there. Parts of pages count as pages. */
void fab_discard_range(struct discard *discard, uintptr_t at, size_t length, enum fate fate);

/*
 * The same by what is mapped there: private memory is lost (madvise, munmap), shared memory not; it
 * counts as unmapped if unmapped says so.
 */
void fab_discard_mapped(struct discard *discard, uintptr_t at, size_t length, bool unmapped);

/*
 * The file's bytes [offset, end), wherever the process has them mapped. Private copies of them
 * stay, unless copies says that they go, too, as on hugetlbfs.
 */
void fab_discard_file(struct discard *discard, dev_t dev, ino_t ino, uint64_t offset, uint64_t end,
		      bool copies);

/* The same for what is mapped and shared at [at, at + length) (MADV_REMOVE). */
void fab_discard_files_at(struct discard *discard, uintptr_t at, size_t length);

void fab_discard_keep(struct discard *discard);

/* done: whether the call has taken the pages away. */
void fab_discard_end(struct discard *discard, bool done, uintptr_t moved_to);

#endif
