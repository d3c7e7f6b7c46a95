/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The system calls that discard.c stands in front of. Straight to the kernel: what is in front of
 * libc may be called before libc and we are ready, and by allocators that hold locks of their own.
 * All set errno, as libc's do.
 */
#ifndef FABRIC_RAW_H
#define FABRIC_RAW_H

#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

_Static_assert(sizeof(long) == 8, "offsets are passed in one register");

static inline void *raw_mmap(void *addr, size_t length, int prot, int flags, int fd, off_t offset)
{
	return (void *)syscall(SYS_mmap, addr, length, (long)prot, (long)flags, (long)fd, offset);
}

static inline int raw_munmap(void *addr, size_t length)
{
	return syscall(SYS_munmap, addr, length);
}

static inline void *raw_mremap(void *addr, size_t old, size_t length, int flags, void *to)
{
	return (void *)syscall(SYS_mremap, addr, old, length, (long)flags, to);
}

static inline int raw_madvise(void *addr, size_t length, int advice)
{
	return syscall(SYS_madvise, addr, length, (long)advice);
}

static inline int raw_fallocate(int fd, int mode, off_t offset, off_t length)
{
	return syscall(SYS_fallocate, (long)fd, (long)mode, offset, length);
}

/* Memory of our own, all zero; MAP_FAILED if there is none. */
static inline void *raw_memory(size_t length)
{
	return raw_mmap(NULL, length, PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
}

/*
 * The bare system call: to sanitizers this is memory changing by itself, as with a device, and not
 * a thread's write that might race with the program's reads.
 */
static inline ssize_t raw_read_process(pid_t pid, const struct iovec *to, size_t to_count,
				       const struct iovec *from, size_t from_count)
{
	return syscall(SYS_process_vm_readv, (long)pid, to, to_count, from, from_count, 0ul);
}

#endif
