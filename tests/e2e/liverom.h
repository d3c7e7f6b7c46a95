/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A guest that does nothing but dirty its memory, as a firmware image: it runs from reset. */
#ifndef TESTS_E2E_LIVEROM_H
#define TESTS_E2E_LIVEROM_H

#include <stdint.h>

#include "ab/failure.h"

/*
 * Where in RAM the program counts its rounds, as a 32-bit little endian number. In each round it
 * writes that number into the same random pages from LIVEROM_START on, one of LIVEROM_STRIDE bytes
 * of RAM: pages that have data, and pages that were zero. So many are the least: enough that each
 * is out of QEMU's TLB before it is written again. Without KVM, QEMU may miss a write to a page
 * that is still in there since it last asked what is dirty, whatever the transport.
 */
#define LIVEROM_COUNTER 0x1000u
#define LIVEROM_START	0x100000u
#define LIVEROM_STRIDE	0x9000u
#define LIVEROM_LEAST	7000u

/* Write the image for a guest with @ram_size bytes of RAM (a power of two below 2 GiB) to the file
 * @path. */
int liverom_write(const char *path, uint64_t ram_size, struct failure *failure);

#endif
