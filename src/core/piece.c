/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "core/piece.h"

void piece_init(struct piece *p)
{
	*p = (struct piece){.bytes = PIECE_FIRST};
}

/* Exact enough as a quotient of doubles; what is beyond 64 bits is as long as can be. */
static uint64_t scale(uint64_t value, uint64_t by, uint64_t of)
{
	double scaled = (double)value * (double)by / (double)of;

	return scaled < (double)INT64_MAX ? (uint64_t)scaled : INT64_MAX;
}

void piece_took(struct piece *p, uint64_t bytes, uint64_t ns, uint64_t wanted, uint64_t most)
{
	/* One that was late for another reason is no sign of what the next will take, unless it is
	 * far out. */
	uint64_t least = ns > 4 * wanted ? p->bytes / 2 : p->bytes - p->bytes / 8;
	uint64_t next;

	if (!bytes || !ns)
		return;
	/* Of a short one the fixed cost is too large a part, unless even that took too long. */
	if (bytes < p->bytes / 2 && ns < wanted)
		return;
	next = scale(bytes, wanted, ns);
	if (next > 2 * p->bytes)
		next = 2 * p->bytes;
	else if (next < least)
		next = least;
	if (next < PIECE_LEAST)
		next = PIECE_LEAST;
	if (next > most)
		next = most;
	p->bytes = next;
	p->ns = scale(ns, next, bytes);
	if (p->ns > 2 * wanted)
		p->ns = 2 * wanted;
}

uint64_t piece_rate_bytes(const struct piece *p, uint64_t ns)
{
	return scale(p->bytes, ns, p->ns);
}

uint64_t piece_within(const struct piece *p, uint64_t ns)
{
	return p->ns > ns ? piece_rate_bytes(p, ns) : p->bytes;
}

uint64_t piece_ns(const struct piece *p, uint64_t bytes)
{
	return scale(p->ns, bytes, p->bytes);
}
