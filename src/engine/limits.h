/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RDMACHUNK_ENGINE_LIMITS_H
#define RDMACHUNK_ENGINE_LIMITS_H

#include <stdbool.h>

/* What this process and its peers cannot register. */

/* Register nothing but what QEMU asks for, or will: there is a limit to the memory that
 * this process may lock, or a chunk of QEMU's could not be registered before. */
bool limits_tight(void);
void limits_note_failure(void);

/* The destination at `peer` has ended a migration while it was to register more than
 * stock QEMU would have asked for. Remembered for as long as the process lives. */
void limits_note_peer(const char *peer);
bool limits_peer(const char *peer);

#endif
