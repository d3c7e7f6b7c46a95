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

static void store32(uint8_t *p, uint32_t v)
{
	for (int i = 3; i >= 0; i--, v >>= 8)
		p[i] = (uint8_t)v;
}

void message_put32(struct message *m, uint32_t v)
{
	expect(m->len + 4 <= sizeof(m->data), "room in the message", m->len);
	store32(m->data + m->len, v);
	m->len += 4;
	store32(m->data, (uint32_t)(m->len - 16));
}

void message_put64(struct message *m, uint64_t v)
{
	message_put32(m, (uint32_t)(v >> 32));
	message_put32(m, (uint32_t)v);
}

void message_begin(struct message *m, uint32_t type, uint32_t repeat)
{
	memset(m, 0, sizeof(*m));
	store32(m->data + 4, type);
	store32(m->data + 8, repeat);
	m->len = 16;
}

uint32_t message_get32(const void *msg, size_t at)
{
	const uint8_t *p = (const uint8_t *)msg + at;
	uint32_t v = 0;

	for (int i = 0; i < 4; i++)
		v = v << 8 | p[i];
	return v;
}

uint64_t message_get64(const void *msg, size_t at)
{
	return (uint64_t)message_get32(msg, at) << 32 | message_get32(msg, at + 4);
}

void message_register(struct message *m, uint32_t type, uint64_t addr, uint32_t block,
		      uint64_t chunks)
{
	message_begin(m, type, 1);
	message_put64(m, addr);
	message_put32(m, block);
	message_put32(m, 0);
	message_put64(m, chunks);
}

void message_result(struct message *m, uint32_t rkey, uint64_t host_addr)
{
	message_begin(m, 8, 1);
	message_put32(m, rkey);
	message_put32(m, 0);
	message_put64(m, host_addr);
}

void message_put_block(struct message *m, uint64_t host_addr, uint64_t offset, uint64_t length)
{
	message_put64(m, host_addr);
	message_put64(m, offset);
	message_put64(m, length);
	message_put64(m, 0);
}

/* splitmix64 */
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
