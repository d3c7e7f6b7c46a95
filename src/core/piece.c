/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "core/piece.h"

void piece_init(struct piece *p)
{
	*p = (struct piece){.bytes = PIECE_FIRST};
}

/* Neither factor is beyond 2^40: the quotient of doubles is exact enough. */
static uint64_t scale(uint64_t value, uint64_t by, uint64_t of)
{
	return (uint64_t)((double)value * (double)by / (double)of);
}

void piece_took(struct piece *p, uint64_t bytes, uint64_t ns, uint64_t most)
{
	uint64_t next;

	if (!bytes || !ns)
		return;
	/* Of a short one the fixed cost is too large a part, unless even that took too long. */
	if (bytes < p->bytes / 2 && ns < PIECE_NS)
		return;
	next = scale(bytes, PIECE_NS, ns);
	if (next > 2 * p->bytes)
		next = 2 * p->bytes;
	else if (next < p->bytes / 2)
		next = p->bytes / 2;
	if (next > most)
		next = most;
	if (next < PIECE_LEAST)
		next = PIECE_LEAST;
	p->bytes = next;
	p->ns = scale(ns, next, bytes);
}

uint64_t piece_within(const struct piece *p, uint64_t ns)
{
	return p->ns > ns ? scale(p->bytes, ns, p->ns) : p->bytes;
}
