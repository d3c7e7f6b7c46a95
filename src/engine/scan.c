/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/scan.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* Pages that one call of mincore(2) is asked about. */
#define PAGES 512

static bool is_zero(const char *p, size_t len)
{
	return !*p && !memcmp(p, p + 1, len - 1);
}

/* Takes the bytes that it reads from *budget, and gives up when that is used up. */
static bool page_has_data(const char *page, uint64_t length, uint64_t *budget)
{
	if (*budget < length)
		*budget = 0;
	else
		*budget -= length;
	return *budget && !is_zero(page, length);
}

/*
 * guest_memory.has_data. A page that is not resident is not touched: to read it
 * would allocate it, or fail where huge pages have run out. What is swapped out is
 * QEMU's to find.
 */
static bool has_data(void *context, uint64_t start, uint64_t length, uint64_t *budget)
{
	uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
	char *addr = (char *)(uintptr_t)start;
	unsigned char resident[PAGES];
	int error = errno;

	(void)context;
	for (uint64_t at = 0; at < length; at += PAGES * page) {
		uint64_t part = length - at < PAGES * page ? length - at : PAGES * page;

		if (mincore(addr + at, part, resident)) {
			errno = error;
			return false;
		}
		for (uint64_t i = 0; i * page < part && *budget; i++) {
			uint64_t rest = part - i * page;

			if (resident[i] & 1 &&
			    page_has_data(addr + at + i * page, rest < page ? rest : page, budget))
				return true;
		}
	}
	return false;
}

const struct guest_memory scan_memory = {.has_data = has_data};
