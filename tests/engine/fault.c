/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "fault.h"

#include <errno.h>
#include <pthread.h>

#include "../preload/peer.h"
#include "guest.h"

#define WATCHED 256

static struct {
	const void *_Atomic object;
	struct fault *_Atomic fault;
} watched[WATCHED];

static _Thread_local struct fault *of_thread;
static _Thread_local bool own;
static unsigned int one_in;
static unsigned int created;

const char *fault_name(enum fault_kind kind)
{
	static const char *const names[FAULT_KINDS] = {
		[FAULT_NONE] = "none",		 [FAULT_REG_MR] = "reg_mr",
		[FAULT_WIDE] = "wide",		 [FAULT_CREATE_QP] = "create_qp",
		[FAULT_POST_SEND] = "post_send", [FAULT_POST_RECV] = "post_recv",
		[FAULT_WIRE] = "wire",		 [FAULT_MEMORY] = "memory",
	};

	return names[kind];
}

void fault_choose(struct fault *f, struct random *r)
{
	static const int errors[] = {ENOMEM, EIO, EINVAL, EAGAIN};

	*f = (struct fault){
		.kind = random_percent(r, 50) ? FAULT_NONE : random_below(r, FAULT_KINDS),
		.countdown = (int)random_below(r, random_percent(r, 50) ? 6 : 60),
		.error = errors[random_below(r, 4)],
	};
}

void fault_watch(const void *object, struct fault *f)
{
	const void *none = NULL;
	int i = 0;

	while (!__atomic_compare_exchange_n((const void **)&watched[i].object, &none, object, false,
					    __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST)) {
		none = NULL;
		must(++i < WATCHED);
	}
	watched[i].fault = f;
}

void fault_forget(const struct fault *f)
{
	for (int i = 0; i < WATCHED; i++) {
		if (watched[i].fault != f)
			continue;
		watched[i].fault = NULL;
		watched[i].object = NULL;
	}
}

void fault_watch_thread(struct fault *f)
{
	of_thread = f;
}

/* The call is of the kind that is to fail: is it the one? */
static int count_down(struct fault *f)
{
	int left = __atomic_fetch_sub(&f->countdown, 1, __ATOMIC_RELAXED);

	if (f->kind == FAULT_WIDE)
		return left <= 0 ? ENOMEM : 0;
	if (left)
		return 0;
	__atomic_store_n(&f->happened, true, __ATOMIC_RELAXED);
	return f->error;
}

static bool is_meant(const struct fault *f, enum fake_call call, size_t length)
{
	switch (f->kind) {
	case FAULT_REG_MR:
		/* QEMU's own buffers are no part of this. */
		return call == FAKE_REG_MR && length != PEER_BUFFER;
	case FAULT_WIDE:
		return call == FAKE_REG_MR && length > GUEST_CHUNK;
	case FAULT_POST_SEND:
		return call == FAKE_POST_SEND;
	case FAULT_POST_RECV:
		return call == FAKE_POST_RECV;
	case FAULT_WIRE:
		return call == FAKE_WIRE;
	default:
		return false;
	}
}

static int decide(enum fake_call call, const void *object, size_t length)
{
	struct fault *f;

	if (call == FAKE_CREATE_QP && of_thread && of_thread->kind == FAULT_CREATE_QP) {
		of_thread->happened = true;
		of_thread = NULL;
		return ENOMEM;
	}
	for (int i = 0; i < WATCHED; i++) {
		f = watched[i].object == object ? watched[i].fault : NULL;
		if (f && is_meant(f, call, length))
			return count_down(f);
	}
	return 0;
}

static struct fault *of_memory;

void fault_watch_memory(struct fault *f)
{
	__atomic_store_n(&of_memory, f, __ATOMIC_RELEASE);
}

/* The linker sends allocations of the program here, but not those of its libraries. */
void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *p, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *p, size_t size);

static bool has_memory(void)
{
	struct fault *f = __atomic_load_n(&of_memory, __ATOMIC_ACQUIRE);

	return !f || !count_down(f);
}

void *__wrap_malloc(size_t size)
{
	return has_memory() ? __real_malloc(size) : NULL;
}

void *__wrap_calloc(size_t count, size_t size)
{
	return has_memory() ? __real_calloc(count, size) : NULL;
}

void *__wrap_realloc(void *p, size_t size)
{
	return has_memory() ? __real_realloc(p, size) : NULL;
}

void fault_begin(unsigned int threads)
{
	one_in = threads;
	peer_control->fault = decide;
}

int __real_pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*run)(void *),
			  void *argument);
int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*run)(void *),
			  void *argument);

int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*run)(void *),
			  void *argument)
{
	if (!own && one_in &&
	    __atomic_fetch_add(&created, 1, __ATOMIC_RELAXED) % one_in == one_in - 1)
		return EAGAIN;
	return __real_pthread_create(thread, attr, run, argument);
}

int fault_own_thread(pthread_t *thread, void *(*run)(void *argument), void *argument)
{
	int error;

	own = true;
	error = pthread_create(thread, NULL, run, argument);
	own = false;
	return error;
}
