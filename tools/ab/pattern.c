// SPDX-License-Identifier: GPL-2.0-or-later
#include "pattern.h"

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "wait.h"

#define PAGE  ((size_t)4096)
#define MIB   ((size_t)1 << 20)
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

static bool has_data(uint64_t page, const struct pattern *pattern)
{
	return pattern->sparse < 2 || page % pattern->sparse == 0;
}

static int write_all(int fd, const unsigned char *buf, size_t len, uint64_t at,
		     struct failure *failure)
{
	while (len) {
		ssize_t n = pwrite(fd, buf, len, (off_t)at);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return fail(failure, "cannot fill a RAM file: %s", strerror(errno));
		buf += n;
		len -= (size_t)n;
		at += (uint64_t)n;
	}
	return 0;
}

/* write(2), not stores into a mapping: a full file system is an error then, and not a signal. */
static int fill(int fd, uint64_t size, const struct pattern *pattern, bool junk,
		struct failure *failure)
{
	unsigned char *buf;
	int ret = 0;

	if (ftruncate(fd, 0) || ftruncate(fd, (off_t)size))
		return fail(failure, "cannot size a RAM file: %s", strerror(errno));
	buf = malloc(MIB);
	if (!buf)
		return fail(failure, "no memory");
	for (uint64_t at = 0; at < size && !ret; at += MIB) {
		size_t len = size - at < MIB ? (size_t)(size - at) : MIB;
		bool zero = is_zero_mib(at / MIB, pattern);

		if (wait_stop_signal())
			ret = fail(failure, "interrupted");
		if (ret || junk != zero)
			continue;
		memset(buf, junk ? 0xa5 : 0, len);
		for (size_t i = 0; !junk && i < len; i += PAGE)
			if (has_data((at + i) / PAGE, pattern))
				fill_page((uint64_t *)(buf + i), pattern->seed, (at + i) / PAGE);
		if (junk || pattern->sparse < 2) {
			ret = write_all(fd, buf, len, at, failure);
			continue;
		}
		for (size_t i = 0; i < len && !ret; i += PAGE)
			if (has_data((at + i) / PAGE, pattern))
				ret = write_all(fd, buf + i, PAGE, at + i, failure);
	}
	free(buf);
	return ret;
}

int pattern_fill(int fd, uint64_t size, const struct pattern *pattern, struct failure *failure)
{
	return fill(fd, size, pattern, false, failure);
}

int pattern_fill_junk(int fd, uint64_t size, const struct pattern *pattern, struct failure *failure)
{
	return fill(fd, size, pattern, true, failure);
}

static int read_all(int fd, unsigned char *buf, size_t len, uint64_t at, struct failure *failure)
{
	while (len) {
		ssize_t n = pread(fd, buf, len, (off_t)at);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return fail(failure, "cannot read a RAM file: %s",
				    n ? strerror(errno) : "it is too short");
		buf += n;
		len -= (size_t)n;
		at += (uint64_t)n;
	}
	return 0;
}

int pattern_compare(int fd_a, int fd_b, uint64_t size, struct comparison *result,
		    struct failure *failure)
{
	unsigned char *a = malloc(2 * MIB), *b;
	int ret = 0;

	*result = (struct comparison){0};
	if (!a)
		return fail(failure, "no memory");
	b = a + MIB;
	for (uint64_t at = 0; at < size && !ret; at += MIB) {
		size_t len = size - at < MIB ? (size_t)(size - at) : MIB;

		if (wait_stop_signal())
			ret = fail(failure, "interrupted");
		if (ret || (ret = read_all(fd_a, a, len, at, failure)) ||
		    (ret = read_all(fd_b, b, len, at, failure)) || !memcmp(a, b, len))
			continue;
		for (size_t i = 0; i < len; i++)
			if (a[i] != b[i] && !result->differing_bytes++)
				result->first_difference = at + i;
	}
	free(a);
	return ret;
}
