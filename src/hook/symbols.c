/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "hook/symbols.h"

#include <dlfcn.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

/*
 * Which version of which symbol. Without the version the loader may return the
 * oldest one, as glibc before 2.36 does: libibverbs keeps a twin of ibv_reg_mr
 * for the 1.0 ABI, whose structures differ, and calling that crashes.
 */
struct symbol {
	const char *name;
	const char *version;
	const char *library;
	size_t where; /* in struct verbs_calls */
};

#define VERBS "libibverbs.so.1"
#define CM    "librdmacm.so.1"

static const struct symbol symbols[] = {
	{"ibv_close_device", "IBVERBS_1.1", VERBS, offsetof(struct verbs_calls, close_device)},
	{"ibv_dereg_mr", "IBVERBS_1.1", VERBS, offsetof(struct verbs_calls, dereg_mr)},
	{"ibv_modify_qp", "IBVERBS_1.1", VERBS, offsetof(struct verbs_calls, modify_qp)},
	{"ibv_query_port", "IBVERBS_1.1", VERBS, offsetof(struct verbs_calls, query_port)},
	{"ibv_reg_mr", "IBVERBS_1.1", VERBS, offsetof(struct verbs_calls, reg_mr)},
	{"ibv_reg_mr_iova2", "IBVERBS_1.8", VERBS, offsetof(struct verbs_calls, reg_mr_iova2)},
	{"rdma_accept", "RDMACM_1.0", CM, offsetof(struct verbs_calls, accept)},
	{"rdma_connect", "RDMACM_1.0", CM, offsetof(struct verbs_calls, connect)},
	{"rdma_create_qp", "RDMACM_1.0", CM, offsetof(struct verbs_calls, create_qp)},
	{"rdma_destroy_qp", "RDMACM_1.0", CM, offsetof(struct verbs_calls, destroy_qp)},
	{"rdma_disconnect", "RDMACM_1.0", CM, offsetof(struct verbs_calls, disconnect)},
	{"rdma_get_cm_event", "RDMACM_1.0", CM, offsetof(struct verbs_calls, get_cm_event)},
};

static struct verbs_calls calls;
static atomic_bool complete; /* every entry has been found */

/* Where to look: what comes after us in look-up order, RTLD_NEXT; or, once the module is
 * attached and so in no one's order, what everybody finds, RTLD_DEFAULT. */
static _Atomic(void *) scope = RTLD_NEXT;

static void *look_up(void *where, const char *name)
{
	int saved_errno = errno;
	void *address = dlsym(where, name);

	errno = saved_errno;
	return address;
}

void *symbols_next(const char *name)
{
	return look_up(atomic_load(&scope), name);
}

/* Does it lie in one of the RDMA libraries, rather than in one that stands before them? */
static bool is_library(const Dl_info *info, const char *library)
{
	const char *slash = strrchr(info->dli_fname, '/');

	return !strcmp(slash ? slash + 1 : info->dli_fname, library);
}

/*
 * Another preload may stand between us and the libraries, a profiler or a fault
 * injector, and it has to see the calls. Most have no versions, and a search for
 * a version passes over them: so the name says who is next, and the version which
 * of its twins is meant, if it has any.
 *
 *      next by name            next of that version        called
 *      counter.so              libibverbs.so.1             counter.so
 *      counter.so              counter.so (1.1)            that of 1.1
 *      libibverbs.so.1 (1.0)   libibverbs.so.1 (1.1)       that of 1.1
 *      counter.so              none: opened with dlopen()  counter.so
 *      none                    none: opened with dlopen()  the library's
 */
static void *find(const struct symbol *symbol, void *where)
{
	void *next = look_up(where, symbol->name);
	void *versioned = dlvsym(where, symbol->name, symbol->version);
	Dl_info of_next, of_versioned;
	void *library;

	if (next && dladdr(next, &of_next) && !is_library(&of_next, symbol->library) &&
	    !(versioned && dladdr(versioned, &of_versioned) &&
	      of_versioned.dli_fbase == of_next.dli_fbase))
		return next;
	if (versioned)
		return versioned;
	/*
	 * A process that loaded the library with dlopen() has it in a scope that
	 * RTLD_NEXT does not see. It is loaded, or nobody could be calling us.
	 */
	library = dlopen(symbol->library, RTLD_LAZY | RTLD_NOLOAD);
	if (library) {
		versioned = dlvsym(library, symbol->name, symbol->version);
		if (!versioned)
			versioned = dlsym(library, symbol->name);
		dlclose(library);
	}
	return versioned ? versioned : next;
}

/*
 * Without a lock: the loader has one of its own, and a constructor that calls a
 * hook under it would wait for a thread that waits for the loader. Two threads
 * that look the same name up find the same.
 */
static void resolve(void)
{
	int saved_errno = errno;
	bool all = true;

	verbs_init(&calls);
	for (size_t i = 0; i < sizeof(symbols) / sizeof(symbols[0]); i++) {
		void **entry = (void **)(void *)((char *)&calls + symbols[i].where);

		if (!__atomic_load_n(entry, __ATOMIC_RELAXED))
			__atomic_store_n(entry, find(&symbols[i], atomic_load(&scope)),
					 __ATOMIC_RELEASE);
		all = all && *entry;
	}
	if (all)
		atomic_store_explicit(&complete, true, memory_order_release);
	errno = saved_errno;
}

const struct verbs_calls *symbols_resolve(void)
{
	if (!atomic_load_explicit(&complete, memory_order_acquire))
		resolve();
	return &calls;
}

static const struct symbol *symbol_named(const char *name)
{
	for (size_t i = 0; i < sizeof(symbols) / sizeof(symbols[0]); i++)
		if (!strcmp(symbols[i].name, name))
			return &symbols[i];
	return NULL;
}

void symbols_attach(void)
{
	atomic_store(&scope, RTLD_DEFAULT);
	verbs_init(&calls);
}

void symbols_set_next(const char *name, void *function)
{
	const struct symbol *symbol = symbol_named(name);

	if (symbol)
		__atomic_store_n((void **)(void *)((char *)&calls + symbol->where), function,
				 __ATOMIC_RELEASE);
}

void *symbols_find(const char *name)
{
	const struct symbol *symbol = symbol_named(name);
	int saved_errno = errno;
	void *address = symbol ? find(symbol, RTLD_DEFAULT) : look_up(RTLD_DEFAULT, name);

	errno = saved_errno;
	return address;
}
