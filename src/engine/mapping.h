/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RDMACHUNK_ENGINE_MAPPING_H
#define RDMACHUNK_ENGINE_MAPPING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What backs memory of this process, as proc(5) tells it: /proc/self/maps. */

struct mapping_file {
	uint64_t device;
	uint64_t inode;
};

enum mapping_backing {
	MAPPING_ANONYMOUS,
	MAPPING_FILE,
	/* A file that goes by another name than fstat(2) gives it, as on overlayfs
	 * and btrfs, or none that can be told. */
	MAPPING_UNKNOWN,
};

struct mapping {
	uint64_t start, end; /* addresses */
	enum mapping_backing backing;
	struct mapping_file file; /* MAPPING_FILE */
	uint64_t offset;	  /* of `start` in the file, bytes */
	bool huge;		  /* of a pool of huge pages, which can run out */
};

/* All zero is an empty list. */
struct mapping_list {
	struct mapping *mapping;
	size_t count;
	size_t room;
};

/*
 * The mappings of [start, end), each clipped to it. One of unknown backing where
 * nothing can be learnt, as without /proc. 0 or -ENOMEM, and then the list is empty.
 */
int mapping_list_read(struct mapping_list *list, uint64_t start, uint64_t end);
void mapping_list_free(struct mapping_list *list);

/* The file that `fd` has open. 0 or a negative errno. Waits for no file system. */
int mapping_file_of(int fd, struct mapping_file *file);

static inline bool mapping_same_file(const struct mapping_file *a, const struct mapping_file *b)
{
	return a->device == b->device && a->inode == b->inode;
}

#endif
