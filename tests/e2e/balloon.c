// SPDX-License-Identifier: GPL-2.0-or-later
#include "balloon.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define CONFIG_ADDRESS 0xcf8
#define CONFIG_DATA    0xcfc
#define CONFIG_DEVICE  (0x80000000u | 5 << 11)

/* Where the device's registers are put: nothing else of q35 is there. */
#define BAR 0xc000

enum {
	REG_GUEST_FEATURES = BAR + 4,
	REG_QUEUE_PAGE = BAR + 8,
	REG_QUEUE_SIZE = BAR + 12,
	REG_QUEUE_SELECT = BAR + 14,
	REG_QUEUE_NOTIFY = BAR + 16,
	REG_STATUS = BAR + 18,
};

#define VIRTIO_BALLOON_ID 0x10021af4u
#define F_REPORTING	  (1u << 5)
#define STATUS_DRIVER	  3
#define STATUS_DRIVER_OK  7
#define DESC_WRITE	  2

/* Without free page hints the queue for reports comes right after that for statistics. */
enum { QUEUE_INFLATE = 0, QUEUE_REPORT = 3 };

/* Sizes as QEMU makes them (hw/virtio/virtio-balloon.c), and where the rings are. */
#define INFLATE_SIZE 128
#define REPORT_SIZE  32
#define INFLATE_AT   0
#define REPORT_AT    0x2000
#define NUMBERS_AT   0x4000

static void select_register(struct qtest *q, unsigned int offset)
{
	qtest_out(q, CONFIG_ADDRESS, 4, CONFIG_DEVICE | offset);
}

static void set_queue(struct balloon *b, unsigned int queue, unsigned int size, uint64_t at)
{
	struct qtest *q = b->qtest;
	uint32_t actual;

	qtest_out(q, REG_QUEUE_SELECT, 2, queue);
	actual = qtest_in(q, REG_QUEUE_SIZE, 2);
	if (!qtest_status(q) && actual != size)
		fail(q->failure, "%s: the balloon's queue %u has %u entries, not %u", q->name,
		     queue, actual, size);
	qtest_memset(q, b->rings + at, 0x2000, 0);
	qtest_out(q, REG_QUEUE_PAGE, 4, (uint32_t)((b->rings + at) / 4096));
}

void balloon_start(struct balloon *balloon, struct qtest *qtest, uint64_t rings)
{
	*balloon = (struct balloon){.qtest = qtest, .rings = rings};
	select_register(qtest, 0);
	if (qtest_in(qtest, CONFIG_DATA, 4) != VIRTIO_BALLOON_ID && !qtest_status(qtest))
		fail(qtest->failure, "%s: there is no balloon in slot 5", qtest->name);
	select_register(qtest, 0x10);
	qtest_out(qtest, CONFIG_DATA, 4, BAR);
	/* I/O ports, memory, bus mastering. */
	select_register(qtest, 4);
	qtest_out(qtest, CONFIG_DATA, 2, 7);
	qtest_out(qtest, REG_STATUS, 1, STATUS_DRIVER);
	qtest_out(qtest, REG_GUEST_FEATURES, 4, F_REPORTING);
	set_queue(balloon, QUEUE_INFLATE, INFLATE_SIZE, INFLATE_AT);
	set_queue(balloon, QUEUE_REPORT, REPORT_SIZE, REPORT_AT);
	qtest_out(qtest, REG_STATUS, 1, STATUS_DRIVER_OK);
}

/*
 * One request of one buffer, always through the first descriptor: QEMU is through with a request
 * when the write to the notification register returns.
 */
static void request(struct balloon *b, unsigned int queue, unsigned int size, uint64_t ring,
		    uint16_t *requests, uint64_t address, uint64_t length, unsigned int flags)
{
	uint64_t available = ring + 16 * size, used;
	struct qtest *q = b->qtest;
	uint16_t done;

	used = (available + 6 + 2 * size + 4095) & ~UINT64_C(4095);
	qtest_write(q, ring, 8, address);
	qtest_write(q, ring + 8, 4, length);
	qtest_write(q, ring + 12, 4, flags);
	qtest_write(q, available + 4 + 2 * (*requests % size), 2, 0);
	++*requests;
	qtest_write(q, available + 2, 2, *requests);
	qtest_out(q, REG_QUEUE_NOTIFY, 2, queue);
	done = (uint16_t)qtest_read(q, used + 2, 2);
	if (!qtest_status(q) && done != *requests)
		fail(q->failure, "%s: the balloon has done %u requests of %u", q->name, done,
		     *requests);
}

void balloon_inflate(struct balloon *balloon, uint64_t address, uint64_t length)
{
	uint64_t numbers = balloon->rings + NUMBERS_AT, pages = length / BALLOON_PAGE;
	char lines[512 * 48];
	size_t used = 0;

	for (uint64_t i = 0; i < pages && i < 512; i++)
		used += (size_t)snprintf(lines + used, sizeof(lines) - used,
					 "writel 0x%" PRIx64 " 0x%" PRIx64 "\n", numbers + 4 * i,
					 address / BALLOON_PAGE + i);
	qtest_send(balloon->qtest, lines);
	request(balloon, QUEUE_INFLATE, INFLATE_SIZE, balloon->rings + INFLATE_AT,
		&balloon->inflated, numbers, 4 * pages, 0);
}

void balloon_report(struct balloon *balloon, uint64_t address, uint64_t length)
{
	request(balloon, QUEUE_REPORT, REPORT_SIZE, balloon->rings + REPORT_AT, &balloon->reported,
		address, length, DESC_WRITE);
}
