/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "discard.h"

#include "driver_mr.h"
#include "world.h"

/* Apart from the seed's own stream. */
#define STREAM UINT64_C(0x6469736361726473)

static unsigned int one_of(struct discards *d, const unsigned int values[4])
{
	return values[random_below(&d->random, 4)];
}

void discard_init(struct world *w, bool on)
{
	static const unsigned int calls[] = {1, 5, 20, 60}, paces[] = {5, 20, 100, 400};
	static const unsigned int runs[] = {1, 4, 16, DISCARD_RUN}, reuses[] = {0, 50, 90, 100};
	static const unsigned int meanwhiles[] = {0, 50, 300, 700};
	static const unsigned int scarces[] = {0, 0, 0, 50}, refusals[] = {0, 0, 0, 20};
	static const unsigned int destinations[] = {0, 0, 30, 60};
	struct discards *d = &w->discards;

	d->random.state = w->seed ^ STREAM;
	if (!on || random_percent(&d->random, 25))
		return;
	d->left = one_of(d, calls);
	d->pace = one_of(d, paces);
	d->run = one_of(d, runs);
	d->reuse = one_of(d, reuses);
	d->meanwhile = one_of(d, meanwhiles);
	d->scarce = one_of(d, scarces);
	d->refused = one_of(d, refusals);
	d->destination = one_of(d, destinations);
	world_trace(w, "seed", "%u discards of up to %u pages, %u %% of them written again",
		    d->left, d->run, d->reuse);
}

static const char *name(const struct discard *call)
{
	return call->there ? "ddiscard" : "discard";
}

static struct memory *memory_of(struct world *w, const struct discard *call)
{
	return call->there ? &w->guest.there : &w->guest.here;
}

/* Often where QEMU is, or comes to next; or what is just being registered. */
static unsigned int choose_page(struct world *w)
{
	struct random *r = &w->discards.random;
	uint32_t pinning = driver_pinning(&w->source_driver, r);
	const struct nic_mr *mr = &w->mr[pinning];
	unsigned int pages = w->guest.pages;

	if (pinning && random_percent(r, 70))
		return mr->first + random_below(r, mr->pages < 8 ? mr->pages : 8);
	if (random_percent(r, 70))
		return (w->source.scanned + pages - 8 % pages + random_below(r, 24)) % pages;
	return random_below(r, pages);
}

/* What comes next to those that it has registered; or what is just being registered. */
static unsigned int choose_page_there(struct world *w)
{
	struct random *r = &w->discards.random;
	uint32_t pinning = driver_pinning(&w->destination_driver, r);
	const struct nic_mr *mr = &w->mr[pinning];
	unsigned int page = random_below(r, w->guest.pages);

	if (pinning && random_percent(r, 70))
		return mr->first + random_below(r, mr->pages);
	while (w->destination.asked[page] && page + 1 < w->guest.pages)
		page++;
	return page;
}

/* Of `count` pages so many, in one block; at the destination such as QEMU has not
 * registered. */
static unsigned int clip(const struct world *w, const struct discard *call, unsigned int count)
{
	const struct guest_block *b = w->guest.block;
	unsigned int n = 0;

	while (call->first >= b->first + b->pages)
		b++;
	while (n < count && call->first + n < b->first + b->pages &&
	       !(call->there && w->destination.asked[call->first + n]))
		n++;
	return n;
}

static uint8_t *under_way(struct world *w, const struct discard *call)
{
	uint8_t *pages = call->there ? w->discards.under_way_there : w->discards.under_way;

	return pages + call->first;
}

static void begin(struct world *w, struct discard *call)
{
	struct discards *d = &w->discards;
	unsigned int count = 1 + random_below(&d->random, d->run);

	if (!d->left || w->guest.stopped)
		return;
	d->left--;
	call->there = random_percent(&d->random, d->destination);
	call->first = call->there ? choose_page_there(w) : choose_page(w);
	call->count = clip(w, call, count);
	if (!call->count)
		return;
	call->stage = DISCARD_GOING;
	call->done = 0;
	for (unsigned int i = 0; i < call->count; i++)
		under_way(w, call)[i]++;
	d->calls++;
	world_trace(w, name(call), "of pages %u to %u begins", call->first,
		    call->first + call->count - 1);
}

static void take_pages(struct world *w, struct discard *call)
{
	unsigned int most = 1 + random_below(&w->discards.random, call->count);
	struct guest *g = &w->guest;

	for (; most-- && call->done < call->count; call->done++) {
		unsigned int page = call->first + call->done;

		call->number[call->done] = memory_discard(memory_of(w, call), page);
		if (!call->there)
			g->undefined[page] = true;
		w->discards.pages++;
		world_trace(w, name(call), "page %u is gone", page);
	}
	if (call->done == call->count)
		call->stage = DISCARD_GONE;
}

static void end(struct world *w, struct discard *call)
{
	for (unsigned int i = 0; i < call->count; i++) {
		under_way(w, call)[i]--;
		memory_discard_returned(memory_of(w, call), call->first + i, call->number[i]);
	}
	world_trace(w, name(call), "of pages %u to %u returns", call->first,
		    call->first + call->count - 1);
	call->stage = DISCARD_RETURNED;
}

static void reuse(struct world *w, struct discard *call)
{
	struct discards *d = &w->discards;

	call->stage = DISCARD_NONE;
	if (w->guest.stopped || call->there)
		return;
	for (unsigned int i = 0; i < call->count; i++)
		if (random_percent(&d->random, d->reuse))
			guest_write_page(w, call->first + i,
					 random_percent(&d->random, w->guest.zero_percent));
}

void discard_step(struct world *w)
{
	struct discards *d = &w->discards;
	struct discard *call;

	/* Most of what can go wrong does while the NIC pins. */
	bool pinning = driver_is_pinning(&w->source_driver) || w->source_driver.locked ||
		       driver_is_pinning(&w->destination_driver);
	unsigned int pace = pinning ? 4 * d->pace : d->pace;

	if (!d->pace || random_below(&d->random, 1000) >= pace)
		return;
	if (d->destination && random_percent(&d->random, 30)) {
		driver_prefetch(&w->destination_driver);
		return;
	}
	call = &d->call[random_below(&d->random, DISCARDS)];
	switch (call->stage) {
	case DISCARD_NONE:
		begin(w, call);
		break;
	case DISCARD_GOING:
		take_pages(w, call);
		break;
	case DISCARD_GONE:
		driver_mr_discarded(call->there ? &w->destination_driver : &w->source_driver,
				    call->first, call->count);
		call->stage = DISCARD_MARKED;
		break;
	case DISCARD_MARKED:
		end(w, call);
		break;
	case DISCARD_RETURNED:
		reuse(w, call);
		break;
	}
}

bool discard_interrupts(struct world *w)
{
	struct discards *d = &w->discards;

	return d->meanwhile && random_below(&d->random, 1000) < d->meanwhile;
}

void discard_meanwhile(struct world *w, struct driver *d)
{
	discard_step(w);
	/* The scheduler's others are those of the source. */
	while (d == &w->source_driver && discard_interrupts(w)) {
		d->locked++;
		world_step(w);
		d->locked--;
	}
}

void discard_note_write(struct world *w, unsigned int number, unsigned int page, unsigned int pages)
{
	world_expect(w,
		     w->nic.source.error ||
			     number + pages - w->nic.source.written_pages <= DISCARD_WRITES,
		     "more WRITEs wait than can");
	for (; pages--; number++, page++)
		w->discards.write[number % DISCARD_WRITES] = (struct discard_write){
			.page = page,
			.returned = w->guest.here.returned[page],
		};
}

void discard_check_write(struct world *w, unsigned int number, unsigned int page,
			 const struct physical_page *read)
{
	const struct discard_write *write = &w->discards.write[number % DISCARD_WRITES];

	world_expect(w, write->page == page, "page %u is written in the place of page %u", page,
		     write->page);
	world_expect(w, read->discards >= write->returned || w->discards.unwatched[page],
		     "page %u is written from an MR made before a discard that had returned", page);
}

void discard_unwatched(struct world *w, uint64_t addr, uint64_t length)
{
	int first = guest_page_here(&w->guest, addr);

	for (unsigned int i = 0; first >= 0 && i < length / w->guest.page_size; i++)
		w->discards.unwatched[(unsigned int)first + i] = true;
}
