/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RDMACHUNK_TESTS_ENGINE_GUEST_H
#define RDMACHUNK_TESTS_ENGINE_GUEST_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../model/random.h"

/*
 * A guest's RAM at the source, which the guest writes and QEMU gives back in parts while it
 * migrates. A page counts how often it was given back: the stand-in for the NIC has the old page of
 * an MR made before that.
 */

#define GUEST_PAGE  4096u
#define GUEST_CHUNK (1024u * 1024)

struct guest {
	char *ram;
	size_t length;
	bool shared;	/* a file's, with no other name */
	int fd;		/* of that */
	uint8_t *dirty; /* by page; atomic */
	struct guest_pages *pages;
	pthread_mutex_t lock; /* held by whoever changes it */
	uint64_t written;     /* what was written last */
};

/* Some of it written, much of it zeros, and all of it dirty. */
void guest_open(struct guest *g, struct random *r, bool shared);

/* Nothing is registered there any more. */
void guest_close(struct guest *g);

/* One write, or something is given back and then partly written. Its lock is held. */
void guest_act(struct guest *g, struct random *r, bool discards);

/* Takes the dirty pages of [first, end): true when there are any. */
bool guest_take_dirty(struct guest *g, size_t first, size_t end);

bool guest_is_zero(const char *memory, size_t length);

/* fake_control.page_version */
unsigned int guest_page_version(const void *page);

#endif
