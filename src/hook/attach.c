/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "hook/attach.h"

#include <dlfcn.h>
#include <errno.h>
#include <link.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "engine/connection.h"
#include "engine/session.h"
#include "engine/sessions.h"
#include "hook/got.h"
#include "hook/memory.h"
#include "hook/ops.h"
#include "hook/symbols.h"
#include "util/error_text.h"
#include "util/log.h"
#include "util/version.h"

#define EXPORT __attribute__((visibility("default")))

/* Nothing is done unless all that is `needed' is called by this process. */
static struct {
	const char *name;
	bool needed;
} const names[] = {
	{"fallocate", false},	     {"fallocate64", false},
	{"ibv_close_device", false}, {"ibv_dereg_mr", true},
	{"ibv_reg_mr", false},	     {"ibv_reg_mr_iova2", false},
	{"madvise", false},	     {"mmap", false},
	{"mmap64", false},	     {"mremap", false},
	{"munmap", false},	     {"posix_madvise", false},
	{"rdma_accept", true},	     {"rdma_connect", true},
	{"rdma_create_qp", true},    {"rdma_destroy_qp", true},
	{"rdma_disconnect", false},  {"rdma_get_cm_event", true},
};

#define HOOKS (sizeof(names) / sizeof(names[0]))

static struct got_hook hooks[HOOKS];

/* For changes of the tables. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

EXPORT struct attach_info rdmachunk_info = {
	.abi = ATTACH_ABI,
	.size = sizeof(rdmachunk_info),
	.state = ATTACH_NONE,
	.version = VERSION_TEXT,
	.settings_len = 1,
};

static void set_state(enum attach_state state, unsigned int slots)
{
	__atomic_store_n(&rdmachunk_info.slots, slots, __ATOMIC_RELAXED);
	__atomic_store_n(&rdmachunk_info.state, (uint32_t)state, __ATOMIC_RELEASE);
}

static int refuse(struct attach_request *r, int error, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

static int refuse(struct attach_request *r, int error, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(r->message, sizeof(r->message), format, args);
	va_end(args);
	return -error;
}

/* Our own functions: by their names the process finds others first. */
static bool find_own(void)
{
	struct link_map *self;
	Dl_info info;

	if (!dladdr1(&rdmachunk_info, &info, (void **)&self, RTLD_DL_LINKMAP))
		return false;
	for (size_t i = 0; i < HOOKS; i++) {
		hooks[i].name = names[i].name;
		hooks[i].hook = dlsym(self, names[i].name);
		if (!hooks[i].hook)
			return false;
	}
	return true;
}

/* Who is called next, before anybody can call us. */
static void set_next(void)
{
	symbols_attach();
	for (size_t i = 0; i < HOOKS; i++) {
		if (!hooks[i].next)
			continue;
		if (!memory_set_next(hooks[i].name, hooks[i].next))
			symbols_set_next(hooks[i].name, hooks[i].next);
	}
}

/* Is it of another file of this library's, which two commands have loaded at once? */
static bool is_of_another(void *function)
{
	Dl_info info;
	void *library = NULL, *version = NULL;

	if (dladdr(function, &info) && strchr(info.dli_fname, '/'))
		library = dlopen(info.dli_fname, RTLD_LAZY | RTLD_NOLOAD);
	if (library) {
		version = dlsym(library, VERSION_SYMBOL);
		dlclose(library);
	}
	return version != NULL;
}

static bool has_another(void)
{
	for (size_t i = 0; i < HOOKS; i++)
		if (names[i].needed && is_of_another(hooks[i].next))
			return true;
	return false;
}

static int put_in(struct attach_request *r)
{
	const char *settings = (const char *)(uintptr_t)r->settings;
	size_t ours;
	int ret;

	if (rdmachunk_info.state == ATTACH_HOOKED)
		return refuse(r, EALREADY, "it is attached already");
	if (sessions_any())
		return refuse(r, EBUSY, "a migration is under way");
	if (!find_own())
		return refuse(r, ENOEXEC, "the library does not find its own functions");
	got_find(hooks, HOOKS, &ours);
	if (ours)
		return refuse(r, EALREADY, "the library was preloaded, and is in use already");
	for (size_t i = 0; i < HOOKS; i++)
		if (names[i].needed && !hooks[i].next)
			return refuse(r, ENOSYS,
				      "the program does not call %s: it has no RDMA migration",
				      names[i].name);
	if (has_another())
		return refuse(r, EALREADY, "another librdmachunk is in use");
	ret = session_configure(settings, r->settings_len, r->message, sizeof(r->message));
	if (ret)
		return ret;
	connection_reconfigured();
	memcpy(rdmachunk_info.settings, settings, r->settings_len);
	rdmachunk_info.settings_len = r->settings_len;
	set_next();
	ret = got_put_in(hooks, HOOKS);
	if (ret < 0)
		return refuse(r, -ret, "the program's tables cannot be changed: %s",
			      error_text(-ret));
	r->slots = (uint32_t)ret;
	set_state(ATTACH_HOOKED, r->slots);
	return 0;
}

bool attach_renew(void)
{
	int saved_errno = errno;
	int slots;

	if (__atomic_load_n(&rdmachunk_info.state, __ATOMIC_ACQUIRE) != ATTACH_HOOKED)
		return true;
	pthread_mutex_lock(&lock);
	slots = got_renew(hooks, HOOKS);
	pthread_mutex_unlock(&lock);
	errno = saved_errno;
	if (slots < 0 || (unsigned int)slots < rdmachunk_info.slots) {
		log_warn(
			"not all functions of QEMU's lead to rdmachunk any more; migrating without it");
		return false;
	}
	__atomic_store_n(&rdmachunk_info.slots, (uint32_t)slots, __ATOMIC_RELAXED);
	return true;
}

static int take_out(struct attach_request *r)
{
	int ret;

	if (rdmachunk_info.state != ATTACH_HOOKED)
		return refuse(r, EALREADY, "it is not attached");
	if (sessions_any())
		return refuse(r, EBUSY, "a migration is under way: wait for its end, or cancel it");
	ret = got_take_out(hooks, HOOKS);
	if (ret < 0)
		return refuse(r, -ret, "the program's tables cannot be changed: %s",
			      error_text(-ret));
	ops_restore_all();
	/* The log's file is closed. */
	connection_reconfigured();
	r->slots = (uint32_t)ret;
	set_state(ATTACH_DETACHED, 0);
	return 0;
}

EXPORT int rdmachunk_attach(struct attach_request *r)
{
	int saved_errno = errno;

	r->message[0] = '\0';
	r->slots = 0;
	pthread_mutex_lock(&lock);
	if (r->abi != ATTACH_ABI)
		r->result = refuse(r, EPROTO,
				   "the library is " PACKAGE_VERSION
				   ", and speaks another language than the command");
	else
		r->result = r->action == ATTACH_PUT_IN ? put_in(r) : take_out(r);
	pthread_mutex_unlock(&lock);
	__atomic_store_n(&r->done, 1, __ATOMIC_RELEASE);
	errno = saved_errno;
	return r->result;
}
