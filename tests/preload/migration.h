/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RDMACHUNK_TESTS_PRELOAD_MIGRATION_H
#define RDMACHUNK_TESTS_PRELOAD_MIGRATION_H

#include "peer.h"

/* A short migration of one RAM block of eight 1 MiB chunks, the test playing the
 * other end through the fake. */

#define MIGRATION_CHUNK	 (1024u * 1024)
#define MIGRATION_CHUNKS 8u

/* A source's: for programs that do with an active connection what they like. */
struct migration {
	struct peer peer;
	char *block;
	uint64_t length;       /* bytes of it */
	unsigned int requests; /* REGISTER_REQUESTs taken from the wire */
	unsigned int answers;  /* so many are; those after them stay there */
	bool ready;	       /* the READY for the next message has been taken in */
};

/* Connects, and learns the destination's RAM block. A READY is there, not received. */
void migration_open(struct migration *m, const char *address);

/* With a block of the caller's own, in whole chunks. */
void migration_open_block(struct migration *m, const char *address, char *block, uint64_t length);

/* A destination whose QEMU has told of one block. */
void migration_open_destination(struct peer *p, const char *address, char *block, uint64_t length);

/* The second connection of a destination that may go over to postcopy. */
void migration_open_return_path(struct peer *p, const char *address);

/* Answers a REGISTER_REQUEST that is on the wire, if there is one. */
void migration_answer(struct migration *m);

/* The same with a result that is cut off; false when there is no request. */
bool migration_answer_badly(struct migration *m);

/* REGISTER_FINISHED, which has to come out. */
void migration_finish(struct migration *m);

/* The destination is ready for another message, as it is after each. */
void migration_ready(struct migration *m);

/* Request, register and write a chunk; returns its MR, and the key to it there. */
struct ibv_mr *migration_send_chunk(struct migration *m, unsigned int chunk, uint32_t *rkey);

/* The two parts of that: until QEMU waits for the answer, and from then on. */
void migration_request(struct migration *m, unsigned int chunk);
struct ibv_mr *migration_send_requested(struct migration *m, unsigned int chunk, uint32_t *rkey);

/* Where a chunk is at the destination. */
uint64_t migration_remote(unsigned int chunk);

/* Takes in the READY that every exchange ends with, before the next message needs it. */
void migration_take_ready(struct migration *m);

struct migration_counts {
	unsigned int requests;	 /* REGISTER_REQUESTs on the wire */
	unsigned int registered; /* chunks registered here */
};

/* `destroy_first`: the QP goes before the chunks are deregistered. */
void migration_source(const char *address, bool destroy_first, struct migration_counts *counts);
void migration_destination(const char *address, struct migration_counts *counts);

#endif
