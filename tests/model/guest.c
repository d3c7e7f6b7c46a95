/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "guest.h"

#include "world.h"

#define LOCAL  UINT64_C(0x7f0000000000)
#define REMOTE UINT64_C(0x550000000000)

static void set_page(struct world *w, unsigned int page, bool zero)
{
	struct guest *g = &w->guest;

	g->written[page] = zero ? 0 : ++g->version;
	g->undefined[page] = false;
	g->dirty[page] = true;
	memory_write(w, &g->here, page, g->written[page]);
}

void guest_init(struct world *w)
{
	const struct settings *s = &w->settings;
	struct guest *g = &w->guest;
	/* Blocks that follow each other at once are blocks still. */
	uint64_t gap = random_percent(&w->random, 50) ? UINT64_C(1) << 36 : 0;
	uint64_t start = 0;
	bool zero = false;

	g->chunk_size = UINT64_C(1) << s->chunk_shift;
	g->page_size = g->chunk_size / s->chunk_pages;
	g->blocks = s->blocks;
	g->zero_percent = s->guest_zero_percent;
	for (unsigned int i = 0; i < g->blocks; i++) {
		g->block[i] = (struct guest_block){
			.local = LOCAL + start,
			.remote = REMOTE + start,
			.offset = start,
			.length = s->block_pages[i] * g->page_size,
			.first = g->pages,
			.pages = s->block_pages[i],
		};
		g->pages += s->block_pages[i];
		start += g->block[i].length + gap;
	}
	g->writes_left = random_below(&w->random, s->guest_writes * g->pages + 1);
	for (unsigned int i = 0; i < g->pages; i++) {
		/* In runs, as in a real guest. */
		if (!i || random_percent(&w->random, 40))
			zero = random_percent(&w->random, s->zero_percent);
		set_page(w, i, zero);
		memory_write(w, &g->there, i, GUEST_NEVER_WRITTEN);
	}
}

void guest_write_page(struct world *w, unsigned int page, bool zero)
{
	if (w->discards.under_way[page])
		return;
	set_page(w, page, zero);
	world_trace(w, "guest", "page %u = %u", page, w->guest.written[page]);
}

void guest_write(struct world *w)
{
	struct guest *g = &w->guest;
	unsigned int page = random_below(&w->random, g->pages);
	unsigned int count = 1 + random_below(&w->random, w->settings.chunk_pages);
	bool zero = random_percent(&w->random, g->zero_percent);

	if (!g->writes_left || g->stopped)
		return;
	/* Often what has just been sent, or is about to be. */
	if (random_percent(&w->random, 50))
		page = (w->source.scanned + g->pages - random_below(&w->random, 8)) % g->pages;
	for (; count-- && page < g->pages && g->writes_left; page++, g->writes_left--)
		guest_write_page(w, page, zero);
}

int guest_page_here(const struct guest *g, uint64_t addr)
{
	for (unsigned int i = 0; i < g->blocks; i++) {
		const struct guest_block *b = &g->block[i];

		if (addr >= b->local && addr < b->local + b->length)
			return (int)(b->first + (addr - b->local) / g->page_size);
	}
	return -1;
}

int guest_page_there(const struct guest *g, uint64_t addr)
{
	for (unsigned int i = 0; i < g->blocks; i++) {
		const struct guest_block *b = &g->block[i];

		if (addr >= b->remote && addr < b->remote + b->length)
			return (int)(b->first + (addr - b->remote) / g->page_size);
	}
	return -1;
}

bool guest_is_zero(const struct world *w, unsigned int first, unsigned int count)
{
	for (unsigned int i = first; i < first + count; i++)
		if (memory_read(w, &w->guest.here, i))
			return false;
	return true;
}

unsigned int guest_chunk(const struct guest *g, const struct guest_block *b, unsigned int page)
{
	return (unsigned int)((page - b->first) * g->page_size / g->chunk_size);
}

uint64_t guest_chunk_end(const struct guest *g, const struct guest_block *b, uint64_t chunk)
{
	uint64_t end = (chunk + 1) * g->chunk_size;

	return end < b->length ? end : b->length;
}
