/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/mr.h"

#include <errno.h>
#include <search.h>
#include <stdlib.h>
#include <string.h>

#include "engine/registry.h"
#include "util/log.h"

/* A real MR that covers a region, or at least a chunk. */
struct shared_mr {
	struct ibv_mr *real;
	unsigned int handles; /* under the table's lock */
	/* The extent in the session's maps, while that session lives. */
	struct session *session;
	uint64_t generation;
	uint64_t addr;
	bool mapped;
	struct shared_mr *next_ahead; /* in session->ahead.mrs */
};

struct mr_handle {
	struct ibv_mr mr; /* what QEMU holds; its address is the key */
	struct shared_mr *shared;
};

static pthread_mutex_t table_lock = PTHREAD_MUTEX_INITIALIZER;
static void *table; /* of struct mr_handle, by address: tsearch(3) */
/* So that a process without handles never takes the lock to deregister. */
static atomic_uint handles;

static int compare(const void *a, const void *b)
{
	return (a > b) - (a < b);
}

static struct ibv_mr *call_real(struct ibv_pd *pd, void *addr, size_t length, int access,
				enum mr_call call)
{
	const struct verbs_calls *calls = session_calls();

	if (call == MR_CALL_REG_MR && calls->reg_mr)
		return calls->reg_mr(pd, addr, length, access);
	if (call == MR_CALL_REG_MR_IOVA2 && calls->reg_mr_iova2)
		return calls->reg_mr_iova2(pd, addr, length, (uintptr_t)addr, (unsigned int)access);
	errno = ENOSYS;
	return NULL;
}

struct reg_context {
	struct session *session;
	struct ibv_pd *pd;
	enum mr_call call;
};

/* Of a real MR just made. Session lock held. */
static void count_mr(struct session *s, const struct shared_mr *shared)
{
	struct session_counters *counters = &s->counters;
	uint64_t length = shared->real->length;

	counters->made++;
	counters->pinned += length;
	if (counters->pinned > counters->pinned_peak)
		counters->pinned_peak = counters->pinned;
	if (length > counters->largest)
		counters->largest = length;
}

/* Sets *made and returns 0, or returns a negative errno. No lock is needed. */
static int make_mr(const struct reg_context *rc, uint64_t addr, uint64_t length, int access,
		   struct shared_mr **made)
{
	struct shared_mr *shared = calloc(1, sizeof(*shared));

	if (!shared)
		return -ENOMEM;
	shared->real = call_real(rc->pd, (void *)(uintptr_t)addr, length, access, rc->call);
	if (!shared->real) {
		int error = errno ? errno : EIO;

		free(shared);
		return -error;
	}
	shared->session = rc->session;
	shared->generation = rc->session->generation;
	shared->addr = addr;
	*made = shared;
	return 0;
}

/* registration_ops.reg: session lock held */
static int reg(void *context, uint64_t addr, uint64_t length, int access, void **mr)
{
	const struct reg_context *rc = context;
	struct shared_mr *shared;
	int ret = make_mr(rc, addr, length, access, &shared);

	if (ret)
		return ret;
	count_mr(rc->session, shared);
	*mr = shared;
	return 0;
}

static const struct registration_ops real_ops = {.reg = reg};

/* Forget the extent of an MR that is about to go. Session lock held. */
static void forget(struct session *s, const struct shared_mr *shared)
{
	struct ram_blocks *blocks =
		s->conn.role == CONN_SOURCE ? &s->conn.source.blocks : &s->conn.dest_blocks;
	struct ram_block *block;
	struct range where;

	s->counters.pinned -= shared->real->length;
	if (!shared->mapped)
		return;
	block = ram_blocks_find_local(blocks, shared->addr, shared->real->length, &where);
	if (block)
		extent_map_remove(&block->local, where.start);
}

/* One handle less; returns the real MR when it was the last. Session lock held:
 * it keeps mr_register() from finding an MR that is going. */
static struct ibv_mr *drop_handle(struct session *s, struct shared_mr *shared)
{
	struct ibv_mr *real = NULL;

	pthread_mutex_lock(&table_lock);
	if (!--shared->handles)
		real = shared->real;
	pthread_mutex_unlock(&table_lock);
	if (real && s->generation == shared->generation)
		forget(s, shared);
	return real;
}

/* As above; the last takes the real MR with it. Returns as ibv_dereg_mr(). */
static int put_shared(struct shared_mr *shared)
{
	struct session *s = shared->session;
	struct ibv_mr *real;

	pthread_mutex_lock(&s->lock);
	real = drop_handle(s, shared);
	pthread_mutex_unlock(&s->lock);
	if (!real)
		return 0;
	free(shared);
	return session_calls()->dereg_mr(real);
}

static struct ibv_mr *make_handle(struct shared_mr *shared, void *addr, size_t length)
{
	struct mr_handle *handle = calloc(1, sizeof(*handle));
	void *node = NULL;

	pthread_mutex_lock(&table_lock);
	shared->handles++;
	if (handle) {
		handle->mr = *shared->real;
		handle->mr.addr = addr;
		handle->mr.length = length;
		handle->shared = shared;
		node = tsearch(handle, &table, compare);
	}
	pthread_mutex_unlock(&table_lock);
	if (node) {
		atomic_fetch_add(&handles, 1);
		return &handle->mr;
	}
	free(handle);
	return NULL;
}

static void warn_fallback(struct session *s, int access)
{
	if (s->warned_fallback || !s->conn.policy.fallbacks)
		return;
	s->warned_fallback = true;
	log_warn("registering 2^%u bytes at once failed (access 0x%x); continuing with %s",
		 s->conn.options.shift, (unsigned int)access,
		 s->conn.policy.shift ? "smaller regions" : "QEMU's own chunks");
}

/* Session lock held; released. */
static struct ibv_mr *register_chunk(struct session *s, struct ibv_pd *pd, void *addr,
				     size_t length, int access, enum mr_call call,
				     struct ram_block *block, struct range want)
{
	struct reg_context context = {.session = s, .pd = pd, .call = call};
	struct registration registration;
	struct shared_mr *shared;
	struct ibv_mr *mr;
	int ret;

	s->counters.asked++;
	s->ahead.call = call;
	/*
	 * A destination with a second connection, for the return path, may go over to
	 * postcopy: QEMU discards what it has not got by then, and is told of each
	 * access to it afterwards. A registration under way that QEMU does not know of
	 * would bring such pages back, as zeros, and the guest would never get its own
	 * (migration/ram.c, ram_discard_range). Both are connected before it registers.
	 */
	if (s->destination && session_destinations() > 1)
		s->conn.policy.ahead = false;
	while ((ret = registration_get(&real_ops, &context, &s->conn.policy, block, want, access,
				       &registration)) == -EBUSY)
		ahead_wait(s);
	ahead_poke(s);
	if (ret) {
		pthread_mutex_unlock(&s->lock);
		errno = -ret;
		return NULL;
	}
	warn_fallback(s, access);
	shared = registration.mr;
	if (!registration.shared)
		shared->mapped = !registration.unshared;
	mr = make_handle(shared, addr, length);
	pthread_mutex_unlock(&s->lock);
	if (!mr) {
		put_shared(shared);
		errno = ENOMEM;
	}
	return mr;
}

struct ibv_mr *mr_register(struct ibv_pd *pd, void *addr, size_t length, int access,
			   enum mr_call call)
{
	struct session *s = registry_lock_pd(pd);
	struct ram_block *block;
	struct range want;

	if (s) {
		block = conn_register(&s->conn, (uintptr_t)addr, length, &want);
		if (block)
			return register_chunk(s, pd, addr, length, access, call, block, want);
		pthread_mutex_unlock(&s->lock);
	}
	return call_real(pd, addr, length, access, call);
}

int mr_deregister(struct ibv_mr *mr)
{
	struct mr_handle *handle = NULL;
	struct shared_mr *shared;

	if (atomic_load(&handles)) {
		pthread_mutex_lock(&table_lock);
		if (tdelete(mr, &table, compare))
			handle = (struct mr_handle *)mr;
		pthread_mutex_unlock(&table_lock);
	}
	if (!handle)
		return session_calls()->dereg_mr ? session_calls()->dereg_mr(mr) : ENOSYS;
	atomic_fetch_sub(&handles, 1);
	shared = handle->shared;
	free(handle);
	return put_shared(shared);
}

bool mr_register_ahead(struct session *s)
{
	struct reg_context context = {.session = s, .pd = s->qp->pd, .call = s->ahead.call};
	struct registration_policy *policy = &s->conn.policy;
	struct shared_mr *made = NULL;
	struct ram_block *block;
	struct range range;
	int access, ret;

	if (!conn_register_ahead(&s->conn, &block, &range) || registration_begin(block, range))
		return false;
	access = policy->access;
	pthread_mutex_unlock(&s->lock);
	ret = make_mr(&context, block->local_addr + range.start, range.end - range.start, access,
		      &made);
	pthread_mutex_lock(&s->lock);
	registration_end(policy, block, range, made);
	ahead_done(s);
	if (ret) {
		/* QEMU will ask for what it needs, and then be told of a failure. */
		log_info("registering ahead: %s", strerror(-ret));
		return true;
	}
	made->handles = 1;
	made->mapped = true;
	made->next_ahead = s->ahead.mrs;
	s->ahead.mrs = made;
	s->counters.ahead++;
	count_mr(s, made);
	return true;
}

void mr_release_ahead(struct session *s)
{
	struct shared_mr *shared;
	struct ibv_mr *real;

	while ((shared = s->ahead.mrs)) {
		s->ahead.mrs = shared->next_ahead;
		real = drop_handle(s, shared);
		if (!real)
			continue;
		free(shared);
		session_calls()->dereg_mr(real);
	}
}
