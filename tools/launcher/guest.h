/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RDMACHUNK_LAUNCHER_GUEST_H
#define RDMACHUNK_LAUNCHER_GUEST_H

#include <stdbool.h>

/* Memory of a guest that its migration registers, in bytes; 0 is unknown. */
struct guest {
	unsigned long long ram;
	unsigned long long video; /* of its display adapters */
};

/* For firmware and option ROMs, which are a few MiB, and the library's message buffers. */
#define GUEST_ROMS_BYTES (16ULL << 20)

/* SIZE as QEMU's -m takes it: MiB when there is no suffix. */
bool guest_parse_size(const char *text, unsigned long long *bytes);

/* Of which only the RAM is known: a display adapter of the larger kind. */
struct guest guest_of_size(unsigned long long ram);

/* By QEMU's command line: -m, -vga and -device, and QEMU's defaults for what it does not say. */
struct guest guest_of_command(char *const *argv);

/* All that is registered of it, or 0 when its RAM is not known. */
unsigned long long guest_registered(const struct guest *guest);

#endif
