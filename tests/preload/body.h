/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RDMACHUNK_TESTS_PRELOAD_BODY_H
#define RDMACHUNK_TESTS_PRELOAD_BODY_H

#include <stdint.h>

/* What follows the header of QEMU's control messages, big endian (migration/rdma.c). */

struct ram_block_body {
	uint64_t host_addr, offset, length;
	uint32_t rkey, padding;
} __attribute__((packed));

struct register_body {
	uint64_t addr;
	uint32_t block, padding;
	uint64_t chunks;
} __attribute__((packed));

struct result_body {
	uint32_t rkey, padding;
	uint64_t host_addr;
} __attribute__((packed));

struct compress_body {
	uint32_t value, block;
	uint64_t addr, length;
} __attribute__((packed));

#endif
