/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "support.h"

#include <stdlib.h>
#include <string.h>

/* A fork of an instrumented process would look for leaks in what Check itself
 * has not freed yet. */
#if defined(__SANITIZE_ADDRESS__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SANITIZED 1
#endif
#endif

void fake_memory_hole(struct fake_memory *fake, uint64_t start, uint64_t end)
{
	expect(fake->holes < FAKE_HOLES, "room for a hole", start);
	fake->hole[fake->holes++] = (struct range){start, end};
}

static bool fake_has_data(void *context, uint64_t addr, uint64_t length, uint64_t *budget)
{
	struct fake_memory *fake = context;
	struct range range = {addr, addr + length};

	for (unsigned int i = 0; i < fake->holes; i++) {
		if (!range_contains(fake->hole[i], range))
			continue;
		fake->read += length;
		*budget -= length < *budget ? length : *budget;
		return false;
	}
	return *budget > 0;
}

struct guest_memory fake_memory_of(struct fake_memory *fake)
{
	return (struct guest_memory){fake_has_data, fake};
}

void *exact_copy(const void *data, size_t len)
{
	void *copy = malloc(len ? len : 1);

	ck_assert_ptr_nonnull(copy);
	memcpy(copy, data, len);
	return copy;
}

/* Check's limit of 4 s for a test is for one that hangs; on a machine that has other work a test
 * that does not hang takes longer. CK_TIMEOUT_MULTIPLIER multiplies it. Test cases are made before
 * unit_run() is called. */
__attribute__((constructor)) static void allow_for_load(void)
{
	setenv("CK_DEFAULT_TIMEOUT", "60", 0);
}

int unit_run(Suite *suite)
{
	SRunner *runner = srunner_create(suite);
	int failed;

#ifdef SANITIZED
	srunner_set_fork_status(runner, CK_NOFORK);
#endif
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
