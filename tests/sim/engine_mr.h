/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RDMACHUNK_TESTS_SIM_ENGINE_MR_H
#define RDMACHUNK_TESTS_SIM_ENGINE_MR_H

#include <stdbool.h>
#include <stdint.h>

struct conn_wr;
struct ram_block;
struct ram_blocks;
struct world;

/* The source's local registrations, as src/engine/mr.c has them. */

/* QEMU registers: 0 when the memory cannot be, else the lkey. */
uint32_t engine_register(struct world *w, uint64_t addr, uint64_t length);

/* QEMU posts a WRITE: give it the lkey that it needs by now. Returns as post_send(). */
int engine_mr_renew(struct world *w, struct conn_wr *wr);

/* Give back MRs of which all has been discarded, once no WRITE needs them. */
void engine_mr_sweep(struct world *w);

/* Nothing is queued or on the wire any more: is each MR where it is said to be? */
void engine_mr_check(struct world *w);

/* The hook behind QEMU's discard of `count` pages from `first` on. Needs no lock. */
void engine_discarded(struct world *w, unsigned int first, unsigned int count);

/* Of both ends: discard_watch(), which may fail, and what it has the hook tell. */
bool engine_mr_watch(struct world *w, struct ram_block *block);
void engine_mr_report(struct world *w, struct ram_blocks *blocks, unsigned int first,
		      unsigned int count);

/* A step of the registration that is being made ahead of QEMU; true when it is over. */
bool engine_mr_ahead(struct world *w);

/* Is it busy in the kernel? Else it needs the lock to go on. */
bool engine_mr_ahead_pins(const struct world *w);

#endif
