/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The interval map, called in any order, against an array with a cell for each address. Where the
 * input says so, there is no memory.
 */
#include <errno.h>

#include "core/extent_map.h"
#include "extents.h"
#include "fuzz.h"

/* Ranges are given as cells. A cell is `unit` bytes, and the first one is at `base`. */
#define CELLS 96

static struct {
	uint64_t base, unit;
	unsigned int extent[CELLS]; /* which extent holds it; 0: none */
	uint64_t value[CELLS];	    /* that extent's */
	unsigned int last;	    /* the newest extent */
} model;

static bool no_memory;

void *__real_malloc(size_t size);
void *__wrap_malloc(size_t size);

void *__wrap_malloc(size_t size)
{
	return no_memory ? NULL : __real_malloc(size);
}

static uint64_t address(unsigned int cell)
{
	return model.base + cell * model.unit;
}

static struct range range_of(unsigned int from, unsigned int to)
{
	return (struct range){address(from), address(to)};
}

static bool is_free(unsigned int from, unsigned int to)
{
	for (unsigned int i = from; i < to; i++)
		if (model.extent[i])
			return false;
	return true;
}

/* The extent in `cell` from its first cell on, which is returned, to `end`. */
static unsigned int bounds_of(unsigned int cell, unsigned int *end)
{
	unsigned int first = cell;

	while (first > 0 && model.extent[first - 1] == model.extent[cell])
		first--;
	for (*end = cell; *end < CELLS && model.extent[*end] == model.extent[cell];)
		++*end;
	return first;
}

static bool starts_at(unsigned int cell)
{
	return cell < CELLS && model.extent[cell] &&
	       (cell == 0 || model.extent[cell - 1] != model.extent[cell]);
}

static void fill(unsigned int from, unsigned int to, unsigned int extent, uint64_t value)
{
	for (unsigned int i = from; i < to; i++) {
		model.extent[i] = extent;
		model.value[i] = value;
	}
}

/* The map has the extents of the model, in order, and no others. */
static void compare(const struct extent_map *map)
{
	const struct extent *extent = extent_map_first(map, 0);
	struct extents_shape shape;
	unsigned int end;
	size_t n = 0;

	ENSURE(!extents_check(map, &shape));
	for (unsigned int i = 0; i < CELLS; i = end) {
		bounds_of(i, &end);
		if (!model.extent[i])
			continue;
		ENSURE(extent);
		ENSURE(extent->range.start == address(i));
		ENSURE(extent->range.end == address(end));
		ENSURE(extent->value == model.value[i]);
		extent = extent_map_first(map, extent->range.end);
		n++;
	}
	ENSURE(n == map->count && !extent);
}

static void insert(struct extent_map *map, unsigned int from, unsigned int to, uint64_t value)
{
	int ret = extent_map_insert(map, range_of(from, to), value);

	if (from >= to)
		ENSURE(ret == -EINVAL);
	else if (!is_free(from, to))
		ENSURE(ret == -EEXIST);
	else
		ENSURE(ret == 0 || (ret == -ENOMEM && no_memory));
	if (!ret)
		fill(from, to, ++model.last, value);
}

static void set(struct extent_map *map, unsigned int at, uint64_t value)
{
	int ret = extent_map_set(map, address(at), value);
	unsigned int end;

	ENSURE(ret == (starts_at(at) ? 0 : -ENOENT));
	if (ret)
		return;
	bounds_of(at, &end);
	fill(at, end, model.extent[at], value);
}

static void remove_at(struct extent_map *map, unsigned int at)
{
	int ret = extent_map_remove(map, address(at));
	unsigned int end;

	ENSURE(ret == (starts_at(at) ? 0 : -ENOENT));
	if (ret)
		return;
	bounds_of(at, &end);
	fill(at, end, 0, 0);
}

static void cut(struct extent_map *map, unsigned int from, unsigned int to)
{
	struct extent piece = {{1, 2}, 3};
	int ret = extent_map_cut(map, range_of(from, to), &piece);
	unsigned int at = from, first, end;

	while (at < to && !model.extent[at])
		at++;
	if (at >= to) {
		ENSURE(ret == 0 && piece.range.start == 1 && piece.value == 3);
		return;
	}
	first = bounds_of(at, &end);
	if (ret == -ENOMEM) {
		ENSURE(no_memory && first < from && end > to);
		return;
	}
	ENSURE(ret == 1);
	ENSURE(piece.range.start == address(first < from ? from : first));
	ENSURE(piece.range.end == address(end > to ? to : end));
	ENSURE(piece.value == model.value[at]);
	if (first < from && end > to)
		fill(to, end, ++model.last, model.value[at]);
	fill(first < from ? from : first, end > to ? to : end, 0, 0);
}

/* What extent_map_replace() and extent_map_remove_value() are to find. Returns its bytes. */
static uint64_t give(unsigned int from, unsigned int to, uint64_t value, bool keep, uint64_t other)
{
	unsigned int first, end;
	uint64_t bytes = 0;

	for (unsigned int i = from; i < to; i = end) {
		first = bounds_of(i, &end);
		if (!model.extent[i] || model.value[i] != value)
			continue;
		bytes += address(end) - address(first);
		fill(first, end, keep ? model.extent[i] : 0, keep ? other : 0);
	}
	return bytes;
}

static void find(const struct extent_map *map, unsigned int from, unsigned int to)
{
	const struct extent *extent = extent_map_find(map, range_of(from, to));
	unsigned int first, end;

	first = bounds_of(from, &end);
	if (!model.extent[from] || end < to) {
		ENSURE(!extent);
		return;
	}
	ENSURE(extent && extent->range.start == address(first) &&
	       extent->range.end == address(end) && extent->value == model.value[from]);
}

static void gap(const struct extent_map *map, unsigned int from, unsigned int to,
		unsigned int before, unsigned int after)
{
	struct range found = {1, 2}, bounds;
	bool ret;

	before = before < from ? before : from;
	after = after > to ? after : to;
	bounds = range_of(before, after);
	ret = extent_map_gap(map, bounds, range_of(from, to), &found);
	ENSURE(ret == is_free(from, to));
	if (!ret) {
		ENSURE(found.start == 1 && found.end == 2);
		return;
	}
	while (from > before && !model.extent[from - 1])
		from--;
	while (to < after && !model.extent[to])
		to++;
	ENSURE(found.start == address(from) && found.end == address(to));
}

static void look(const struct extent_map *map, unsigned int from, unsigned int to)
{
	unsigned int used = from, end = CELLS, at = from;
	struct range next = {1, 2};
	uint64_t bytes = 0;

	for (unsigned int i = from; i < to; i++)
		bytes += model.extent[i] ? model.unit : 0;
	ENSURE(extent_map_bytes(map, range_of(from, to)) == bytes);

	while (at < CELLS && model.extent[at])
		at++;
	ENSURE(extent_map_free_at(map, address(from)) == address(at));

	while (used < CELLS && !model.extent[used])
		used++;
	ENSURE(extent_map_next(map, address(from), &next) == (used < CELLS));
	if (used < CELLS)
		ENSURE(next.start == address(bounds_of(used, &end)) && next.end == address(end));
	else
		ENSURE(next.start == 1 && next.end == 2);
}

static void call(struct extent_map *map, struct input *in)
{
	uint8_t what = input_8(in), value = input_8(in) % 4, other = input_8(in);
	unsigned int from = input_8(in) % (CELLS + 1), to = input_8(in) % (CELLS + 1);
	unsigned int low = from < to ? from : to, high = from < to ? to : from;

	/* Only insert and cut have something to say to an empty range. */
	if (low == high && low == CELLS)
		low--;
	else if (low == high)
		high++;
	no_memory = what & 0x80;
	switch (what % 9) {
	case 0:
	case 1:
		insert(map, from, to, value);
		break;
	case 2:
		set(map, from, value);
		break;
	case 3:
		remove_at(map, from);
		break;
	case 4:
		cut(map, from, to);
		break;
	case 5:
		ENSURE(extent_map_replace(map, range_of(low, high), value, other % 4) ==
		       give(low, high, value, true, other % 4));
		break;
	case 6:
		extent_map_remove_value(map, range_of(low, high), value);
		give(low, high, value, false, 0);
		break;
	case 7:
		find(map, low, high);
		break;
	default:
		gap(map, low, high, value * (CELLS / 4), other % (CELLS + 1));
		look(map, low, high);
	}
	compare(map);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint64_t units[] = {1, 4096, UINT64_C(1) << 20, UINT64_C(1) << 40};
	struct input in = {data, size};
	struct extent_map map = {0};
	uint8_t where = input_8(&in);

	memset(&model, 0, sizeof(model));
	model.unit = units[where % 4];
	/* At the beginning of all addresses, or at their end. */
	model.base = where & 4 ? UINT64_MAX - CELLS * model.unit : 0;
	while (in.left)
		call(&map, &in);
	no_memory = false;
	extent_map_clear(&map);
	ENSURE(!map.count && !map.root);
	return 0;
}
