// SPDX-License-Identifier: GPL-2.0-or-later
#include "discard.h"

#include "aliases.h"
#include "frames.h"
#include "mappings.h"
#include "pins.h"
#include "raw.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define FIRST_ROOM 64
/* In struct discard's places before anything has been kept: some MR pins that page. */
#define WANTED 1ull

void fab_discard_begin(struct discard *d)
{
	*d = (struct discard){0};
	fab_pins_begin_discard();
}

static void complain(void)
{
	fprintf(stderr, "rdmafabric: cannot keep discarded pages: %s\n", strerror(errno));
}

static int grow(struct discard *d)
{
	size_t room = d->room ? 2 * d->room : FIRST_ROOM;
	struct run *runs = raw_memory(room * sizeof(*runs));

	if (runs == MAP_FAILED) {
		complain();
		return -1;
	}
	if (d->count)
		memcpy(runs, d->runs, d->count * sizeof(*runs));
	if (d->room)
		raw_munmap(d->runs, d->room * sizeof(*runs));
	d->runs = runs;
	d->room = room;
	return 0;
}

static void add_run(struct discard *d, uintptr_t at, size_t pages, size_t index, enum fate fate)
{
	if (!pages || !fab_pins_touch(at, pages))
		return;
	if (d->count == d->room && grow(d) != 0)
		return;
	d->runs[d->count++] = (struct run){.at = at, .pages = pages, .index = index, .fate = fate};
	if (index + pages > d->indices)
		d->indices = index + pages;
}

static uintptr_t page_up(uintptr_t at)
{
	return (at + FAB_PAGE_SIZE - 1) & ~(FAB_PAGE_SIZE - 1);
}

void fab_discard_range(struct discard *d, uintptr_t at, size_t length, enum fate fate)
{
	uintptr_t start = at & ~(FAB_PAGE_SIZE - 1);

	add_run(d, start, (page_up(at + length) - start) >> FAB_PAGE_SHIFT, d->indices, fate);
}

/* The part of a mapping within [at, end), or a length of 0. */
static size_t clip(const struct mapping *mapping, uintptr_t at, uintptr_t end, uintptr_t *start)
{
	uintptr_t stop = mapping->end < end ? mapping->end : end;

	*start = mapping->start > at ? mapping->start : at;
	return stop > *start ? stop - *start : 0;
}

void fab_discard_mapped(struct discard *d, uintptr_t at, size_t length, bool unmapped)
{
	uintptr_t start = at & ~(FAB_PAGE_SIZE - 1), end = page_up(at + length), from;
	const struct mapping *mappings;
	size_t count, i, part;

	/* Most of what a program unmaps is no MR's: do not read the mappings for it. */
	if (!fab_pins_touch(start, (end - start) >> FAB_PAGE_SHIFT))
		return;
	mappings = fab_mappings(&count);
	for (i = 0; mappings && i < count; i++) {
		part = clip(&mappings[i], start, end, &from);
		if (!part)
			continue;
		if (!mappings[i].shared)
			fab_discard_range(d, from, part, FATE_COPY);
		else if (unmapped)
			fab_discard_range(d, from, part, FATE_ALIAS);
	}
}

void fab_discard_file(struct discard *d, dev_t dev, ino_t ino, uint64_t offset, uint64_t end,
		      bool copies)
{
	const struct mapping *mapping;
	uint64_t first, stop;
	size_t count, index = d->indices;

	mapping = fab_mappings(&count);
	for (; mapping && count; mapping++, count--) {
		/* Every page of a private mapping is a copy: who registers it writes it. */
		if (!ino || mapping->ino != ino || mapping->dev != dev ||
		    (!mapping->shared && mapping->writable && !copies))
			continue;
		first = mapping->offset > offset ? mapping->offset : offset;
		stop = mapping->offset + (mapping->end - mapping->start);
		if (stop > end)
			stop = end;
		if (first < stop)
			add_run(d, mapping->start + (first - mapping->offset),
				(stop - first) >> FAB_PAGE_SHIFT,
				index + ((first - offset) >> FAB_PAGE_SHIFT), FATE_COPY);
	}
}

void fab_discard_files_at(struct discard *d, uintptr_t at, size_t length)
{
	const struct mapping *mappings;
	size_t count, i, part;
	uintptr_t start;
	uint64_t offset;

	mappings = fab_mappings(&count);
	for (i = 0; mappings && i < count; i++) {
		part = clip(&mappings[i], at, page_up(at + length), &start);
		if (!part || !mappings[i].shared)
			continue;
		offset = mappings[i].offset + (start - mappings[i].start);
		fab_discard_file(d, mappings[i].dev, mappings[i].ino, offset, offset + part, false);
	}
}

static void mark(struct pins *pins, size_t page, size_t index, void *arg)
{
	uint64_t *places = arg;

	if (fab_pins_set_place(pins, page, fab_pins_place(pins, page) | PLACE_BUSY) != 0)
		complain();
	else if (!places[index])
		places[index] = WANTED;
}

/* Of memory that may not be there (a file that was cut short), or not to be read. */
static void copy_page(uintptr_t frame, uintptr_t at)
{
	struct iovec to = {(void *)frame, FAB_PAGE_SIZE}, from = {(void *)at, FAB_PAGE_SIZE};

	if (raw_read_process(getpid(), &to, 1, &from, 1) == (ssize_t)FAB_PAGE_SIZE)
		return;
	if (errno == EPERM || errno == ENOSYS)
		memcpy((void *)frame, (void *)at, FAB_PAGE_SIZE);
	else
		memset((void *)frame, 0, FAB_PAGE_SIZE);
}

static void keep_copies(struct discard *d, const struct run *run)
{
	uint64_t *place = d->places + run->index;
	uintptr_t frame;
	size_t i;

	for (i = 0; i < run->pages; i++) {
		if (place[i] != WANTED)
			continue;
		frame = fab_frame_new();
		if (frame) {
			copy_page(frame, run->at + (i << FAB_PAGE_SHIFT));
			place[i] = frame | PLACE_FRAME;
		} else {
			complain();
		}
	}
}

static void keep_aliases(struct discard *d, const struct run *run)
{
	uint64_t *place = d->places + run->index;
	size_t first = 0, end = run->pages, i;
	uintptr_t alias;

	while (first < end && place[first] != WANTED)
		first++;
	while (end > first && place[end - 1] != WANTED)
		end--;
	if (first == end)
		return;
	alias = fab_alias_new(run->at + (first << FAB_PAGE_SHIFT), end - first);
	/* Not possible on hugetlbfs. A copy is as good until somebody writes to the file. */
	if (!alias) {
		keep_copies(d, run);
		return;
	}
	for (i = first; i < end; i++)
		if (place[i] == WANTED)
			place[i] = (alias + ((i - first) << FAB_PAGE_SHIFT)) | PLACE_ALIAS;
}

void fab_discard_keep(struct discard *d)
{
	size_t i;

	if (!d->count)
		return;
	d->places = raw_memory(d->indices * sizeof(*d->places));
	if (d->places == MAP_FAILED) {
		complain();
		d->count = 0;
		return;
	}
	fab_pins_begin_change();
	for (i = 0; i < d->count; i++)
		fab_pins_visit(d->runs[i].at, d->runs[i].pages, mark, d->places + d->runs[i].index);
	for (i = 0; i < d->count; i++) {
		if (d->runs[i].fate == FATE_COPY)
			keep_copies(d, &d->runs[i]);
		else if (d->runs[i].fate == FATE_ALIAS)
			keep_aliases(d, &d->runs[i]);
	}
}

struct settling {
	const struct discard *discard;
	const struct run *run;
};

static void settle(struct pins *pins, size_t page, size_t index, void *arg)
{
	const struct settling *settling = arg;
	const struct discard *d = settling->discard;
	uint64_t before = fab_pins_place(pins, page), after;

	/* An MR made meanwhile, or a page that has just been moved here. */
	if (!(before & PLACE_BUSY))
		return;
	before &= ~PLACE_BUSY;
	after = before;
	if (d->done && settling->run->fate == FATE_MOVE)
		after = (d->moved_to + (index << FAB_PAGE_SHIFT)) | PLACE_MOVED;
	else if (d->done && d->places[settling->run->index + index] != WANTED)
		after = d->places[settling->run->index + index];
	if (fab_place_address(after) == pins->window.start + (page << FAB_PAGE_SHIFT))
		after = 0;
	if (after != before && (after & PLACE_KIND) == PLACE_FRAME)
		fab_frame_ref(fab_place_address(after));
	else if (after != before && (after & PLACE_KIND) == PLACE_ALIAS)
		fab_alias_ref(fab_place_address(after));
	fab_pins_set_place(pins, page, after);
	if (after != before && (before & PLACE_KIND) == PLACE_ALIAS)
		fab_alias_unref(fab_place_address(before));
}

/* What no MR has taken: the call failed, or the MR ended. */
static void drop_unused(const struct discard *d)
{
	size_t i;

	for (i = 0; i < d->indices; i++)
		if (fab_place_address(d->places[i]) && (d->places[i] & PLACE_KIND) == PLACE_FRAME)
			fab_frame_drop_unused(fab_place_address(d->places[i]));
	fab_alias_drop_unused();
}

void fab_discard_end(struct discard *d, bool done, uintptr_t moved_to)
{
	struct settling settling = {.discard = d};
	size_t i;

	d->done = done;
	d->moved_to = moved_to;
	for (i = 0; i < d->count; i++) {
		settling.run = &d->runs[i];
		fab_pins_visit(d->runs[i].at, d->runs[i].pages, settle, &settling);
	}
	if (d->count) {
		drop_unused(d);
		fab_pins_end_change();
		raw_munmap(d->places, d->indices * sizeof(*d->places));
	}
	if (d->room)
		raw_munmap(d->runs, d->room * sizeof(*d->runs));
	fab_pins_end_discard();
}
