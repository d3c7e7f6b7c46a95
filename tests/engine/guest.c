/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "guest.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../preload/peer.h"

/*
 * QEMU, a thread of the module that looks for data, and the NIC read what the guest writes, at any
 * time: that is so, and not to be seen by the sanitizers.
 */
#define NO_WATCH __attribute__((noinline, no_sanitize("thread"), no_sanitize("address")))

#define GUESTS	   32
#define CHUNKS_MIN 3
#define CHUNKS_MAX 16

/* How often pages were given back; whoever registers memory looks here, at any time. */
static struct guest_pages {
	bool used;
	uintptr_t start, end; /* of guest memory */
	unsigned int version[CHUNKS_MAX * GUEST_CHUNK / GUEST_PAGE];
} guests[GUESTS];

NO_WATCH static void fill_page(char *page, uint64_t value)
{
	for (unsigned int i = 0; i < GUEST_PAGE / sizeof(value); i++)
		((volatile uint64_t *)(void *)page)[i] = value;
}

NO_WATCH bool guest_is_zero(const char *memory, size_t length)
{
	for (size_t i = 0; i < length / sizeof(uint64_t); i++)
		if (((const volatile uint64_t *)(const void *)memory)[i])
			return false;
	return true;
}

static void mark_dirty(struct guest *g, size_t first, size_t end)
{
	for (size_t i = first; i < end; i++)
		__atomic_store_n(&g->dirty[i], 1, __ATOMIC_RELEASE);
}

bool guest_take_dirty(struct guest *g, size_t first, size_t end)
{
	bool any = false;

	for (size_t i = first; i < end; i++)
		any |= __atomic_exchange_n(&g->dirty[i], 0, __ATOMIC_ACQ_REL);
	return any;
}

static void write_pages(struct guest *g, size_t first, size_t end)
{
	for (size_t i = first; i < end; i++)
		fill_page(g->ram + i * GUEST_PAGE, ++g->written);
	mark_dirty(g, first, end);
}

unsigned int guest_page_version(const void *page)
{
	uintptr_t addr = (uintptr_t)page;

	for (int i = 0; i < GUESTS; i++) {
		uintptr_t start = __atomic_load_n(&guests[i].start, __ATOMIC_RELAXED);

		if (addr >= start && addr < __atomic_load_n(&guests[i].end, __ATOMIC_RELAXED))
			return __atomic_load_n(&guests[i].version[(addr - start) / GUEST_PAGE],
					       __ATOMIC_RELAXED);
	}
	return 0;
}

static struct guest_pages *take_pages(const struct guest *g)
{
	int i = 0;

	while (__atomic_test_and_set(&guests[i].used, __ATOMIC_ACQUIRE))
		must(++i < GUESTS);
	__atomic_store_n(&guests[i].start, (uintptr_t)g->ram, __ATOMIC_RELAXED);
	__atomic_store_n(&guests[i].end, (uintptr_t)g->ram + g->length, __ATOMIC_RELAXED);
	return &guests[i];
}

static void put_pages(struct guest_pages *pages)
{
	__atomic_store_n(&pages->end, 0, __ATOMIC_RELAXED);
	__atomic_clear(&pages->used, __ATOMIC_RELEASE);
}

void guest_open(struct guest *g, struct random *r, bool shared)
{
	size_t chunks = CHUNKS_MIN + random_below(r, CHUNKS_MAX - CHUNKS_MIN + 1), pages;

	memset(g, 0, sizeof(*g));
	pthread_mutex_init(&g->lock, NULL);
	g->length = chunks * GUEST_CHUNK;
	g->shared = shared;
	g->fd = shared ? memfd_create("guest", MFD_CLOEXEC) : -1;
	must(!shared || !ftruncate(g->fd, (off_t)g->length));
	g->ram = mmap(NULL, g->length, PROT_READ | PROT_WRITE,
		      shared ? MAP_SHARED : MAP_PRIVATE | MAP_ANONYMOUS, g->fd, 0);
	must(g->ram != MAP_FAILED);
	pages = g->length / GUEST_PAGE;
	g->dirty = calloc(pages, sizeof(*g->dirty));
	g->pages = take_pages(g);
	must(g->dirty);
	mark_dirty(g, 0, pages);
	for (size_t chunk = 0; chunk < chunks; chunk++) {
		size_t first = chunk * (GUEST_CHUNK / GUEST_PAGE);

		if (random_below(r, 3))
			write_pages(g, first + random_below(r, 128), first + 129);
	}
}

void guest_close(struct guest *g)
{
	put_pages(g->pages);
	munmap(g->ram, g->length);
	if (g->shared)
		close(g->fd);
	free(g->dirty);
	pthread_mutex_destroy(&g->lock);
}

static void give_back(struct guest *g, struct random *r, size_t first, size_t end)
{
	char *addr = g->ram + first * GUEST_PAGE;
	size_t length = (end - first) * GUEST_PAGE;
	int ret;

	/* Before: an MR made between the two is one that has to be made again anyway. */
	for (size_t i = first; i < end; i++)
		__atomic_add_fetch(&g->pages->version[i], 1, __ATOMIC_RELAXED);
	if (!g->shared)
		ret = madvise(addr, length, MADV_DONTNEED);
	else if (random_below(r, 2))
		ret = madvise(addr, length, MADV_REMOVE);
	else
		ret = fallocate(g->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
				(off_t)(first * GUEST_PAGE), (off_t)length);
	must(!ret);
}

void guest_act(struct guest *g, struct random *r, bool discards)
{
	size_t pages = g->length / GUEST_PAGE, first, end;

	first = random_below(r, (unsigned int)pages);
	end = first + 1 + random_below(r, random_below(r, 4) ? 16 : 512);
	/* All that an MR holds. */
	if (random_percent(r, 10)) {
		first = first / (GUEST_CHUNK / GUEST_PAGE) * (GUEST_CHUNK / GUEST_PAGE);
		end = first + (1 + random_below(r, 3)) * (GUEST_CHUNK / GUEST_PAGE);
	}
	if (end > pages)
		end = pages;
	if (discards && random_below(r, 2)) {
		give_back(g, r, first, end);
		mark_dirty(g, first, end);
		end = first + (end - first) / 2;
	}
	write_pages(g, first, end);
}
