/* SPDX-License-Identifier: GPL-2.0-or-later */

/* A module to preload that counts locks taken and memory allocated, of any thread. */
#include <dlfcn.h>
#include <pthread.h>
#include <stdlib.h>

#define EXPORT __attribute__((visibility("default")))

EXPORT unsigned long calls_counted;

/* glibc's own names of them: looking up the next malloc would call malloc. */
void *__libc_malloc(size_t size);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *old, size_t size);

static void count(void)
{
	__atomic_fetch_add(&calls_counted, 1, __ATOMIC_RELAXED);
}

EXPORT void *malloc(size_t size)
{
	count();
	return __libc_malloc(size);
}

EXPORT void *calloc(size_t n, size_t size)
{
	count();
	return __libc_calloc(n, size);
}

EXPORT void *realloc(void *old, size_t size)
{
	count();
	return __libc_realloc(old, size);
}

EXPORT int pthread_mutex_lock(pthread_mutex_t *mutex)
{
	static int (*real)(pthread_mutex_t *);

	count();
	if (!real)
		*(void **)&real = dlsym(RTLD_NEXT, "pthread_mutex_lock");
	return real(mutex);
}
