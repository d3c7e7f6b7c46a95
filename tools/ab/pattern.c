// SPDX-License-Identifier: GPL-2.0-or-later
#include "pattern.h"

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define PAGE  4096u
#define MIB   (1024u * 1024u)
#define WORDS (PAGE / sizeof(uint64_t))

static bool is_zero_mib(uint64_t mib, const struct pattern *pattern)
{
	double f = pattern->zero_fraction;

	return (uint64_t)((double)(mib + 1) * f) != (uint64_t)((double)mib * f);
}

static uint64_t mix(uint64_t x)
{
	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ull;
	x = (x ^ (x >> 27)) * 0x94d049bb133111ebull;
	return x ^ (x >> 31);
}

/* One multiplication for each word: filling must stay cheap in an emulated guest. */
static void fill_page(uint64_t *page, uint64_t seed, uint64_t index)
{
	uint64_t x = mix(seed * 0x9e3779b97f4a7c15ull + index + 1) | 1;

	page[0] = index + 1; /* distinct and never zero, whatever the generator gives */
	for (size_t i = 1; i < WORDS; i++) {
		x = x * 6364136223846793005ull + 1442695040888963407ull;
		page[i] = x;
	}
}

static int map_file(int fd, uint64_t size, int prot, unsigned char **mem, struct failure *failure)
{
	*mem = mmap(NULL, size, prot, MAP_SHARED, fd, 0);
	if (*mem == MAP_FAILED)
		return fail(failure, "cannot map %llu bytes of a RAM file: %s",
			    (unsigned long long)size, strerror(errno));
	return 0;
}

static int fill(int fd, uint64_t size, const struct pattern *pattern, bool junk,
		struct failure *failure)
{
	unsigned char *mem;

	if (ftruncate(fd, (off_t)size))
		return fail(failure, "cannot size a RAM file: %s", strerror(errno));
	if (map_file(fd, size, PROT_READ | PROT_WRITE, &mem, failure))
		return -1;
	for (uint64_t at = 0; at < size; at += PAGE) {
		bool zero = is_zero_mib(at / MIB, pattern);

		if (junk && zero)
			memset(mem + at, 0xa5, PAGE);
		else if (!junk && !zero)
			fill_page((uint64_t *)(mem + at), pattern->seed, at / PAGE);
	}
	munmap(mem, size);
	return 0;
}

int pattern_fill(int fd, uint64_t size, const struct pattern *pattern, struct failure *failure)
{
	return fill(fd, size, pattern, false, failure);
}

int pattern_fill_junk(int fd, uint64_t size, const struct pattern *pattern, struct failure *failure)
{
	return fill(fd, size, pattern, true, failure);
}

int pattern_compare(int fd_a, int fd_b, uint64_t size, struct comparison *result,
		    struct failure *failure)
{
	unsigned char *a, *b;

	*result = (struct comparison){0};
	if (map_file(fd_a, size, PROT_READ, &a, failure))
		return -1;
	if (map_file(fd_b, size, PROT_READ, &b, failure)) {
		munmap(a, size);
		return -1;
	}
	for (uint64_t at = 0; at < size; at += PAGE) {
		if (!memcmp(a + at, b + at, PAGE))
			continue;
		for (size_t i = 0; i < PAGE; i++)
			if (a[at + i] != b[at + i] && !result->differing_bytes++)
				result->first_difference = at + i;
	}
	munmap(a, size);
	munmap(b, size);
	return 0;
}
