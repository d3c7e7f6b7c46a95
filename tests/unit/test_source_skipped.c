/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "core/source.h"
#include "qemu.h"

/*
 * A guest tells QEMU which of its pages are free (virtio-balloon's free-page-hint), and QEMU does
 * not send them in its first pass, whatever they hold (migration/ram.c, qemu_guest_free_page_hint).
 * Here it is data, and QEMU goes past it.
 */

#define CHUNKS 2000

static struct qemu q;

static void start(void)
{
	const uint64_t lengths[] = {CHUNKS * MIB};

	qemu_start(&q, 30, MIB, lengths, 1);
	q.source.prefetch.on = true;
}

/* QEMU writes chunk after chunk, every `step`th one. */
static void write_every(unsigned int step)
{
	struct message none;

	for (unsigned int chunk = 0; chunk < CHUNKS; chunk += step) {
		qemu_write(&q, 0, chunk, 0);
		while (qemu_look(&q, 0))
			qemu_answer_ahead(&q, &none);
	}
}

/* MiB, at both ends. */
static uint64_t registered(void)
{
	return extent_map_bytes(&q.source.blocks.block[0].remote, (struct range){0, UINT64_MAX}) /
	       MIB;
}

/* A third more than stock QEMU registers, and what was ahead of QEMU when it came to a gap. */
START_TEST(what_qemu_does_not_send_is_not_registered)
{
	start();
	write_every(16);
	ck_assert_uint_le(registered(), CHUNKS / 16 * 4 / 3 + 64);
	source_clear(&q.source);
}
END_TEST

START_TEST(what_it_sends_is_registered_ahead)
{
	start();
	write_every(1);
	ck_assert_uint_eq(registered(), CHUNKS);
	ck_assert_uint_lt(q.sent, 10);
	source_clear(&q.source);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("source_skipped");
	TCase *skipped = tcase_create("skipped");

	tcase_add_test(skipped, what_qemu_does_not_send_is_not_registered);
	tcase_add_test(skipped, what_it_sends_is_registered_ahead);
	suite_add_tcase(suite, skipped);
	return unit_run(suite);
}
