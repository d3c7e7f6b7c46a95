/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RDMACHUNK_TESTS_FUZZ_MEMFILE_H
#define RDMACHUNK_TESTS_FUZZ_MEMFILE_H

#include <sys/mman.h>
#include <unistd.h>

#include "fuzz.h"

/* A file without a directory, for parsers that are given a path. */
struct memfile {
	int fd;
	char path[40];
};

static inline struct memfile memfile_new(const void *data, size_t size)
{
	struct memfile file = {.fd = memfd_create("input", MFD_CLOEXEC)};

	ENSURE(file.fd >= 0 && write(file.fd, data, size) == (ssize_t)size);
	snprintf(file.path, sizeof(file.path), "/proc/self/fd/%d", file.fd);
	return file;
}

#endif
