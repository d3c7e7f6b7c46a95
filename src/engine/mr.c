/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/mr.h"

#include <errno.h>
#include <search.h>
#include <stdlib.h>
#include <string.h>

#include "engine/ahead.h"
#include "engine/datapath.h"
#include "engine/discard.h"
#include "engine/guard.h"
#include "engine/limits.h"
#include "engine/registry.h"
#include "util/log.h"
#include "util/monotonic.h"

/* A real MR that covers a region, or at least a chunk. */
struct shared_mr {
	/* NULL once it has been given back, because all that it held was discarded. */
	struct ibv_mr *real;
	unsigned int users; /* QEMU's handles and the session's lists; the table's lock */
	bool needed;	    /* QEMU has it, or a WRITE of QEMU's; the session's lock */
	/* Where it is in the session's maps, while that session lives. */
	struct session *session;
	uint64_t generation;
	struct ram_block *block;
	struct range range;
	uint64_t mapped;		/* bytes of the range that are in block->local */
	struct shared_mr *next, **link; /* in session->mrs.own; link NULL: it is not */
	struct shared_mr *next_stale;	/* in session->mrs.stale */
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

/*
 * The two below may be called from under a post or a poll as well, which come to us
 * through the device's ops and have not entered the guard.
 */
static struct ibv_mr *call_real(struct ibv_pd *pd, void *addr, size_t length, int access,
				enum mr_call call)
{
	const struct verbs_calls *calls = session_calls();
	struct ibv_mr *mr = NULL;

	guard_enter();
	if (call == MR_CALL_REG_MR && calls->reg_mr)
		mr = calls->reg_mr(pd, addr, length, access);
	else if (call == MR_CALL_REG_MR_IOVA2 && calls->reg_mr_iova2)
		mr = calls->reg_mr_iova2(pd, addr, length, (uintptr_t)addr, (unsigned int)access);
	else
		errno = ENOSYS;
	guard_leave();
	return mr;
}

static int give_back(struct ibv_mr *real)
{
	const struct verbs_calls *calls = session_calls();
	int ret;

	if (!calls->dereg_mr)
		return ENOSYS;
	guard_enter();
	ret = calls->dereg_mr(real);
	guard_leave();
	return ret;
}

struct reg_context {
	struct session *session;
	struct ibv_pd *pd;
	struct ram_block *block;
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

/* Sets *made and returns 0, or returns a negative errno. No lock is needed, but the
 * block's address is read. */
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
	shared->block = rc->block;
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

static void use(struct shared_mr *shared)
{
	pthread_mutex_lock(&table_lock);
	shared->users++;
	pthread_mutex_unlock(&table_lock);
}

static void put_stale(struct session *s, struct shared_mr *shared)
{
	use(shared);
	shared->next_stale = s->mrs.stale;
	s->mrs.stale = shared;
}

/*
 * registration_ops.cut: session lock held. WRITEs that use the MR may be on their
 * way: mr_sweep() gives it back. What a destination has registered the source may use
 * for as long as it likes.
 */
static void cut(void *context, void *mr, uint64_t bytes)
{
	const struct reg_context *rc = context;
	struct shared_mr *shared = mr;

	shared->mapped -= bytes;
	if (!shared->mapped && rc->session->conn.role == CONN_SOURCE)
		put_stale(rc->session, shared);
}

/* The session keeps it until it ends. Session lock held. */
static void keep(struct session *s, struct shared_mr *shared)
{
	use(shared);
	shared->next = s->mrs.own;
	shared->link = &s->mrs.own;
	if (shared->next)
		shared->next->link = &shared->next;
	s->mrs.own = shared;
}

static void unlink_own(struct shared_mr *shared)
{
	*shared->link = shared->next;
	if (shared->next)
		shared->next->link = shared->link;
	shared->link = NULL;
}

/* It is in the session's maps now, at `range`. */
static void place(struct shared_mr *shared, struct range range, uint64_t mapped)
{
	shared->range = range;
	shared->mapped = mapped;
}

/* Forget the extents of an MR that is about to go. Session lock held. */
static void forget(struct session *s, struct shared_mr *shared)
{
	if (shared->real)
		s->counters.pinned -= shared->real->length;
	if (!shared->mapped)
		return;
	registration_forget(shared->block, shared->range, shared);
	shared->mapped = 0;
}

/* One user less. True when it was the last: then *real is the MR to be given back, or
 * NULL. Session lock held: it keeps mr_register() from finding an MR that is going. */
static bool drop_user(struct session *s, struct shared_mr *shared, struct ibv_mr **real)
{
	bool last;

	pthread_mutex_lock(&table_lock);
	last = !--shared->users;
	pthread_mutex_unlock(&table_lock);
	if (!last)
		return false;
	if (s->generation == shared->generation)
		forget(s, shared);
	*real = shared->real;
	free(shared);
	return true;
}

/* registration_ops.release: session lock held */
static bool release_unneeded(void *context)
{
	const struct reg_context *rc = context;
	struct shared_mr *shared, *next;
	bool any = false;

	for (shared = rc->session->mrs.own; shared; shared = next) {
		struct ibv_mr *real = NULL;

		next = shared->next;
		/* One that has been discarded as well is for mr_sweep(). */
		if (shared->needed || !shared->mapped)
			continue;
		unlink_own(shared);
		if (!drop_user(rc->session, shared, &real) || !real)
			continue;
		give_back(real);
		any = true;
	}
	if (any)
		log_info("gave back what was registered ahead, for want of room");
	return any;
}

static const struct registration_ops real_ops = {
	.reg = reg,
	.cut = cut,
	.release = release_unneeded,
};

/* As above; the last takes the real MR with it. Returns as ibv_dereg_mr(). */
static int put_shared(struct shared_mr *shared)
{
	struct session *s = shared->session;
	struct ibv_mr *real = NULL;

	pthread_mutex_lock(&s->lock);
	drop_user(s, shared, &real);
	pthread_mutex_unlock(&s->lock);
	return real ? give_back(real) : 0;
}

static struct ibv_mr *make_handle(struct shared_mr *shared, void *addr, size_t length)
{
	struct mr_handle *handle = calloc(1, sizeof(*handle));
	void *node = NULL;

	pthread_mutex_lock(&table_lock);
	shared->users++;
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
	log_warn("registering several chunks at once failed (access 0x%x); continuing with %s",
		 (unsigned int)access,
		 s->conn.policy.shift ? "smaller regions" : "QEMU's own chunks");
}

/* A part of what the extent's MR holds has been discarded, noticed by now or not. */
static bool is_partly_stale(const struct ram_block *block, const struct extent *extent)
{
	const struct shared_mr *shared = (void *)(uintptr_t)extent->value;

	return shared->mapped < shared->range.end - shared->range.start ||
	       discard_map_test(&block->discards, extent->range);
}

/* It may hold what QEMU will never ask for: what had data when it was made. */
static bool is_wide(const struct ram_block *block, const struct extent *extent)
{
	const struct shared_mr *shared = (void *)(uintptr_t)extent->value;

	(void)block;
	return shared->range.end - shared->range.start > DISCARD_GRANULE;
}

/*
 * An MR keeps all its pages, those too that are the guest's no more. Give up those of
 * which this is so: what they hold is registered again, piece by piece, as it is needed.
 * Where the NIC follows the memory nothing is pinned.
 */
static void give_up(struct session *s,
		    bool (*which)(const struct ram_block *block, const struct extent *extent))
{
	struct reg_context context = {.session = s};
	struct ram_blocks *blocks = conn_blocks(&s->conn);

	for (unsigned int i = 0; i < blocks->count; i++) {
		struct ram_block *block = &blocks->block[i];
		struct extent_map *map = &block->local;

		for (size_t n = 0; !block->on_demand && n < map->count;) {
			struct shared_mr *shared = (void *)(uintptr_t)map->extent[n].value;

			if (!shared || !which(block, &map->extent[n])) {
				n++;
				continue;
			}
			cut(&context, shared, registration_give_up(block, shared->range, shared));
			/* Those before it may have gone as well. */
			n = 0;
		}
	}
	/* A WRITE's lkey may be of one of these from now on. */
	atomic_store(&blocks->discarded, true);
}

/* Writes on the wire end within the retry time of the connection, else it fails. */
#define WRITES_NS UINT64_C(10000000000)
#define NAP_NS	  100000L

/* QEMU cannot be told to: it has had the completions. Session lock held, released. */
static void wait_for_writes(struct session *s)
{
	uint64_t end = monotonic_ns() + WRITES_NS;

	while (s->conn.state == CONN_ACTIVE && (conn_writing(&s->conn) || s->poster.busy) &&
	       monotonic_ns() < end)
		if (!datapath_drain(s, CONN_SEND_CQ) && !datapath_drain(s, CONN_RECV_CQ))
			thread_nap(&s->progress.thread, &s->lock, NAP_NS);
}

/* Give back what is pinned and of no use to the guest any more. False when there is no
 * such thing. Session lock held, released. */
static bool make_room(struct session *s)
{
	if (s->conn.role != CONN_SOURCE)
		return false;
	if (!s->mrs.stale)
		give_up(s, is_partly_stale);
	if (!s->mrs.stale)
		give_up(s, is_wide);
	if (!s->mrs.stale)
		return false;
	wait_for_writes(s);
	mr_sweep(s);
	return !s->mrs.stale;
}

/* A registration has failed for now, or while one ahead of QEMU, which may have taken
 * the room, is under way: wait for the end of that. Or there is something to be given
 * back. Session lock held, released. */
static bool try_again(struct session *s, int error)
{
	if (error == -EBUSY || (s->mrs.registering && s->conn.policy.ahead_failed)) {
		ahead_wait(s);
		return true;
	}
	return error != -EINVAL && error != -ENOTSUP && error != -EOPNOTSUPP && make_room(s);
}

/* Session lock held; released. */
static struct ibv_mr *register_chunk(struct session *s, struct ibv_pd *pd, void *addr,
				     size_t length, int access, enum mr_call call,
				     struct ram_block *block, struct range want)
{
	struct reg_context context = {.session = s, .pd = pd, .block = block, .call = call};
	struct registration registration;
	struct shared_mr *shared;
	struct ibv_mr *mr;
	int ret;

	s->counters.asked++;
	s->mrs.call = call;
	/*
	 * A destination with a second connection, for the return path, may go over to
	 * postcopy: QEMU discards what it has not got by then, and is told of each
	 * access to it afterwards. A registration under way that QEMU does not know of
	 * would bring such pages back, as zeros, and the guest would never get its own
	 * (migration/ram.c, ram_discard_range). Both are connected before it registers.
	 */
	if (s->destination && session_destinations() > 1)
		s->conn.policy.ahead = false;
	do {
		ret = registration_get(&real_ops, &context, &s->conn.policy, block, want,
				       conn_bounds(&s->conn, block, want), access, &registration);
	} while (ret && try_again(s, ret));
	ahead_poke(s);
	if (ret) {
		pthread_mutex_unlock(&s->lock);
		if (ret == -ENOMEM)
			limits_note_failure();
		errno = -ret;
		return NULL;
	}
	warn_fallback(s, access);
	shared = registration.mr;
	shared->needed = true;
	if (!registration.shared && !registration.unshared)
		place(shared, registration.range,
		      registration.range.end - registration.range.start);
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
		/* An MR that QEMU does not know of must not outlive what it holds. */
		if (block && (block->watched || !discard_watch(conn_blocks(&s->conn), block)))
			return register_chunk(s, pd, addr, length, access, call, block, want);
		if (block)
			block->unmapped = true;
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
		return give_back(mr);
	atomic_fetch_sub(&handles, 1);
	shared = handle->shared;
	free(handle);
	return put_shared(shared);
}

/* The session keeps an MR that it has made for the range, of which so much is mapped. */
static void keep_at(struct session *s, struct shared_mr *shared, struct range range,
		    uint64_t mapped)
{
	place(shared, range, mapped);
	keep(s, shared);
	if (!mapped)
		put_stale(s, shared);
}

int mr_renew(struct session *s, uint64_t addr, uint64_t *length, uint32_t *lkey)
{
	struct reg_context context = {.session = s, .pd = s->qp->pd, .call = s->mrs.call};
	struct shared_mr *shared;
	struct range where;
	bool made;
	void *mr;
	int ret;

	do {
		context.block = conn_renew(&s->conn, addr, *length, &where);
		if (!context.block || !context.block->watched)
			return 0;
		ret = registration_renew(&real_ops, &context, &s->conn.policy, context.block, where,
					 &mr, &made);
	} while (ret && try_again(s, ret));
	if (ret)
		return -ret;
	*length = where.end - where.start;
	shared = mr;
	if (made) {
		where = discard_map_round(&context.block->discards, where);
		/* Nothing, when there was no memory for its extent: then it is for this
		 * WRITE alone. */
		keep_at(s, shared, where, extent_map_bytes(&context.block->local, where));
		s->counters.renewed++;
	}
	if (shared) {
		shared->needed = true;
		*lkey = shared->real->lkey;
	}
	return 0;
}

void mr_sweep(struct session *s)
{
	struct shared_mr *shared;
	struct ibv_mr *real, *unused;

	if (!s->mrs.stale || s->poster.busy || conn_writing(&s->conn))
		return;
	while ((shared = s->mrs.stale)) {
		s->mrs.stale = shared->next_stale;
		real = shared->real;
		shared->real = NULL;
		s->counters.pinned -= real->length;
		/* It keeps the list's use of it until here. */
		if (shared->link) {
			unlink_own(shared);
			drop_user(s, shared, &unused);
		}
		drop_user(s, shared, &unused);
		give_back(real);
	}
}

bool mr_register_ahead(struct session *s)
{
	struct reg_context context = {.session = s, .pd = s->qp->pd, .call = s->mrs.call};
	struct registration_policy *policy = &s->conn.policy;
	struct shared_mr *made = NULL;
	struct ram_block *block;
	struct range range;
	uint64_t addr, mapped;
	int access, ret;

	if (!conn_register_ahead(&s->conn, &block, &range) || registration_begin(block, range))
		return false;
	context.block = block;
	access = policy->access;
	addr = block->local_addr + range.start;
	s->mrs.registering = true;
	pthread_mutex_unlock(&s->lock);
	ret = make_mr(&context, addr, range.end - range.start, access, &made);
	pthread_mutex_lock(&s->lock);
	s->mrs.registering = false;
	mapped = registration_end(policy, block, range, made);
	ahead_done(s);
	if (ret) {
		/* QEMU will ask for what it needs, and then be told of a failure. */
		log_info("registering ahead: %s", strerror(-ret));
		return true;
	}
	count_mr(s, made);
	s->counters.ahead++;
	keep_at(s, made, range, mapped);
	return true;
}

void mr_release(struct session *s)
{
	struct shared_mr *shared;
	struct ibv_mr *real;

	while ((shared = s->mrs.stale)) {
		s->mrs.stale = shared->next_stale;
		real = NULL;
		if (drop_user(s, shared, &real) && real)
			give_back(real);
	}
	while ((shared = s->mrs.own)) {
		unlink_own(shared);
		real = NULL;
		if (drop_user(s, shared, &real) && real)
			give_back(real);
	}
}
