/* SPDX-License-Identifier: GPL-2.0-or-later */

/*
 * The exported functions with which a process gives memory back. Each makes the real
 * call, and then reports what is gone, whatever the call returned: one that fails may
 * have done a part of it. While no migration is active that is one atomic load.
 *
 * These are called before constructors have run, from within malloc() of other
 * libraries, and from children between fork() and exec(): so they take no lock and
 * allocate nothing.
 */

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "engine/discard.h"
#include "hook/memory.h"

#define EXPORT __attribute__((visibility("default")))

_Static_assert(sizeof(off_t) == sizeof(off64_t), "both names of a function are one");

/* Newer than some headers. */
#ifndef MADV_DONTNEED_LOCKED
#define MADV_DONTNEED_LOCKED 24
#endif
#ifndef MREMAP_DONTUNMAP
#define MREMAP_DONTUNMAP 4
#endif
#ifndef MADV_GUARD_INSTALL
#define MADV_GUARD_INSTALL 102
#endif

enum next { MADVISE, POSIX_MADVISE, FALLOCATE, FALLOCATE64, MUNMAP, MMAP, MMAP64, MREMAP, NEXTS };

static const char *const names[NEXTS] = {
	[MADVISE] = "madvise",	   [POSIX_MADVISE] = "posix_madvise",
	[FALLOCATE] = "fallocate", [FALLOCATE64] = "fallocate64",
	[MUNMAP] = "munmap",	   [MMAP] = "mmap",
	[MMAP64] = "mmap64",	   [MREMAP] = "mremap",
};

static _Atomic(void *) found[NEXTS];
static _Thread_local bool searching;

/*
 * The next definition in look-up order, which may be another library's; NULL while it
 * is being looked for on this thread: then the look-up itself needs memory, and the
 * kernel is called.
 */
static void *next(enum next which)
{
	void *function = atomic_load_explicit(&found[which], memory_order_relaxed);
	int saved_errno = errno;

	if (function || searching)
		return function;
	searching = true;
	function = dlsym(RTLD_NEXT, names[which]);
	searching = false;
	atomic_store_explicit(&found[which], function, memory_order_relaxed);
	errno = saved_errno;
	return function;
}

/* Later, the loader's lock could be held by somebody who waits for the caller. */
__attribute__((constructor)) static void look_up_all(void)
{
	for (int which = 0; which < NEXTS; which++)
		next((enum next)which);
}

bool memory_set_next(const char *name, void *function)
{
	for (int which = 0; which < NEXTS; which++) {
		if (strcmp(names[which], name))
			continue;
		atomic_store_explicit(&found[which], function, memory_order_relaxed);
		return true;
	}
	return false;
}

static void gone(const void *addr, size_t length, enum discard_kind kind)
{
	if (discard_watching())
		discard_memory(addr, length, kind);
}

static bool madvise_discards(int advice)
{
	switch (advice) {
	case MADV_DONTNEED:
	case MADV_DONTNEED_LOCKED:
	case MADV_FREE:
	case MADV_REMOVE:
	case MADV_HWPOISON:
	case MADV_GUARD_INSTALL:
		return true;
	default:
		return false;
	}
}

EXPORT int madvise(void *addr, size_t length, int advice)
{
	int (*real)(void *, size_t, int) = next(MADVISE);
	int ret =
		real ? real(addr, length, advice) : (int)syscall(SYS_madvise, addr, length, advice);

	if (madvise_discards(advice))
		gone(addr, length, advice == MADV_REMOVE ? DISCARD_FROM_FILE : DISCARD_PAGES);
	return ret;
}

/* glibc's ignores POSIX_MADV_DONTNEED, others' may not. */
EXPORT int posix_madvise(void *addr, size_t length, int advice)
{
	int (*real)(void *, size_t, int) = next(POSIX_MADVISE);
	int ret = real ? real(addr, length, advice) : 0;

	if (advice == POSIX_MADV_DONTNEED)
		gone(addr, length, DISCARD_PAGES);
	return ret;
}

static int do_fallocate(enum next which, int fd, int mode, off_t offset, off_t length)
{
	int (*real)(int, int, off_t, off_t) = next(which);
	int ret = real ? real(fd, mode, offset, length)
		       : (int)syscall(SYS_fallocate, fd, mode, offset, length);

	if (!discard_watching())
		return ret;
	if (mode & (FALLOC_FL_COLLAPSE_RANGE | FALLOC_FL_INSERT_RANGE))
		discard_file(fd, offset, 0);
	else if (mode & (FALLOC_FL_PUNCH_HOLE | FALLOC_FL_ZERO_RANGE))
		discard_file(fd, offset, length);
	return ret;
}

EXPORT int fallocate(int fd, int mode, off_t offset, off_t length)
{
	return do_fallocate(FALLOCATE, fd, mode, offset, length);
}

EXPORT int fallocate64(int fd, int mode, off64_t offset, off64_t length)
{
	return do_fallocate(FALLOCATE64, fd, mode, offset, length);
}

EXPORT int munmap(void *addr, size_t length)
{
	int (*real)(void *, size_t) = next(MUNMAP);
	int ret = real ? real(addr, length) : (int)syscall(SYS_munmap, addr, length);

	gone(addr, length, DISCARD_MAPPING);
	return ret;
}

static void *do_mmap(enum next which, void *addr, size_t length, int prot, int flags, int fd,
		     off_t offset)
{
	void *(*real)(void *, size_t, int, int, int, off_t) = next(which);
	void *ret = real ? real(addr, length, prot, flags, fd, offset)
			 : (void *)syscall(SYS_mmap, addr, length, prot, flags, fd, offset);

	/* One that fails may have unmapped what was there. */
	if (flags & MAP_FIXED)
		gone(addr, length, DISCARD_MAPPING);
	return ret;
}

EXPORT void *mmap(void *addr, size_t length, int prot, int flags, int fd, off_t offset)
{
	return do_mmap(MMAP, addr, length, prot, flags, fd, offset);
}

EXPORT void *mmap64(void *addr, size_t length, int prot, int flags, int fd, off64_t offset)
{
	return do_mmap(MMAP64, addr, length, prot, flags, fd, offset);
}

EXPORT void *mremap(void *addr, size_t length, size_t new_length, int flags, ...)
{
	void *(*real)(void *, size_t, size_t, int, ...) = next(MREMAP);
	void *wanted = NULL, *ret;
	va_list args;

	/* The second takes it for a hint. */
	if (flags & (MREMAP_FIXED | MREMAP_DONTUNMAP)) {
		va_start(args, flags);
		wanted = va_arg(args, void *);
		va_end(args);
	}
	ret = real ? real(addr, length, new_length, flags, wanted)
		   : (void *)syscall(SYS_mremap, addr, length, new_length, flags, wanted);
	gone(addr, length, DISCARD_MAPPING);
	if (flags & MREMAP_FIXED)
		gone(wanted, new_length, DISCARD_MAPPING);
	return ret;
}
