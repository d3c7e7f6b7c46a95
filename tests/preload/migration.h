/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RDMACHUNK_TESTS_PRELOAD_MIGRATION_H
#define RDMACHUNK_TESTS_PRELOAD_MIGRATION_H

#include "peer.h"

/* A short migration of one RAM block of eight 1 MiB chunks, the test playing the
 * other end through the fake. */

#define MIGRATION_CHUNK	 (1024u * 1024)
#define MIGRATION_CHUNKS 8u

struct migration_counts {
	unsigned int requests;	 /* REGISTER_REQUESTs on the wire */
	unsigned int registered; /* chunks registered here */
};

/* `destroy_first`: the QP goes before the chunks are deregistered. */
void migration_source(const char *address, bool destroy_first, struct migration_counts *counts);
void migration_destination(const char *address, struct migration_counts *counts);

#endif
