/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RDMACHUNK_CORE_PREFETCH_H
#define RDMACHUNK_CORE_PREFETCH_H

#include <stdbool.h>
#include <stdint.h>

#include "core/data_run.h"
#include "core/extent_map.h"
#include "core/piece.h"
#include "core/ram_blocks.h"
#include "core/rate.h"

/*
 * Registration ahead of QEMU, at a source: how much at once, and what next.
 *
 * The wire has work for as long as there is data that both ends have registered. So there is
 * to be as much of it in front of QEMU as the wire takes while the next piece is registered, and
 * a little more; and no more than that, for QEMU may never come to it. A piece is a run of
 * data, as long as the slower of the two ends registers in PIECE_NS (core/piece.h), and in a few
 * times what the request for it waits for: it goes behind the WRITEs that are on the wire; never in
 * more than PIECE_NS_MOST. Where the destination is quicker than the wire, as one that has
 * registered ahead, no longer than keeps the wire busy; and never longer than one thread of this
 * end registers in PIECE_NS_MOST, as QEMU's thread there may have to. While the destination
 * registers one, the next is looked for, and this end registers its own part.
 *
 *      QEMU is here
 *           |=registered=|=registered=|=asked for=|-planned-|....
 *           |<------------- enough ------------>|
 */

/* Beside the pieces, data in front of QEMU lasts for this long at the wire's rate: rounds of
 * QEMU's, between which the destination does not register, are 50 ms. */
#define PREFETCH_AHEAD_NS UINT64_C(20000000)

/*
 * The tail of the first pass is what the wire takes in PREFETCH_TAIL_NS, PREFETCH_TAIL_BYTES at
 * most. QEMU stops the guest when what is left takes no longer than its downtime-limit, 300 ms by
 * default (migration/migration.c, migration_iteration_run), and looks after each of its
 * iterations, of 50 ms. Of a guest that writes little the blackout would be all of 300 ms, for
 * memory that was there all along. So all of the tail is registered; and from then on QEMU's WRITEs
 * are taken in as quickly as it makes them, as many as stock QEMU has on the wire
 * (RDMA_SIGNALED_SEND_MAX, of 1 MiB). The iteration then ends with nothing left, and QEMU waits for
 * the wire while the guest runs.
 */
#define PREFETCH_TAIL_NS UINT64_C(1000000000)
#ifndef PREFETCH_TAIL_BYTES
#define PREFETCH_TAIL_BYTES (UINT64_C(512) << 20)
#endif

/*
 * From when a piece is to be asked for until the destination has registered it, its extent
 * is in the block's map with this in the place of an rkey, so that nothing else is asked
 * for there.
 */
#define PREFETCH_NO_RKEY_YET UINT64_MAX

/*
 * Once QEMU has been through a block, what is registered there is all that had data. Chunks that
 * get data later mostly do so one after the other: so only behind one that QEMU asks for is more
 * looked for, and a piece takes PREFETCH_PASSED_NS at each end, of which one is ahead of QEMU. A
 * page that the guest writes as it is stopped has to wait for that in the blackout: for one in each
 * of two regions 4 ms, where stock QEMU takes its chunks' time; by 10 ms more than that we may be
 * worse.
 */
#define PREFETCH_PASSED_NS UINT64_C(2000000)

struct prefetch {
	bool on;
	/* Where QEMU is: the end of what it asked for or zeroed last. */
	bool known;
	/* It was in `block` before, if we do not know any better. */
	bool seen;
	uint32_t block;
	uint64_t position;
	/* Up to here there is no data in memory that is not registered or planned. */
	uint64_t scanned;
	/* Where QEMU has been through the block: up to here data may follow what it asked for. */
	uint64_t follows;
	/* Where the last piece begins that was asked for since QEMU came to the block. */
	uint64_t last;
	/* What QEMU has asked for; and of what was asked for ahead of it what it went past in the
	 * first pass, in bytes. */
	uint64_t used, skipped;
	/* What the destination is asked for next, in `block`; empty when there is none. No
	 * part of it is registered. */
	struct range planned;
	/* Up to here this process has registered, or is registering, all of what the destination
	 * was asked for in front of QEMU: so that nobody looks through it again. */
	uint64_t covered;
	/* What it is asked for, while it has not answered. */
	uint32_t asked_block;
	struct range asked;
	/* It has a request, QEMU's or ours, that it has not answered: since when, and what that
	 * waited for until then, in ns. */
	bool open;
	uint64_t asked_at, queue_ns;
	/* QEMU had to wait for one of the last pieces: how many of them that is to count for. */
	unsigned int late;
	/* What was seen of the ends. */
	struct piece there, here;
	/* Here threads are registering since then; and what they have, in bytes. */
	bool here_works;
	uint64_t here_since; /* ns */
	uint64_t here_bytes;
	uint64_t per_second;  /* bytes on the wire, at the last request; 0 while not known */
	unsigned int threads; /* register here, in the first pass */
	/* The piece of 2^shift bytes at most; are gaps in it bridged? */
	unsigned int shift;
	bool bridge;
	struct guest_memory memory;
};

/* Guest memory in which to look for the next run of data. */
struct prefetch_scan {
	uint32_t block;
	bool passed;	    /* QEMU has been through it */
	struct range range; /* where the run may begin */
	uint64_t end;	    /* and where it ends at the latest */
	uint64_t position;  /* where QEMU was */
	struct data_run_place place;
	uint64_t bytes;	 /* the run has at most */
	uint64_t window; /* and it is in one of these, a power of two */
	bool bridge;
};

void prefetch_init(struct prefetch *p, unsigned int shift, unsigned int threads);

/* Bytes of the next piece, as far as time goes; and of one in a block that QEMU has been through,
 * which takes PREFETCH_PASSED_NS. Never more than 2^shift; may be less than a chunk. */
uint64_t prefetch_bytes(const struct prefetch *p);
uint64_t prefetch_bytes_passed(const struct prefetch *p);

/* The longest power of two in prefetch_bytes(): no piece reaches over a multiple of it. */
uint64_t prefetch_window(const struct prefetch *p);

/* What the slower end will need for the next piece, in ns; 0 while that is not known. */
uint64_t prefetch_ns(const struct prefetch *p);

/* What the destination will need for what is planned, likewise. */
uint64_t prefetch_planned_ns(const struct prefetch *p);

/* The bytes that should be registered in front of QEMU, for this wire. */
uint64_t prefetch_enough(const struct prefetch *p, const struct rate *wire);

/* Is QEMU in the tail of its first pass? */
bool prefetch_in_tail(const struct prefetch *p, const struct ram_blocks *blocks,
		      const struct rate *wire);

/* Has the destination registered all data in front of QEMU, in the block that it is in? */
bool prefetch_is_done(const struct prefetch *p, const struct ram_blocks *blocks);

/* As many are, or are asked for. */
uint64_t prefetch_ahead(const struct prefetch *p, const struct ram_blocks *blocks);

/* QEMU has come to `end` of a block, in bytes from its start. */
void prefetch_passed(struct prefetch *p, struct ram_blocks *blocks, uint32_t block, uint64_t end);

/* QEMU asks for `want` of a block, or sends zeros there: to be told before prefetch_passed(). What
 * is ahead of it and has data it comes to as well, unless the guest has said that it is free. */
void prefetch_comes(struct prefetch *p, const struct ram_blocks *blocks, uint32_t block,
		    struct range want, bool asks);

/* Is most of what is asked for ahead of QEMU of any use? */
bool prefetch_pays(const struct prefetch *p);

/* It has left the block that it was in, or gone back in it, to where we do not know. */
void prefetch_left(struct prefetch *p, struct ram_blocks *blocks);

/* Is it time to look for more? Then *scan is where: prefetch_find() does so, and
 * prefetch_scanned() is told. */
bool prefetch_next(const struct prefetch *p, const struct ram_blocks *blocks,
		   const struct rate *wire, uint64_t chunk_size, struct prefetch_scan *scan);

/* What to ask for; empty, at the end of scan->range, when there is no data in that. Reads
 * guest memory, and nothing of the connection's: needs no lock. */
struct range prefetch_find(const struct prefetch_scan *scan);

/* That is planned, unless QEMU has gone elsewhere meanwhile. */
void prefetch_scanned(struct prefetch *p, const struct ram_blocks *blocks,
		      const struct prefetch_scan *scan, struct range found);

/* QEMU itself asks for `range` of the block that it is in, of which nothing is registered. */
void prefetch_taken(struct prefetch *p, struct range range);

/* True when p->asked, of p->asked_block, is to be asked for now: of what was planned `most`
 * bytes. Not while a piece is asked for. */
bool prefetch_ask(struct prefetch *p, struct ram_blocks *blocks, uint64_t most);

/* The same for a range of the block that QEMU is in, which is free. False: there is no memory. */
bool prefetch_ask_for(struct prefetch *p, struct ram_blocks *blocks, struct range range);

/* The destination has answered, or has never been asked: rkey is PREFETCH_NO_RKEY_YET. */
void prefetch_answered(struct prefetch *p, struct ram_blocks *blocks, uint64_t rkey);

/* A request, QEMU's or ours, has been posted, behind WRITEs that take `queue_ns`; the destination
 * has answered it, and registered `bytes` for it, or 0 where that tells nothing. There is one at a
 * time. */
void prefetch_asked(struct prefetch *p, uint64_t now, uint64_t queue_ns);
void prefetch_measured(struct prefetch *p, uint64_t bytes, uint64_t now);

/* QEMU waits for what the destination is asked for. */
void prefetch_waited(struct prefetch *p);

/* This end took `ns` to register `bytes`. */
void prefetch_here(struct prefetch *p, uint64_t bytes, uint64_t ns);

/* One of the threads of this end took `ns`; `last`: none is at it any more. It is as
 * prefetch_here() for what they do together. */
void prefetch_here_part(struct prefetch *p, uint64_t now, uint64_t bytes, uint64_t ns, bool last);

/* What to register next in this process: a part of *block, the one that QEMU is in, from the
 * chunk at `from` on, that the destination has been asked for, and that is watched. False when
 * there is none. */
bool prefetch_local(const struct prefetch *p, const struct ram_blocks *blocks, uint64_t chunk_size,
		    uint64_t from, struct ram_block **block, struct range *range);

/* That is being registered: of the block that QEMU is in. */
void prefetch_local_begun(struct prefetch *p, struct range range);

/* QEMU itself has asked the destination for `range` of the block that it is in. */
void prefetch_recorded(struct prefetch *p, struct range range);

/* A huge page of zeros that lies in an MR stays pinned when QEMU gives it back, and the
 * guest that writes there again finds no other: it is ended (SIGBUS). */
bool prefetch_bridges(const struct prefetch *p, const struct ram_block *block);

/* The piece that begins at `start`, which is free: in whole chunks, to the end of the window of
 * `bytes` or one chunk around it, clipped to what is registered, and to the block. */
struct range prefetch_piece(const struct extent_map *map, uint64_t block_length, uint64_t start,
			    uint64_t bytes, uint64_t chunk_size);

#endif
