/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A driver of QEMU's virtio-balloon device, from outside the guest: what it asks for, QEMU itself
 * discards (ram_block_discard_range in system/physmem.c), as it does for a guest. The device is a
 * legacy virtio-pci one in a fixed slot of q35's root bus (virtio 0.9.5: registers, ring layout).
 */
#ifndef TESTS_E2E_BALLOON_H
#define TESTS_E2E_BALLOON_H

#include <stdint.h>

#include "qtest.h"

/* -device's value, at both ends. */
#define BALLOON_DEVICE "virtio-balloon-pci,bus=pcie.0,addr=5,free-page-reporting=on"

/* Guest memory that the driver needs for its rings, from an address that is a multiple of 4 KiB. */
#define BALLOON_RINGS_SIZE 0x5000u

/* The balloon's unit, whatever pages the host has. */
#define BALLOON_PAGE 4096u

struct balloon {
	struct qtest *qtest; /* whose status tells whether a call has failed */
	uint64_t rings;
	uint16_t inflated, reported; /* requests until now */
};

/* Set the device up, with rings in the guest's memory at @rings. */
void balloon_start(struct balloon *balloon, struct qtest *qtest, uint64_t rings);

/*
 * Put guest pages into the balloon, one request: @length is a multiple of BALLOON_PAGE, 512 pages
 * at most. QEMU discards each host page of which all parts have been put there.
 */
void balloon_inflate(struct balloon *balloon, uint64_t address, uint64_t length);

/* Report guest memory as free: QEMU discards it at once. It has to consist of whole host pages. */
void balloon_report(struct balloon *balloon, uint64_t address, uint64_t length);

#endif
