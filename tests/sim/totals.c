/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "totals.h"

#include <inttypes.h>
#include <stdio.h>

#include "world.h"

void totals_add(struct totals *t, const struct world *w)
{
	const struct conn_figures *f = &w->figures;

	t->seeds++;
	t->steps += w->steps;
	t->succeeded += w->succeeded;
	t->order.writes += f->order.writes;
	t->order.write_wrs += f->order.write_wrs;
	t->order.withheld += f->order.withheld;
	t->order.fenced += f->order.fenced;
	t->order.zeros_kept += f->order.zeros_kept;
	t->order.zeros_sent += f->order.zeros_sent;
	t->requests_seen += f->messages.requests_seen;
	t->requests_answered += f->messages.requests_answered;
	t->requests_held += f->messages.requests_held;
	t->requests_prefetched += f->messages.requests_prefetched;
	t->discards += w->discards.calls;
	t->pages_discarded += w->discards.pages;
	t->renewed += f->mrs.renewed;
	t->given_back += w->source_driver.given_back;
}

void totals_print(const struct totals *t)
{
	printf("%" PRIu64 " seeds, %" PRIu64 " steps, %" PRIu64 " migrations completed\n"
	       "%" PRIu64 " WRITEs in %" PRIu64 " WRs, %" PRIu64 " withheld, %" PRIu64 " fences\n"
	       "%" PRIu64 " COMPRESS in %" PRIu64 ", %" PRIu64 " of %" PRIu64
	       " requests answered, %" PRIu64 " of them late, %" PRIu64 " made ahead\n",
	       t->seeds, t->steps, t->succeeded, t->order.writes, t->order.write_wrs,
	       t->order.withheld, t->order.fenced, t->order.zeros_kept, t->order.zeros_sent,
	       t->requests_answered, t->requests_seen, t->requests_held, t->requests_prefetched);
	printf("%" PRIu64 " discards of %" PRIu64 " pages, %" PRIu64
	       " registrations renewed, %" PRIu64 " MRs given back\n",
	       t->discards, t->pages_discarded, t->renewed, t->given_back);
}
