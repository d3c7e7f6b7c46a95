/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RDMACHUNK_CORE_PIECE_H
#define RDMACHUNK_CORE_PIECE_H

#include <stdint.h>

/*
 * How much one end registers at once: about as much as takes it a given time, by what the pieces
 * before it took. Whoever needs the end for something else, QEMU's own messages at the
 * destination, or its tear-down here, waits for one piece at most.
 *
 * A piece has a cost of its own besides that of its pages, so short ones would leave the wire
 * waiting: at an adapter that takes 50 us for a registration and 0.25 us for a page (the figures of
 * tests/fabric's hca100g) 20 ms are 312 MiB, of which the fixed cost is 0.3 %. Where a page takes
 * 12 us and a registration 2.4 ms, they are 5.7 MiB, and 12 %.
 */
#define PIECE_NS UINT64_C(20000000)

/*
 * No piece of a source's reaches over a multiple of a power of two that is at least as long as the
 * piece: a *window*. So a destination can register whole windows before it is asked for what is in
 * them, since what one request is for has to be in one MR. Shorter windows than this one are not
 * worth an MR.
 */
#ifndef PIECE_WINDOW /* less in one build of the simulation, and so is the next */
#define PIECE_WINDOW (UINT64_C(8) << 20)
#endif

/* The first, and the shortest that is worth a request of its own. */
#ifndef PIECE_FIRST
#define PIECE_FIRST (UINT64_C(4) << 20)
#endif
#define PIECE_LEAST (UINT64_C(1) << 20)

struct piece {
	uint64_t bytes; /* of the next one */
	uint64_t ns;	/* that it will take as far as is known, 0: nothing is */
};

void piece_init(struct piece *p);

/* One of `bytes` took `ns`; the next one should take `wanted`. It has at most twice or half as much
 * as this was to have, and `most` bytes at most. */
void piece_took(struct piece *p, uint64_t bytes, uint64_t ns, uint64_t wanted, uint64_t most);

/* How much takes `ns` at most; no more than the next one has. */
uint64_t piece_within(const struct piece *p, uint64_t ns);

/* What one of `bytes` takes. */
uint64_t piece_ns(const struct piece *p, uint64_t bytes);

#endif
