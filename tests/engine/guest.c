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
#define CHUNKS	   14

static struct guest *_Atomic guests[GUESTS];

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
	for (int i = 0; i < GUESTS; i++) {
		struct guest *g = guests[i];

		if (g && (const char *)page >= g->ram && (const char *)page < g->ram + g->length)
			return __atomic_load_n(
				&g->version[((const char *)page - g->ram) / GUEST_PAGE],
				__ATOMIC_RELAXED);
	}
	return 0;
}

static void enter(struct guest *g)
{
	struct guest *none = NULL;
	int i = 0;

	while (!__atomic_compare_exchange_n((struct guest **)&guests[i], &none, g, false,
					    __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST)) {
		none = NULL;
		must(++i < GUESTS);
	}
}

void guest_open(struct guest *g, struct random *r, bool shared)
{
	size_t chunks = CHUNKS_MIN + random_below(r, CHUNKS), pages;

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
	g->version = calloc(pages, sizeof(*g->version));
	must(g->dirty && g->version);
	mark_dirty(g, 0, pages);
	for (size_t chunk = 0; chunk < chunks; chunk++) {
		size_t first = chunk * (GUEST_CHUNK / GUEST_PAGE);

		if (random_below(r, 3))
			write_pages(g, first + random_below(r, 128), first + 129);
	}
	enter(g);
}

void guest_close(struct guest *g)
{
	for (int i = 0; i < GUESTS; i++)
		if (guests[i] == g)
			guests[i] = NULL;
	munmap(g->ram, g->length);
	if (g->shared)
		close(g->fd);
	free(g->dirty);
	free(g->version);
	pthread_mutex_destroy(&g->lock);
}

static void give_back(struct guest *g, struct random *r, size_t first, size_t end)
{
	char *addr = g->ram + first * GUEST_PAGE;
	size_t length = (end - first) * GUEST_PAGE;
	int ret;

	/* Before: an MR made between the two is one that has to be made again anyway. */
	for (size_t i = first; i < end; i++)
		__atomic_add_fetch(&g->version[i], 1, __ATOMIC_RELAXED);
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
	if (end > pages)
		end = pages;
	if (discards && random_below(r, 2)) {
		give_back(g, r, first, end);
		mark_dirty(g, first, end);
		end = first + (end - first) / 2;
	}
	write_pages(g, first, end);
}
