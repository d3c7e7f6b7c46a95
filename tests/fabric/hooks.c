// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The calls by which a process gives memory back. This library comes before libc in look-up order,
 * and behind what is preloaded, so these are what the program calls.
 *
 * They have to work before any constructor has run and in programs that never open a device: they
 * are system calls, nothing is looked up, and unless an MR is live that is all there is to them.
 *
 * Not here: MADV_FREE, which leaves a pinned page where it is; and posix_madvise, which in glibc
 * never discards.
 */
#include "discard.h"
#include "frames.h"
#include "mappings.h"
#include "pins.h"
#include "raw.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdarg.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#ifndef MADV_DONTNEED_LOCKED
#define MADV_DONTNEED_LOCKED 24
#endif

/* With errno as the call has left it. */
static void end(struct discard *d, bool done, uintptr_t moved_to)
{
	int err = errno;

	fab_discard_end(d, done, moved_to);
	errno = err;
}

/* Whether an MR has anything there. If not, nobody need wait for somebody else's discard. */
static bool pinned(const void *addr, size_t length)
{
	uintptr_t start = (uintptr_t)addr & ~(FAB_PAGE_SIZE - 1);

	return fab_pins_any() &&
	       fab_pins_touch(start, ((uintptr_t)addr + length - start + FAB_PAGE_SIZE - 1) >>
					     FAB_PAGE_SHIFT);
}

int madvise(void *addr, size_t length, int advice)
{
	int err = errno, result;
	struct discard d;

	if ((advice != MADV_DONTNEED && advice != MADV_DONTNEED_LOCKED && advice != MADV_REMOVE) ||
	    !(advice == MADV_REMOVE ? fab_pins_any() : pinned(addr, length)))
		return raw_madvise(addr, length, advice);
	fab_discard_begin(&d);
	if (advice == MADV_REMOVE)
		fab_discard_files_at(&d, (uintptr_t)addr, length);
	else
		fab_discard_mapped(&d, (uintptr_t)addr, length, false);
	fab_discard_keep(&d);
	errno = err;
	result = raw_madvise(addr, length, advice);
	/* ENOMEM: there are holes in the range, and what is between them is gone. */
	end(&d, result == 0 || errno == ENOMEM, 0);
	return result;
}

/* What is partly in the hole is cleared in place, which MRs see. */
static void discard_hole(struct discard *d, int fd, uint64_t offset, uint64_t length)
{
	uint64_t unit = FAB_PAGE_SIZE, first, end;
	bool huge = false;
	struct statfs fs;
	struct stat st;

	if (fstat(fd, &st) != 0)
		return;
	if (fstatfs(fd, &fs) == 0 && fs.f_type == HUGETLBFS_MAGIC) {
		unit = fs.f_bsize;
		huge = true;
	}
	first = (offset + unit - 1) / unit * unit;
	end = (offset + length) / unit * unit;
	if (first < end)
		fab_discard_file(d, st.st_dev, st.st_ino, first, end, huge);
}

static int punch(int fd, int mode, off_t offset, off_t length)
{
	int err = errno, result;
	struct discard d;

	if (!(mode & FALLOC_FL_PUNCH_HOLE) || offset < 0 || length <= 0 || !fab_pins_any())
		return raw_fallocate(fd, mode, offset, length);
	fab_discard_begin(&d);
	discard_hole(&d, fd, offset, length);
	fab_discard_keep(&d);
	errno = err;
	result = raw_fallocate(fd, mode, offset, length);
	end(&d, result == 0, 0);
	return result;
}

int fallocate(int fd, int mode, off_t offset, off_t length)
{
	return punch(fd, mode, offset, length);
}

int fallocate64(int fd, int mode, off64_t offset, off64_t length)
{
	return punch(fd, mode, offset, length);
}

int munmap(void *addr, size_t length)
{
	int err = errno, result;
	struct discard d;

	if (!pinned(addr, length)) {
		result = raw_munmap(addr, length);
		fab_mappings_changed();
		return result;
	}
	fab_discard_begin(&d);
	fab_discard_mapped(&d, (uintptr_t)addr, length, true);
	fab_discard_keep(&d);
	errno = err;
	result = raw_munmap(addr, length);
	fab_mappings_changed();
	end(&d, result == 0, 0);
	return result;
}

static void *map(void *addr, size_t length, int prot, int flags, int fd, off_t offset)
{
	struct discard d;
	int err = errno;
	void *result;

	if (!(flags & MAP_FIXED) || !pinned(addr, length)) {
		result = raw_mmap(addr, length, prot, flags, fd, offset);
		fab_mappings_changed();
		return result;
	}
	fab_discard_begin(&d);
	fab_discard_mapped(&d, (uintptr_t)addr, length, true);
	fab_discard_keep(&d);
	errno = err;
	result = raw_mmap(addr, length, prot, flags, fd, offset);
	fab_mappings_changed();
	end(&d, result != MAP_FAILED, 0);
	return result;
}

void *mmap(void *addr, size_t length, int prot, int flags, int fd, off_t offset)
{
	return map(addr, length, prot, flags, fd, offset);
}

void *mmap64(void *addr, size_t length, int prot, int flags, int fd, off64_t offset)
{
	return map(addr, length, prot, flags, fd, offset);
}

void *mremap(void *addr, size_t old, size_t length, int flags, ...)
{
	size_t kept = (length + FAB_PAGE_SIZE - 1) & ~(FAB_PAGE_SIZE - 1);
	struct discard d;
	int err = errno;
	void *to = NULL, *result;
	va_list args;

	va_start(args, flags);
	if (flags & MREMAP_FIXED)
		to = va_arg(args, void *);
	va_end(args);
	if (!pinned(addr, old) && !(flags & MREMAP_FIXED && pinned(to, length))) {
		result = raw_mremap(addr, old, length, flags, to);
		fab_mappings_changed();
		return result;
	}
	fab_discard_begin(&d);
	if (flags & MREMAP_FIXED)
		fab_discard_mapped(&d, (uintptr_t)to, length, true);
	if (kept < old)
		fab_discard_mapped(&d, (uintptr_t)addr + kept, old - kept, true);
	fab_discard_range(&d, (uintptr_t)addr, kept < old ? kept : old, FATE_MOVE);
	fab_discard_keep(&d);
	errno = err;
	result = raw_mremap(addr, old, length, flags, to);
	fab_mappings_changed();
	end(&d, result != MAP_FAILED, (uintptr_t)result);
	return result;
}
