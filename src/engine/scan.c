/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/scan.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

/* Pages that one call of mincore(2) is asked about. */
#define PAGES 512

/*
 * To read all zeros that there are would take as long again as QEMU needs to do so. Of each 128 KiB
 * one line is read, and what has nothing there is taken to be zeros: if it has data, QEMU asks
 * for it when it comes to it.
 */
#define STRIDE 131072u
/* Where no more than one page of so many is resident each is looked at. */
#define FEW	  16u
#define LOOK_PAGE 4096u
#define LINE	  64u

static uint64_t cpu_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

/* Where the n-th look at memory goes, from its start: at a line of a cache, another one in another
 * page each time, so that nothing of a fixed layout is always missed. */
static uint64_t place_of_look(uint64_t n)
{
	return n * STRIDE + n * 7 % (STRIDE / LOOK_PAGE) * LOOK_PAGE +
	       n * 11 % (LOOK_PAGE / LINE) * LINE;
}

static bool line_is_zero(const char *line)
{
	uint64_t word[LINE / sizeof(uint64_t)], any = 0;

	memcpy(word, line, LINE);
	for (size_t i = 0; i < LINE / sizeof(uint64_t); i++)
		any |= word[i];
	return !any;
}

/* Takes what it brings into the cache, at most, from *budget, and gives up when that is used up. */
static bool has_data_at(const char *line, uint64_t *budget)
{
	*budget -= *budget < LOOK_PAGE ? *budget : LOOK_PAGE;
	return *budget && !line_is_zero(line);
}

/* One line of each page: of few that are resident each may be the only one with data, and what is
 * written to a page mostly begins with it. */
static bool look_at_each(const char *addr, const unsigned char *resident, uint64_t pages,
			 uint64_t page, uint64_t *budget)
{
	for (uint64_t i = 0; i < pages && *budget; i++)
		if (resident[i] & 1 && has_data_at(addr + i * page, budget))
			return true;
	return false;
}

static uint64_t count_resident(const unsigned char *resident, uint64_t pages)
{
	uint64_t count = 0;

	for (uint64_t i = 0; i < pages; i++)
		count += resident[i] & 1;
	return count;
}

/* The lines of the looks from the n-th on that end before `end` are on their way while the kernel
 * is asked which pages are there. Of one that is not there none comes, and nothing happens. */
static void fetch_lines(const char *addr, uint64_t n, uint64_t end)
{
	uint64_t place;

	for (; (place = place_of_look(n)) + LINE <= end; n++)
		__builtin_prefetch(addr + place);
}

/*
 * A page that is not resident is not touched: to read it would allocate it, or fail where huge
 * pages have run out. What is swapped out is QEMU's to find.
 */
static bool look(const char *addr, uint64_t length, uint64_t *budget)
{
	uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE), n = 0, place;
	unsigned char resident[PAGES];

	for (uint64_t at = 0; at < length; at += PAGES * page) {
		uint64_t end = length - at < PAGES * page ? length : at + PAGES * page;
		uint64_t pages = (end - at + page - 1) / page;

		fetch_lines(addr, n, end);
		if (mincore((void *)(uintptr_t)(addr + at), end - at, resident))
			return false;
		if (count_resident(resident, pages) <= pages / FEW &&
		    look_at_each(addr + at, resident, pages, page, budget))
			return true;
		for (; (place = place_of_look(n)) + LINE <= end && *budget; n++)
			if (resident[(place - at) / page] & 1 && has_data_at(addr + place, budget))
				return true;
	}
	return false;
}

/* When the thread's clock was read for all that it looks at now, in ns; 0: for each chunk. */
static _Thread_local uint64_t began_at;

/*
 * What was looked at just now: a run ends where too many zeros follow, and the next one is looked
 * for from there on. What is written meanwhile QEMU asks for. The look, or NULL.
 */
static const struct scan_look *last_look(const struct scan *scan, uint64_t addr, uint64_t length)
{
	for (size_t i = 0; i < SCAN_LOOKS; i++)
		if (scan->look[i].addr == addr && scan->look[i].length == length)
			return &scan->look[i];
	return NULL;
}

static void keep_look(struct scan *scan, struct scan_look look)
{
	scan->look[scan->looks++ % SCAN_LOOKS] = look;
}

/* guest_memory.has_data */
static bool has_data(void *context, uint64_t addr, uint64_t length, uint64_t *budget)
{
	uint64_t began = began_at ? 0 : cpu_ns(), before = *budget;
	struct scan *scan = context;
	/* One thread at a time looks ahead. */
	const struct scan_look *last = began_at ? last_look(scan, addr, length) : NULL;
	int error = errno;
	bool found;

	if (last)
		return last->data;
	found = look((const char *)(uintptr_t)addr, length, budget);
	if (began_at && *budget)
		keep_look(scan, (struct scan_look){addr, length, found});
	atomic_fetch_add_explicit(&scan->bytes, before - *budget, memory_order_relaxed);
	if (began)
		atomic_fetch_add_explicit(&scan->cpu_ns, cpu_ns() - began, memory_order_relaxed);
	errno = error;
	return found;
}

struct guest_memory scan_memory(struct scan *scan)
{
	return (struct guest_memory){.has_data = has_data, .context = scan};
}

struct range scan_find(struct scan *scan, const struct prefetch_scan *place)
{
	struct range found;

	began_at = cpu_ns();
	found = prefetch_find(place);
	atomic_fetch_add_explicit(&scan->cpu_ns, cpu_ns() - began_at, memory_order_relaxed);
	began_at = 0;
	return found;
}
