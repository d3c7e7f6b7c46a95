/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "mutate.h"

#include <stdio.h>
#include <string.h>

#include "core/conn.h"
#include "core/registration.h"
#include "core/transmit.h"
#include "core/widen.h"
#include "core/zero_queue.h"
#include "interpose.h"

enum mutation {
	MUTATE_NOTHING,
	MUTATE_FENCE,
	MUTATE_STRICT,
	MUTATE_WAKE,
	MUTATE_FLUSH,
	MUTATE_READY,
	MUTATE_EXTENT,
	MUTATE_ERROR,
	MUTATE_ROUND,
	MUTATE_HELD,
	MUTATE_ROOM,
	MUTATE_HOLD,
	MUTATE_LATE,
	MUTATE_KEPT,
	MUTATE_DEAF,
	MUTATE_RESET,
	MUTATE_RESET_AHEAD,
	MUTATE_LKEY,
	MUTATE_HANDLE,
	MUTATE_ALL_AHEAD,
	MUTATE_PART,
	MUTATE_COUNT,
	MUTATE_SWEEP,
	MUTATE_SWEEP_WIRE,
	MUTATE_LEAK,
	MUTATE_MERGE,
	MUTATE_THERE,
	MUTATIONS
};

static const char *const names[MUTATIONS] = {
	[MUTATE_NOTHING] = "nothing",
	/* hazard 1: a write passes the zero run that it overlaps */
	[MUTATE_FENCE] = "fence",
	/* a strict SEND passes the writes before it */
	[MUTATE_STRICT] = "strict",
	/* QEMU sleeps, and nobody listens for the READY that its write waits for */
	[MUTATE_WAKE] = "wake",
	/* QEMU sleeps, and writes are still held back to be merged */
	[MUTATE_FLUSH] = "flush",
	/* the READY for a zero run that QEMU believes answered reaches QEMU */
	[MUTATE_READY] = "ready",
	/* the destination is asked for less than is noted as registered */
	[MUTATE_EXTENT] = "extent",
	/* a WRITE's failure is not told */
	[MUTATE_ERROR] = "error",
	/* a request of our own goes out when the destination expects something else */
	[MUTATE_ROUND] = "round",
	/* QEMU asks for what is being registered, and the answer is not passed on */
	[MUTATE_HELD] = "held",
	/* more is posted than the send queue has room for */
	[MUTATE_ROOM] = "room",
	/* writes wait for a zero run that is none of theirs */
	[MUTATE_HOLD] = "hold",
	/* a write on a broken connection is taken for a success */
	[MUTATE_LATE] = "late",
	/* what was kept back when the connection broke is let go as a success */
	[MUTATE_KEPT] = "kept",
	/* a discard goes unnoticed */
	[MUTATE_DEAF] = "deaf",
	/* a registration forgets the discards that come while the NIC pins */
	[MUTATE_RESET] = "reset",
	/* and so does one ahead of QEMU */
	[MUTATE_RESET_AHEAD] = "reset-ahead",
	/* memory is registered afresh, and the WRITE that needs it has the old lkey */
	[MUTATE_LKEY] = "lkey",
	/* that WRITE has the new lkey, and later ones that of QEMU's handle */
	[MUTATE_HANDLE] = "handle",
	/* what was registered afresh meanwhile is left to a registration ahead of QEMU */
	[MUTATE_ALL_AHEAD] = "all-ahead",
	/* a granule counts as registered when a part of it has been */
	[MUTATE_PART] = "part",
	/* one of which all was registered afresh meanwhile is kept for ever */
	[MUTATE_COUNT] = "count",
	/* an MR goes while WRITEs wait that use it */
	[MUTATE_SWEEP] = "sweep",
	/* an MR goes while WRITEs are on the wire that use it */
	[MUTATE_SWEEP_WIRE] = "sweep-wire",
	/* an MR of which nothing is left is never given back */
	[MUTATE_LEAK] = "leak",
	/* a WRITE with a new lkey becomes part of one with the old */
	[MUTATE_MERGE] = "merge",
	/* a destination's QEMU is given an MR made before a discard */
	[MUTATE_THERE] = "there",
};

/* An access flag that only a destination sets, IBV_ACCESS_LOCAL_WRITE. */
#define LOCAL_WRITE 1

static enum mutation chosen;

bool mutate(const char *name)
{
	for (unsigned int i = 0; i < MUTATIONS; i++) {
		if (strcmp(name, names[i]))
			continue;
		chosen = (enum mutation)i;
		return true;
	}
	return false;
}

void mutate_list(void)
{
	for (unsigned int i = 1; i < MUTATIONS; i++)
		puts(names[i]);
}

/* The linker's names. */
bool __real_zero_queue_fences(struct zero_queue *q, const struct write *write);
bool __wrap_zero_queue_fences(struct zero_queue *q, const struct write *write);
int __real_source_ahead_result(struct source *s, const void *msg, size_t len, bool *held,
			       struct source_reply *reply);
int __wrap_source_ahead_result(struct source *s, const void *msg, size_t len, bool *held,
			       struct source_reply *reply);
unsigned int __real_transmit_batch(struct transmit *t, struct transmit_out *out);
unsigned int __wrap_transmit_batch(struct transmit *t, struct transmit_out *out);
bool __real_conn_arm(struct conn *c, enum conn_cq cq);
bool __wrap_conn_arm(struct conn *c, enum conn_cq cq);
void __real_transmit_flush(struct transmit *t);
void __wrap_transmit_flush(struct transmit *t);
bool __real_transmit_ready(struct transmit *t);
bool __wrap_transmit_ready(struct transmit *t);
size_t __real_wire_build_register_request(void *msg, const struct wire_register *reg);
size_t __wrap_wire_build_register_request(void *msg, const struct wire_register *reg);
int __real_transmit_completed(struct transmit *t, uint64_t serial, const struct completion *wc,
			      struct completion_queue *due);
int __wrap_transmit_completed(struct transmit *t, uint64_t serial, const struct completion *wc,
			      struct completion_queue *due);

bool __real_conn_writing(const struct conn *c);
bool __wrap_conn_writing(const struct conn *c);
void __real_discard_map_reset(struct discard_map *map, struct range range);
void __wrap_discard_map_reset(struct discard_map *map, struct range range);
struct range __real_discard_map_round(const struct discard_map *map, struct range range);
struct range __wrap_discard_map_round(const struct discard_map *map, struct range range);
void __real_ram_blocks_discard(struct ram_blocks *blocks, struct ram_block *block,
			       struct range range);
void __wrap_ram_blocks_discard(struct ram_blocks *blocks, struct ram_block *block,
			       struct range range);
int __real_registration_get(const struct registration_ops *ops, void *context,
			    struct registration_policy *policy, struct ram_block *block,
			    struct range want, struct range bounds, int access,
			    struct registration *registration);
int __wrap_registration_get(const struct registration_ops *ops, void *context,
			    struct registration_policy *policy, struct ram_block *block,
			    struct range want, struct range bounds, int access,
			    struct registration *registration);
int __real_registration_renew(const struct registration_ops *ops, void *context,
			      struct registration_policy *policy, struct ram_block *block,
			      struct range want, void **mr, bool *made);
int __wrap_registration_renew(const struct registration_ops *ops, void *context,
			      struct registration_policy *policy, struct ram_block *block,
			      struct range want, void **mr, bool *made);
uint64_t __real_registration_end(struct registration_policy *policy, struct ram_block *block,
				 struct range range, void *mr);
uint64_t __wrap_registration_end(struct registration_policy *policy, struct ram_block *block,
				 struct range range, void *mr);
int __real_write_queue_push(struct write_queue *q, const struct write *write, uint64_t merge_max);
int __wrap_write_queue_push(struct write_queue *q, const struct write *write, uint64_t merge_max);
int __real_transmit_write(struct transmit *t, const struct write *write,
			  struct completion_queue *due);
int __wrap_transmit_write(struct transmit *t, const struct write *write,
			  struct completion_queue *due);

bool __wrap_zero_queue_fences(struct zero_queue *q, const struct write *write)
{
	if (chosen == MUTATE_HOLD && q->unacknowledged)
		return true;
	return chosen != MUTATE_FENCE && __real_zero_queue_fences(q, write);
}

unsigned int __wrap_transmit_batch(struct transmit *t, struct transmit_out *out)
{
	unsigned int writes = t->writes.count, in_flight = t->in_flight;
	unsigned int n;

	if (chosen == MUTATE_ROUND)
		t->registering = true;
	if (chosen == MUTATE_ROOM) {
		t->in_flight = 0;
		n = __real_transmit_batch(t, out);
		t->in_flight = in_flight;
		return n;
	}
	if (chosen != MUTATE_STRICT || !t->strict.pending)
		return __real_transmit_batch(t, out);
	t->writes.count = 0;
	n = __real_transmit_batch(t, out);
	t->writes.count = writes;
	return n;
}

bool __wrap_conn_arm(struct conn *c, enum conn_cq cq)
{
	return __real_conn_arm(c, cq) && chosen != MUTATE_WAKE;
}

void __wrap_transmit_flush(struct transmit *t)
{
	if (chosen != MUTATE_FLUSH)
		__real_transmit_flush(t);
}

bool __wrap_transmit_ready(struct transmit *t)
{
	return __real_transmit_ready(t) && chosen != MUTATE_READY;
}

size_t __wrap_wire_build_register_request(void *msg, const struct wire_register *reg)
{
	struct wire_register less = *reg;

	if (chosen == MUTATE_EXTENT && less.chunks)
		less.chunks--;
	return __real_wire_build_register_request(msg, &less);
}

int __wrap_transmit_completed(struct transmit *t, uint64_t serial, const struct completion *wc,
			      struct completion_queue *due)
{
	struct completion good = *wc;
	unsigned int withheld = t->withheld.count;
	int ret;

	if (chosen == MUTATE_ERROR)
		good.status = 0;
	ret = __real_transmit_completed(t, serial, &good, due);
	if (chosen == MUTATE_KEPT && wc->status && due->count >= withheld)
		for (unsigned int i = 1; i <= withheld; i++)
			due->ring[(due->head + due->count - i) % COMPLETION_QUEUE_ROOM].status = 0;
	return ret;
}

int __wrap_transmit_write(struct transmit *t, const struct write *write,
			  struct completion_queue *due)
{
	int ret = __real_transmit_write(t, write, due);

	if (chosen == MUTATE_LATE && !ret && t->broken && due->count)
		due->ring[(due->head + due->count - 1) % COMPLETION_QUEUE_ROOM].status = 0;
	return ret;
}

int __wrap_source_ahead_result(struct source *s, const void *msg, size_t len, bool *held,
			       struct source_reply *reply)
{
	int ret = __real_source_ahead_result(s, msg, len, held, reply);

	if (chosen == MUTATE_HELD)
		*held = false;
	return ret;
}

bool __wrap_conn_writing(const struct conn *c)
{
	if (chosen == MUTATE_LEAK)
		return true;
	if (chosen == MUTATE_SWEEP_WIRE)
		return c->transmit.writes.count;
	return __real_conn_writing(c) && chosen != MUTATE_SWEEP;
}

struct range __wrap_discard_map_round(const struct discard_map *map, struct range range)
{
	return chosen == MUTATE_PART ? range : __real_discard_map_round(map, range);
}

void __wrap_discard_map_reset(struct discard_map *map, struct range range)
{
	interpose_preempt();
	if (chosen == MUTATE_PART)
		range = __real_discard_map_round(map, range);
	__real_discard_map_reset(map, range);
}

void __wrap_ram_blocks_discard(struct ram_blocks *blocks, struct ram_block *block,
			       struct range range)
{
	if (chosen != MUTATE_DEAF)
		__real_ram_blocks_discard(blocks, block, range);
}

int __wrap_registration_get(const struct registration_ops *ops, void *context,
			    struct registration_policy *policy, struct ram_block *block,
			    struct range want, struct range bounds, int access,
			    struct registration *registration)
{
	int ret;

	/* Only a destination's has access flags. */
	if (chosen == MUTATE_THERE && access & LOCAL_WRITE)
		__real_discard_map_reset(&block->discards, want);
	ret = __real_registration_get(ops, context, policy, block, want, bounds, access,
				      registration);
	if (!ret && chosen == MUTATE_RESET && !registration->shared)
		discard_map_reset(&block->discards, registration->range);
	return ret;
}

int __wrap_registration_renew(const struct registration_ops *ops, void *context,
			      struct registration_policy *policy, struct ram_block *block,
			      struct range want, void **mr, bool *made)
{
	int ret = __real_registration_renew(ops, context, policy, block, want, mr, made);

	if (ret)
		return ret;
	if (chosen == MUTATE_RESET && *made)
		discard_map_reset(&block->discards, discard_map_round(&block->discards, want));
	if ((chosen == MUTATE_LKEY && *made) || (chosen == MUTATE_HANDLE && !*made))
		*mr = NULL;
	return 0;
}

uint64_t __wrap_registration_end(struct registration_policy *policy, struct ram_block *block,
				 struct range range, void *mr)
{
	uint64_t bytes = __real_registration_end(policy, block, range, mr);
	struct extent cut;

	if (chosen == MUTATE_RESET_AHEAD && mr)
		discard_map_reset(&block->discards, range);
	if (chosen == MUTATE_ALL_AHEAD && mr) {
		while (extent_map_cut(&block->local, range, &cut) > 0)
			;
		extent_map_insert(&block->local, range, (uintptr_t)mr);
	}
	if ((chosen == MUTATE_COUNT || chosen == MUTATE_ALL_AHEAD) && mr)
		return range.end - range.start;
	return bytes;
}

int __wrap_write_queue_push(struct write_queue *q, const struct write *write, uint64_t merge_max)
{
	struct write merged = *write;
	const struct write *newest;

	if (chosen == MUTATE_MERGE && q->count) {
		newest = write_queue_at(q, q->count - 1);
		if (newest->local_addr + newest->length == write->local_addr)
			merged.lkey = newest->lkey;
	}
	return __real_write_queue_push(q, &merged, merge_max);
}
