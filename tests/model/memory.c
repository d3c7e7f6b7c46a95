/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "memory.h"

#include "world.h"

uint32_t memory_read(const struct world *w, const struct memory *m, unsigned int page)
{
	return m->mapped[page] ? w->physical[m->mapped[page]].content : 0;
}

uint32_t memory_pin(struct world *w, struct memory *m, unsigned int page)
{
	world_expect(w, page < sizeof(m->mapped) / sizeof(m->mapped[0]),
		     "memory is registered that the guest has not");
	if (!m->mapped[page]) {
		world_expect(w, ++w->physical_pages < MEMORY_PHYSICAL,
			     "the machine has no memory left");
		w->physical[w->physical_pages] = (struct physical_page){0, m->discarded[page]};
		m->mapped[page] = w->physical_pages;
	}
	return m->mapped[page];
}

void memory_write(struct world *w, struct memory *m, unsigned int page, uint32_t content)
{
	w->physical[memory_pin(w, m, page)].content = content;
}

uint32_t memory_discard(struct memory *m, unsigned int page)
{
	m->mapped[page] = 0;
	return ++m->discarded[page];
}

void memory_discard_returned(struct memory *m, unsigned int page, uint32_t number)
{
	if (m->returned[page] < number)
		m->returned[page] = number;
}
