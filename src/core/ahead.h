/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RDMACHUNK_CORE_AHEAD_H
#define RDMACHUNK_CORE_AHEAD_H

#include <stdbool.h>
#include <stdint.h>

#include "core/extent_map.h"

/*
 * Registration ahead of QEMU: how much at once, and what next. To register a
 * whole region before its first byte is sent leaves the wire idle meanwhile; so
 * the first piece is small, and each further one is registered while the data of
 * those before it flows. A piece is as long as all that is registered already,
 * so that there are few of them and each is done when it is needed.
 *
 *      |--16M--|--16M--|------32M------|-------------64M-------------|   up to 2^shift
 */

#define AHEAD_FIRST_SHIFT 24

/* log2 of the bytes of the piece after those in `map`: what they hold, rounded
 * up; `shift` at most. */
unsigned int ahead_shift(const struct extent_map *map, unsigned int shift);

/*
 * Where the next piece begins at the earliest: the first free address from
 * `from` on. False when as much is registered in front of QEMU, which is at
 * `position`, as it has passed, or as a piece has at most: when QEMU has not yet
 * come to the last piece, that is. False at the end of the block.
 */
bool ahead_start(const struct extent_map *map, uint64_t block_length, uint64_t position,
		 uint64_t from, unsigned int shift, uint64_t *start);

/* The piece of 2^shift bytes at most that begins at `start`, which is free: to the
 * end of the aligned region around it, clipped to what is registered, and to the
 * block. */
struct range ahead_piece(const struct extent_map *map, uint64_t block_length, uint64_t start,
			 unsigned int shift);

#endif
