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
 * tests/fabric's hca100g) 20 ms are 312 MiB, of which the fixed cost is 0.3 %.
 */
#define PIECE_NS UINT64_C(20000000)

/* Whatever is gained by a longer one, it is not to take more than this: a destination registers in
 * QEMU's main loop, and whoever asks it for something by QMP waits meanwhile. It is to be answered
 * in 50 ms, and now and then the next request is taken first. */
#define PIECE_NS_MOST UINT64_C(25000000)

/*
 * The first, so that the wire need not wait long for it; and the shortest of the others. Where a
 * page takes 12 us and a registration 2.4 ms, 20 ms would be 5.7 MiB, and the fixed cost 12 %; in
 * an emulated guest with rxe 2 MiB, and a registration and a message for each.
 *
 * No piece of a source's reaches over a multiple of the longest power of two that takes no
 * longer: a *window*. What one request is for has to be in one MR, so a destination can register
 * whole windows, the shortest of PIECE_LEAST, before it is asked for what is in them.
 */
#ifndef PIECE_FIRST /* less in one build of the simulation, and so is the next */
#define PIECE_FIRST (UINT64_C(4) << 20)
#endif
#ifndef PIECE_LEAST
#define PIECE_LEAST (UINT64_C(16) << 20)
#endif

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

/* The same, also when it is more than the next one has. One has been seen. */
uint64_t piece_rate_bytes(const struct piece *p, uint64_t ns);

/* What one of `bytes` takes. */
uint64_t piece_ns(const struct piece *p, uint64_t bytes);

#endif
