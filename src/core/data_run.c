/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "core/data_run.h"

/* A gap this long is looked across, at the start of a run: data may follow that is
 * long enough to bridge it. */
#define LOOK_ACROSS (DATA_RUN_BUDGET / 4)

/* The chunk at `at`, or what there is of it. */
static uint64_t chunk_length(const struct data_run_place *place, uint64_t at, uint64_t end)
{
	return end - at < place->chunk ? end - at : place->chunk;
}

static bool has_data(const struct data_run_place *place, uint64_t at, uint64_t length,
		     uint64_t *budget)
{
	return place->memory->has_data(place->memory->context, place->addr + at, length, budget);
}

uint64_t data_run_find(const struct data_run_place *place, struct range range)
{
	uint64_t budget = UINT64_MAX;

	for (uint64_t at = range.start; at < range.end; at += place->chunk)
		if (has_data(place, at, chunk_length(place, at, range.end), &budget))
			return at;
	return range.end;
}

/* As data_run_end(), and whether a gap at the end of the range is one within the data is looked
 * for up to `beyond`. */
static uint64_t find_end(const struct data_run_place *place, struct range range, uint64_t beyond,
			 bool bridge)
{
	uint64_t end = range.start + chunk_length(place, range.start, range.end);
	uint64_t budget = DATA_RUN_BUDGET, gaps = 0, since;

	for (uint64_t at = end; at < beyond && end < range.end; at += place->chunk) {
		uint64_t length = chunk_length(place, at, at < range.end ? range.end : beyond);

		if (has_data(place, at, length, &budget)) {
			uint64_t to = at < range.end ? at + length : range.end;

			if (gaps <= (to - range.start) / 4)
				end = to;
			continue;
		}
		gaps += length;
		since = at + length - end;
		if (!bridge || !budget || (since > LOOK_ACROSS && since > (end - range.start) / 4))
			break;
	}
	return end;
}

uint64_t data_run_end(const struct data_run_place *place, struct range range, bool bridge)
{
	return find_end(place, range, range.end, bridge);
}

uint64_t data_run_end_in_window(const struct data_run_place *place, struct range range,
				uint64_t limit, bool bridge)
{
	uint64_t more = (range.end - range.start) / 4 / place->chunk * place->chunk;

	if (!bridge || limit <= range.end)
		return data_run_end(place, range, bridge);
	if (more > limit - range.end)
		more = limit - range.end;
	return find_end(place, range, range.end + more, true);
}
