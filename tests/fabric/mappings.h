/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What this process has mapped where, from /proc/self/maps. Read when it is asked for and something
 * may have changed. No locks and no malloc: the caller serialises (pins.c does).
 */
#ifndef FABRIC_MAPPINGS_H
#define FABRIC_MAPPINGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct mapping {
	uintptr_t start, end;
	uint64_t offset; /* in the file, bytes */
	dev_t dev;
	ino_t ino; /* 0: no file */
	bool shared;
	bool writable;
};

/* Sorted by address. NULL, with a message on stderr, if they cannot be read. */
const struct mapping *fab_mappings(size_t *count);

/* Something may have been mapped, or unmapped, since. Any thread. */
void fab_mappings_changed(void);

#endif
