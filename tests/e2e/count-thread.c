// SPDX-License-Identifier: GPL-2.0-or-later
/* The threads that the shim creates: counted, and made to fail. All others are QEMU's affair. */
#include "count.h"
#include "count-fail.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

typedef int create_fn(pthread_t *thread, const pthread_attr_t *attr, void *(*run)(void *),
		      void *argument);

static bool is_shim(void *caller)
{
	Dl_info info;

	return dladdr(caller, &info) && info.dli_fname &&
	       strstr(info.dli_fname, "/librdmachunk.so");
}

int pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*run)(void *),
		   void *argument)
{
	static _Atomic(create_fn *) real;
	create_fn *create = real;
	int error;

	if (!create) {
		*(void **)&create = dlsym(RTLD_NEXT, "pthread_create");
		if (!create)
			abort();
		real = create;
	}
	if (!is_shim(__builtin_return_address(0)))
		return create(thread, attr, run, argument);
	error = fail_check(FAIL_THREAD, 0);
	if (error) {
		count_add(NULL, COUNT_THREAD_FAILURES, 1);
		return error;
	}
	error = create(thread, attr, run, argument);
	if (!error)
		count_add(NULL, COUNT_THREADS, 1);
	return error;
}
