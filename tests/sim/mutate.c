/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "mutate.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/conn.h"
#include "core/conn_private.h"
#include "core/registration.h"
#include "core/order.h"
#include "core/widen.h"
#include "core/zero_queue.h"
#include "interpose.h"
#include "nic.h"

enum mutation {
	MUTATE_NOTHING,
	MUTATE_FENCE,
	MUTATE_ORDERED,
	MUTATE_WAKE,
	MUTATE_FLUSH,
	MUTATE_READY,
	MUTATE_EXTENT,
	MUTATE_ERROR,
	MUTATE_ROUND,
	MUTATE_HELD,
	MUTATE_NEXT,
	MUTATE_ROOM,
	MUTATE_BYTES,
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
	MUTATE_ABORT,
	MUTATE_RECV,
	MUTATE_MESSAGE,
	MUTATE_REST,
	MUTATE_SCAN,
	MUTATE_REGISTER,
	MUTATE_OTHER,
	MUTATE_TWICE,
	MUTATE_RESET_THERE,
	MUTATE_WINDOW,
	MUTATIONS
};

static const char *const names[MUTATIONS] = {
	[MUTATE_NOTHING] = "nothing",
	/* hazard 1: a write passes the zero run that it overlaps */
	[MUTATE_FENCE] = "fence",
	/* an ordered SEND passes the writes before it */
	[MUTATE_ORDERED] = "ordered",
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
	/* what QEMU asks for before the READY for our last request is lost */
	[MUTATE_NEXT] = "next",
	/* more is posted than the send queue has room for */
	[MUTATE_ROOM] = "room",
	/* QEMU does not wait however many bytes it is ahead of the wire */
	[MUTATE_BYTES] = "bytes",
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
	/* no event wakes QEMU when the connection fails */
	[MUTATE_ABORT] = "abort",
	/* a receive buffer is not posted again */
	[MUTATE_RECV] = "recv",
	/* a message never reaches the NIC */
	[MUTATE_MESSAGE] = "message",
	/* of WRITEs that the NIC had no room for the rest is forgotten */
	[MUTATE_REST] = "rest",
	/* the destination is asked for other memory than has data */
	[MUTATE_SCAN] = "scan",
	/* what was registered ahead is forgotten */
	[MUTATE_REGISTER] = "register",
	/* of two that are registered ahead one is taken for the other */
	[MUTATE_OTHER] = "other",
	/* what one thread is registering another registers as well */
	[MUTATE_TWICE] = "twice",
	/* a destination forgets the discards that come while it registers ahead of QEMU */
	[MUTATE_RESET_THERE] = "reset-there",
	/* a piece is longer than its window */
	[MUTATE_WINDOW] = "window",
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
int __real_source_prefetched(struct source *s, const void *msg, size_t len, uint64_t now,
			     bool *held, struct wire_message *reply);
int __wrap_source_prefetched(struct source *s, const void *msg, size_t len, uint64_t now,
			     bool *held, struct wire_message *reply);
unsigned int __real_order_batch(struct order *t, struct order_out *out);
unsigned int __wrap_order_batch(struct order *t, struct order_out *out);
bool __real_conn_next(struct conn *c, unsigned int kinds, struct conn_action *action);
bool __wrap_conn_next(struct conn *c, unsigned int kinds, struct conn_action *action);
bool __real_conn_has(struct conn *c, unsigned int kinds);
bool __wrap_conn_has(struct conn *c, unsigned int kinds);
void __real_conn_done(struct conn *c, const struct conn_action *action,
		      const struct conn_result *result);
void __wrap_conn_done(struct conn *c, const struct conn_action *action,
		      const struct conn_result *result);
bool __real_nic_post_send(struct world *w, struct nic_qp *qp, const struct nic_wr *wr);
bool __wrap_nic_post_send(struct world *w, struct nic_qp *qp, const struct nic_wr *wr);
void __real_order_flush(struct order *t);
void __wrap_order_flush(struct order *t);
bool __real_order_ready(struct order *t);
bool __wrap_order_ready(struct order *t);
size_t __real_wire_build_register_request(void *msg, const struct wire_register *reg);
size_t __wrap_wire_build_register_request(void *msg, const struct wire_register *reg);
int __real_order_completed(struct order *t, uint64_t serial, const struct completion *wc,
			   struct completion_queue *due);
int __wrap_order_completed(struct order *t, uint64_t serial, const struct completion *wc,
			   struct completion_queue *due);

bool __real_discard_map_reset(struct discard_map *map, struct range range);
bool __wrap_discard_map_reset(struct discard_map *map, struct range range);
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
uint64_t __real_registration_end(struct ram_block *block, struct range range, const void *mr);
uint64_t __wrap_registration_end(struct ram_block *block, struct range range, const void *mr);
bool __real_source_prefetch_local(const struct source *s, struct ram_block **block,
				  struct range *range);
bool __wrap_source_prefetch_local(const struct source *s, struct ram_block **block,
				  struct range *range);
struct range __real_prefetch_find(const struct prefetch_scan *scan);
struct range __wrap_prefetch_find(const struct prefetch_scan *scan);
int __real_write_queue_push(struct write_queue *q, const struct write *write, uint64_t merge_max);
int __wrap_write_queue_push(struct write_queue *q, const struct write *write, uint64_t merge_max);
int __real_order_write(struct order *t, const struct write *write, struct completion_queue *due);
int __wrap_order_write(struct order *t, const struct write *write, struct completion_queue *due);

bool __wrap_zero_queue_fences(struct zero_queue *q, const struct write *write)
{
	if (chosen == MUTATE_HOLD && q->unacknowledged)
		return true;
	return chosen != MUTATE_FENCE && __real_zero_queue_fences(q, write);
}

unsigned int __wrap_order_batch(struct order *t, struct order_out *out)
{
	unsigned int writes = t->writes.count, in_flight = t->in_flight;
	unsigned int n;

	if (chosen == MUTATE_ROUND)
		t->registering = true;
	if (chosen == MUTATE_ROOM) {
		t->in_flight = 0;
		n = __real_order_batch(t, out);
		t->in_flight = in_flight;
		return n;
	}
	if (chosen != MUTATE_ORDERED || !t->ordered.pending)
		return __real_order_batch(t, out);
	t->writes.count = 0;
	n = __real_order_batch(t, out);
	t->writes.count = writes;
	return n;
}

/* Kinds that are never done. */
static unsigned int forgotten(void)
{
	if (chosen == MUTATE_WAKE)
		return CONN_KIND(CONN_LISTEN);
	if (chosen == MUTATE_RECV)
		return CONN_KIND(CONN_POST_RECV);
	return chosen == MUTATE_LEAK ? CONN_KIND(CONN_DEREGISTER) : 0;
}

/* An MR that may be in use still. */
static bool next_too_early(struct conn *c, unsigned int kinds, struct conn_action *action)
{
	if (!(kinds & CONN_KIND(CONN_DEREGISTER)) || chosen < MUTATE_SWEEP ||
	    chosen > MUTATE_SWEEP_WIRE || (chosen == MUTATE_SWEEP_WIRE && c->order.writes.count))
		return false;
	action->kind = CONN_DEREGISTER;
	action->mr = mrs_take_stale(&c->mrs);
	return action->mr;
}

bool __wrap_conn_next(struct conn *c, unsigned int kinds, struct conn_action *action)
{
	const struct conn_result posted = {.posted = 1};

	/* The first buffers are needed. */
	if (conn_state(c) == CONN_ACTIVE)
		kinds &= ~forgotten();
	if (next_too_early(c, kinds, action))
		return true;
	while (__real_conn_next(c, kinds, action)) {
		if (chosen != MUTATE_MESSAGE || action->kind != CONN_POST_MESSAGE)
			return true;
		__real_conn_done(c, action, &posted);
	}
	return false;
}

bool __wrap_conn_has(struct conn *c, unsigned int kinds)
{
	return __real_conn_has(c, kinds & ~forgotten());
}

void __wrap_conn_done(struct conn *c, const struct conn_action *action,
		      const struct conn_result *result)
{
	struct conn_result other = *result;
	struct conn_action wrong = *action;

	if (chosen == MUTATE_OTHER && action->kind == CONN_REGISTER && !result->error) {
		for (wrong.memory.mr = c->mrs.coming; wrong.memory.mr->next;)
			wrong.memory.mr = wrong.memory.mr->next;
		action = &wrong;
	}
	if (chosen == MUTATE_RESET_THERE && action->kind == CONN_REGISTER &&
	    c->role == CONN_DESTINATION)
		discard_map_reset(&action->memory.mr->block->discards, action->memory.mr->range);
	if (chosen == MUTATE_REST && action->kind == CONN_POST_WRITES && result->posted)
		other = (struct conn_result){.posted = action->post.count};
	if (chosen == MUTATE_SCAN && result->found.start < result->found.end)
		other.found.end += UINT64_C(1) << 30;
	if (chosen == MUTATE_REGISTER && action->kind == CONN_REGISTER)
		other = (struct conn_result){.error = ENOMEM};
	__real_conn_done(c, action, &other);
}

/* Nothing else is as short. */
bool __wrap_nic_post_send(struct world *w, struct nic_qp *qp, const struct nic_wr *wr)
{
	return (chosen == MUTATE_ABORT && !wr->message && !wr->length) ||
	       __real_nic_post_send(w, qp, wr);
}

void __wrap_order_flush(struct order *t)
{
	if (chosen != MUTATE_FLUSH)
		__real_order_flush(t);
}

bool __wrap_order_ready(struct order *t)
{
	bool next = t->request.state == OWN_REQUEST_NEXT;
	bool own = __real_order_ready(t);

	if (next && own && chosen == MUTATE_NEXT)
		t->request.state = OWN_REQUEST_NONE;
	return own && chosen != MUTATE_READY;
}

size_t __wrap_wire_build_register_request(void *msg, const struct wire_register *reg)
{
	struct wire_register less = *reg;

	if (chosen == MUTATE_EXTENT && less.chunks)
		less.chunks--;
	return __real_wire_build_register_request(msg, &less);
}

int __wrap_order_completed(struct order *t, uint64_t serial, const struct completion *wc,
			   struct completion_queue *due)
{
	struct completion good = *wc;
	unsigned int withheld = t->withheld.count;
	int ret;

	if (chosen == MUTATE_ERROR)
		good.status = 0;
	ret = __real_order_completed(t, serial, &good, due);
	if (chosen == MUTATE_KEPT && wc->status && due->count >= withheld)
		for (unsigned int i = 1; i <= withheld; i++)
			due->ring[(due->head + due->count - i) % COMPLETION_QUEUE_ROOM].status = 0;
	return ret;
}

int __wrap_order_write(struct order *t, const struct write *write, struct completion_queue *due)
{
	int ret;

	if (chosen == MUTATE_BYTES)
		t->window = UINT64_MAX;
	ret = __real_order_write(t, write, due);
	if (chosen == MUTATE_LATE && !ret && t->qp != ORDER_QP_WORKS && due->count)
		due->ring[(due->head + due->count - 1) % COMPLETION_QUEUE_ROOM].status = 0;
	return ret;
}

int __wrap_source_prefetched(struct source *s, const void *msg, size_t len, uint64_t now,
			     bool *held, struct wire_message *reply)
{
	int ret = __real_source_prefetched(s, msg, len, now, held, reply);

	if (chosen == MUTATE_HELD)
		*held = false;
	return ret;
}

struct range __wrap_discard_map_round(const struct discard_map *map, struct range range)
{
	return chosen == MUTATE_PART ? range : __real_discard_map_round(map, range);
}

bool __wrap_discard_map_reset(struct discard_map *map, struct range range)
{
	interpose_preempt();
	if (chosen == MUTATE_PART)
		range = __real_discard_map_round(map, range);
	return __real_discard_map_reset(map, range);
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
	if (!ret && chosen == MUTATE_RESET && registration->state != REGISTRATION_EXISTING)
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

uint64_t __wrap_registration_end(struct ram_block *block, struct range range, const void *mr)
{
	uint64_t bytes = __real_registration_end(block, range, mr);
	struct extent cut;

	if (chosen == MUTATE_RESET_AHEAD)
		discard_map_reset(&block->discards, range);
	if (chosen == MUTATE_ALL_AHEAD) {
		while (extent_map_cut(&block->local, range, &cut) > 0)
			;
		extent_map_insert(&block->local, range, (uintptr_t)mr);
	}
	if (chosen == MUTATE_COUNT || chosen == MUTATE_ALL_AHEAD)
		return range.end - range.start;
	return bytes;
}

/* The first that is being registered looks as if it were not. */
static void forget_coming(struct extent_map *map)
{
	const struct extent *e = extent_map_first(map, 0);

	while (e && !registration_is_coming(e->value))
		e = extent_map_first(map, e->range.end);
	if (e)
		extent_map_remove(map, e->range.start);
}

bool __wrap_source_prefetch_local(const struct source *s, struct ram_block **block,
				  struct range *range)
{
	if (chosen == MUTATE_TWICE && s->prefetch.known)
		forget_coming(&s->blocks.block[s->prefetch.block].local);
	return __real_source_prefetch_local(s, block, range);
}

struct range __wrap_prefetch_find(const struct prefetch_scan *scan)
{
	struct range found = __real_prefetch_find(scan);

	if (chosen == MUTATE_WINDOW && found.start < found.end && !(found.end % scan->window) &&
	    found.end + scan->place.chunk <= scan->end)
		found.end += scan->place.chunk;
	return found;
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
