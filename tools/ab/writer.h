/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A guest that writes to its memory at a given rate, as a firmware image: it runs from reset. */
#ifndef TOOLS_AB_WRITER_H
#define TOOLS_AB_WRITER_H

#include <stdint.h>

#include "failure.h"

/* Least RAM of its guest, in bytes, and the rates that it can be told, in bytes a second. */
#define WRITER_RAM_MIN	(UINT64_C(64) << 20)
#define WRITER_RATE_MIN (UINT64_C(64) << 10)
#define WRITER_RATE_MAX (UINT64_C(64) << 30)

/*
 * What it writes to: a quarter of RAM from 1 MiB on, 32 MiB at least and 1 GiB at most. These are
 * more pages than QEMU has in its TLB: without KVM it may miss a write to one that is in there
 * since it last asked what is dirty, whatever the transport.
 */
#define WRITER_START 0x100000u
uint64_t writer_area(uint64_t ram_size);

/*
 * Write the image for a guest of @ram_size bytes to the file @path. The guest writes into one page
 * after the other, the number of writes until then, and begins again at the end: in the second
 * @rate bytes of memory become dirty, or as much as it can. Its clock is the PIT that PCs have. As
 * large as QEMU's own firmware for them, so that a destination needs no image. Returns 0, or -1.
 */
int writer_write(const char *path, uint64_t ram_size, uint64_t rate, struct failure *failure);

#endif
