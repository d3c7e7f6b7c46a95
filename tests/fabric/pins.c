// SPDX-License-Identifier: GPL-2.0-or-later
#include "pins.h"

#include "aliases.h"
#include "frames.h"
#include "mappings.h"
#include "raw.h"
#include "settings.h"

#include <pthread.h>
#include <stdlib.h>

static pthread_mutex_t discards = PTHREAD_MUTEX_INITIALIZER;
static pthread_rwlock_t places = PTHREAD_RWLOCK_WRITER_NONRECURSIVE_INITIALIZER_NP;
static pthread_mutex_t list_lock = PTHREAD_MUTEX_INITIALIZER;
static struct pins *live, *unused;
static uint64_t last_generation;
static _Atomic size_t live_count;

/* A child has the MRs' memory, but no device, and locks in whatever state they were. */
static void forget_in_child(void)
{
	atomic_store(&live_count, 0);
}

static void prepare_for_fork(void)
{
	pthread_atfork(NULL, NULL, forget_in_child);
}

static struct pins *take_unused(void)
{
	struct pins *pins;

	pthread_mutex_lock(&list_lock);
	pins = unused;
	if (pins)
		unused = pins->next;
	pthread_mutex_unlock(&list_lock);
	return pins ? pins : malloc(sizeof(*pins));
}

struct pins *fab_pins_new(const void *addr, size_t length)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	uintptr_t start = (uintptr_t)addr & ~(FAB_PAGE_SIZE - 1);
	struct pins *pins = take_unused();

	if (!pins)
		return NULL;
	pthread_once(&once, prepare_for_fork);
	pins->pages = ((uintptr_t)addr + length - start + FAB_PAGE_SIZE - 1) >> FAB_PAGE_SHIFT;
	pins->elsewhere = 0;
	pins->window.start = start;
	atomic_store(&pins->window.places, 0);
	pthread_mutex_lock(&list_lock);
	atomic_store(&pins->window.generation, ++last_generation);
	if (fab_config()->pin) {
		pins->next = live;
		live = pins;
		atomic_fetch_add(&live_count, 1);
	}
	pthread_mutex_unlock(&list_lock);
	/* What is registered may have been mapped by somebody we did not see. */
	fab_mappings_changed();
	return pins;
}

static void release(uint64_t place)
{
	if ((place & PLACE_KIND) == PLACE_FRAME)
		fab_frame_unref(fab_place_address(place));
	else if ((place & PLACE_KIND) == PLACE_ALIAS)
		fab_alias_unref(fab_place_address(place));
}

static void release_all(struct pins *pins)
{
	_Atomic uint64_t *table = (void *)(uintptr_t)atomic_load(&pins->window.places);
	size_t i;

	if (!table)
		return;
	fab_pins_begin_change();
	for (i = 0; i < pins->pages; i++)
		release(table[i]);
	atomic_store(&pins->window.places, 0);
	raw_munmap(table, pins->pages * sizeof(*table));
	fab_pins_end_change();
}

void fab_pins_free(struct pins *pins)
{
	struct pins **p;

	/* From here on the peer's NIC finds no MR. */
	atomic_store(&pins->window.generation, 0);
	pthread_mutex_lock(&discards);
	pthread_mutex_lock(&list_lock);
	for (p = &live; *p && *p != pins; p = &(*p)->next)
		continue;
	if (*p) {
		*p = pins->next;
		atomic_fetch_sub(&live_count, 1);
	}
	pthread_mutex_unlock(&list_lock);
	release_all(pins);
	pthread_mutex_unlock(&discards);

	pthread_mutex_lock(&list_lock);
	pins->next = unused;
	unused = pins;
	pthread_mutex_unlock(&list_lock);
}

void fab_pins_lock(void)
{
	pthread_rwlock_rdlock(&places);
}

void fab_pins_unlock(void)
{
	pthread_rwlock_unlock(&places);
}

int fab_pins_locate(const struct span *span, size_t length, struct iovec *iov, int room)
{
	const struct pins *pins = span->pins;
	uintptr_t at = (uintptr_t)span->at, where;
	size_t piece, done;
	uint64_t place;
	int count = 0;

	if (length > span->length)
		length = span->length;
	if (pins && atomic_load(&pins->window.generation) != span->generation)
		return 0;
	if (!pins || !atomic_load(&pins->window.places)) {
		iov[0] = (struct iovec){span->at, length};
		return 1;
	}
	for (done = 0; done < length; done += piece) {
		piece = FAB_PAGE_SIZE - ((at + done) & (FAB_PAGE_SIZE - 1));
		if (piece > length - done)
			piece = length - done;
		place = fab_pins_place(pins, (at + done - pins->window.start) >> FAB_PAGE_SHIFT);
		where = at + done;
		if (place)
			where = fab_place_address(place) + (where & (FAB_PAGE_SIZE - 1));
		if (count && (uintptr_t)iov[count - 1].iov_base + iov[count - 1].iov_len == where) {
			iov[count - 1].iov_len += piece;
			continue;
		}
		if (count == room)
			break;
		iov[count++] = (struct iovec){(void *)where, piece};
	}
	return count;
}

bool fab_pins_any(void)
{
	return atomic_load_explicit(&live_count, memory_order_relaxed) > 0;
}

void fab_pins_begin_discard(void)
{
	pthread_mutex_lock(&discards);
}

void fab_pins_end_discard(void)
{
	pthread_mutex_unlock(&discards);
}

void fab_pins_begin_change(void)
{
	pthread_rwlock_wrlock(&places);
}

void fab_pins_end_change(void)
{
	pthread_rwlock_unlock(&places);
}

uint64_t fab_pins_place(const struct pins *pins, size_t page)
{
	const _Atomic uint64_t *table = (const void *)(uintptr_t)atomic_load(&pins->window.places);

	return table ? atomic_load(&table[page]) : 0;
}

static bool is_elsewhere(uint64_t place)
{
	return (place & PLACE_KIND) == PLACE_ALIAS || (place & PLACE_KIND) == PLACE_MOVED;
}

int fab_pins_set_place(struct pins *pins, size_t page, uint64_t place)
{
	_Atomic uint64_t *table = (void *)(uintptr_t)atomic_load(&pins->window.places);

	if (!table) {
		table = raw_memory(pins->pages * sizeof(*table));
		if (table == MAP_FAILED)
			return -1;
		atomic_store(&pins->window.places, (uintptr_t)table);
	}
	pins->elsewhere -= is_elsewhere(table[page]);
	pins->elsewhere += is_elsewhere(place);
	atomic_store(&table[page], place);
	return 0;
}

/* Pages at the address at which they were registered: those of [first, end), by number. */
static void overlap(const struct pins *pins, uintptr_t at, size_t pages, size_t *first, size_t *end)
{
	uintptr_t start = pins->window.start;
	uintptr_t stop = at + (pages << FAB_PAGE_SHIFT);

	*first = at > start ? (at - start) >> FAB_PAGE_SHIFT : 0;
	*end = stop > start ? (stop - start) >> FAB_PAGE_SHIFT : 0;
	if (*end > pins->pages)
		*end = pins->pages;
}

bool fab_pins_touch(uintptr_t at, size_t pages)
{
	const struct pins *pins;
	bool found = false;
	size_t first, end;

	pthread_mutex_lock(&list_lock);
	for (pins = live; pins && !found; pins = pins->next) {
		overlap(pins, at, pages, &first, &end);
		found = first < end || pins->elsewhere;
	}
	pthread_mutex_unlock(&list_lock);
	return found;
}

static void visit_elsewhere(struct pins *pins, uintptr_t at, size_t pages,
			    void (*visit)(struct pins *, size_t, size_t, void *), void *arg)
{
	uint64_t place;
	size_t i, index;

	for (i = 0; i < pins->pages; i++) {
		place = fab_pins_place(pins, i);
		index = (fab_place_address(place) - at) >> FAB_PAGE_SHIFT;
		if (is_elsewhere(place) && fab_place_address(place) >= at && index < pages)
			visit(pins, i, index, arg);
	}
}

void fab_pins_visit(uintptr_t at, size_t pages,
		    void (*visit)(struct pins *, size_t, size_t, void *), void *arg)
{
	struct pins *pins;
	size_t i, first, end;

	pthread_mutex_lock(&list_lock);
	for (pins = live; pins; pins = pins->next) {
		overlap(pins, at, pages, &first, &end);
		for (i = first; i < end; i++)
			if (!fab_place_address(fab_pins_place(pins, i)))
				visit(pins, i,
				      (pins->window.start + (i << FAB_PAGE_SHIFT) - at) >>
					      FAB_PAGE_SHIFT,
				      arg);
		if (pins->elsewhere)
			visit_elsewhere(pins, at, pages, visit, arg);
	}
	pthread_mutex_unlock(&list_lock);
}
