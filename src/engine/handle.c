/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/handle.h"

#include <errno.h>

#include "engine/driver.h"
#include "engine/limits.h"
#include "engine/sessions.h"
#include "util/log.h"
#include "util/pool.h"

struct handle {
	struct ibv_mr mr; /* what QEMU holds; its address is the key */
	/* `shared` is serialised by the lock of the session that it was made in, also when
	 * that is over: its memory is never freed. */
	struct session *session;
	struct mr *shared;
};

static pthread_mutex_t table_lock = PTHREAD_MUTEX_INITIALIZER;
static struct pool table = POOL_OF(struct handle);
_Static_assert(sizeof(void *) != 8 || sizeof(struct handle) == HANDLE_BYTES,
	       "there are millions of them");
/* So that a process without handles never takes the lock to deregister. */
static atomic_uint handles;

/* For [addr, addr + length) of `shared`, of which QEMU is a user. Lock held. NULL when
 * there is no memory. */
static struct ibv_mr *make(struct session *s, struct mr *shared, void *addr, size_t length)
{
	struct handle *handle;

	pthread_mutex_lock(&table_lock);
	handle = pool_take(&table);
	pthread_mutex_unlock(&table_lock);
	if (!handle)
		return NULL;
	handle->mr = *(const struct ibv_mr *)shared->real.mr;
	handle->mr.addr = addr;
	handle->mr.length = length;
	handle->session = s;
	handle->shared = shared;
	atomic_fetch_add(&handles, 1);
	return &handle->mr;
}

/* Out of the table, to *handle; false when it is no handle. */
static bool take(struct ibv_mr *mr, struct handle *handle)
{
	bool found;

	if (!atomic_load(&handles))
		return false;
	pthread_mutex_lock(&table_lock);
	found = pool_give(&table, mr, handle);
	pthread_mutex_unlock(&table_lock);
	if (found)
		atomic_fetch_sub(&handles, 1);
	return found;
}

/* QEMU is a user no more. 0 or a negative errno. */
static int put(struct session *s, struct mr *shared)
{
	struct ibv_mr *real;

	pthread_mutex_lock(&s->lock);
	real = mrs_put(shared);
	pthread_mutex_unlock(&s->lock);
	return real ? verbs_deregister(real) : 0;
}

/* Lock held. */
static void warn_fallback(struct session *s, int access)
{
	struct conn_figures figures;

	if (s->warned_fallback)
		return;
	conn_figures(s->conn, &figures);
	if (!figures.fallbacks)
		return;
	s->warned_fallback = true;
	log_warn("registering several chunks at once failed (access 0x%x); continuing with %s",
		 (unsigned int)access,
		 figures.shift_works ? "smaller regions" : "QEMU's own chunks");
}

/* Sets *shared, to NULL for what is no guest memory. 0 or a negative errno. Lock held,
 * released meanwhile. */
static int find(struct session *s, struct conn_registration *want, struct mr **shared)
{
	int ret;

	/*
	 * A destination with a second connection, for the return path, may go over to
	 * postcopy: QEMU discards what it has not got by then, and is told of each
	 * access to it afterwards. A registration under way that QEMU does not know of
	 * would bring such pages back, as zeros, and the guest would never get its own
	 * (migration/ram.c, ram_discard_range). Both are connected before it registers.
	 */
	if (s->destination && sessions_destinations() > 1)
		conn_stop_prefetch(s->conn);
	while ((ret = conn_register(s->conn, want, shared)) == CONN_AGAIN)
		if (driver_wait(s))
			want->last = true;
	driver_run(s);
	return ret;
}

/* The session's lock is held; released. As handle_register(), if *ours is set. */
static struct ibv_mr *register_guest(struct session *s, enum verbs_register with,
				     struct conn_registration *want, bool *ours)
{
	enum verbs_register before = s->registers;
	void *addr = (void *)(uintptr_t)want->addr;
	struct ibv_mr *mr = NULL;
	struct mr *shared = NULL;
	int ret;

	s->registers = with;
	ret = find(s, want, &shared);
	*ours = ret || shared;
	if (!*ours)
		s->registers = before;
	if (shared) {
		warn_fallback(s, want->access);
		mr = make(s, shared, addr, want->length);
	}
	pthread_mutex_unlock(&s->lock);
	if (ret == -ENOMEM)
		limits_note_failure();
	if (shared && !mr) {
		put(s, shared);
		ret = -ENOMEM;
	}
	if (ret)
		errno = -ret;
	return mr;
}

/* Exactly as QEMU asked for it. */
static struct ibv_mr *pass_on(enum verbs_register with, struct ibv_pd *pd, void *addr,
			      size_t length, int access)
{
	struct ibv_mr *mr;

	return verbs_register(with, pd, addr, length, access, &mr) ? NULL : mr;
}

struct ibv_mr *handle_register(enum verbs_register with, struct ibv_pd *pd, void *addr,
			       size_t length, int access)
{
	struct session *s = sessions_lock_pd(pd);
	struct conn_registration want = {
		.addr = (uintptr_t)addr,
		.length = length,
		.access = access,
	};
	struct ibv_mr *mr;
	bool ours;

	if (!s)
		return pass_on(with, pd, addr, length, access);
	mr = register_guest(s, with, &want, &ours);
	return ours ? mr : pass_on(with, pd, addr, length, access);
}

int handle_deregister(struct ibv_mr *mr)
{
	struct handle handle;
	int ret;

	if (!take(mr, &handle))
		return verbs_real()->dereg_mr(mr);
	ret = put(handle.session, handle.shared);
	/* Not what verbs promise, but QEMU prints it. */
	if (ret)
		errno = -ret;
	return -ret;
}
