/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RDMACHUNK_TESTS_BENCH_BENCH_H
#define RDMACHUNK_TESTS_BENCH_BENCH_H

#include "../preload/migration.h"

/* What verbs are called on. */
struct subject {
	bool tracked; /* like QEMU's: the shim, if it is there, has a session for it */
	struct peer *peer;
	const struct peer_shape *shape; /* of QPs to be made */
	/* MIGRATION_CHUNKS to register and to write from, and where they are at the other end. */
	char *memory;
	uint64_t remote;
	uint32_t lkey, rkey;
};

/* Calls in a row between two looks at the clock. */
#define BENCH_CALLS_MAX 64

/* How a verb is measured. Only `run` is timed. */
struct bench_case {
	const char *verb;     /* a word */
	unsigned int calls;   /* in one run */
	unsigned int repeats; /* of the run, in one reading */
	bool untracked_only;
	void (*prepare)(struct subject *s, unsigned int calls); /* or NULL */
	void (*run)(struct subject *s, unsigned int calls);
	void (*finish)(struct subject *s, unsigned int calls); /* or NULL */
};

/* Each ends with one that has no verb. */
extern const struct bench_case datapath_cases[];   /* posting and polling: a connected QP */
extern const struct bench_case memory_cases[];	   /* registrations: the same */
extern const struct bench_case discard_cases[];	   /* memory given back: any subject */
extern const struct bench_case connection_cases[]; /* QPs and devices: a subject without a QP */

/*
 * To be called before the shim patches the context: from then on, an idle poll of the provider is
 * one that only says "nothing", and what the shim adds to it does not drown.
 */
void datapath_prepare(struct ibv_context *context);

/* Nothing completes between the two. */
void datapath_begin_idle(struct subject *s, unsigned int calls);
void datapath_end_idle(struct subject *s, unsigned int calls);

/* Idle polls, and nothing else. */
void datapath_poll_nothing(struct subject *s, unsigned int calls);

#endif
