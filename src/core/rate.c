/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "core/rate.h"

/* The parts of the difference by which a higher and a lower reading move the rate. */
#define QUICKLY 2
#define SLOWLY	64

void rate_begin(struct rate *r, uint64_t now)
{
	r->busy = true;
	r->since = now;
}

void rate_completed(struct rate *r, uint64_t bytes, bool idle, uint64_t now)
{
	uint64_t reading;

	if (!r->busy)
		return;
	r->busy = !idle;
	r->ns += now - r->since;
	r->since = now;
	r->bytes += bytes;
	if (r->ns < RATE_NS)
		return;
	reading = (uint64_t)((double)r->bytes * 1e9 / (double)r->ns);
	if (!r->per_second)
		r->per_second = reading;
	else if (reading > r->per_second)
		r->per_second += (reading - r->per_second) / QUICKLY;
	else
		r->per_second -= (r->per_second - reading) / SLOWLY;
	r->ns = 0;
	r->bytes = 0;
}

uint64_t rate_bytes(const struct rate *r, uint64_t ns)
{
	return (uint64_t)((double)r->per_second * (double)ns / 1e9);
}

uint64_t rate_ns(const struct rate *r, uint64_t bytes)
{
	return r->per_second ? (uint64_t)((double)bytes * 1e9 / (double)r->per_second) : 0;
}
