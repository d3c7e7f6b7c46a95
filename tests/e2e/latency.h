/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How long a QEMU leaves its user waiting: a thread of ours asks it for its state, again and again,
 * on a QMP monitor of its own, and keeps the longest that it had to wait for an answer.
 */
#ifndef TESTS_E2E_LATENCY_H
#define TESTS_E2E_LATENCY_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <json-c/json.h>

#include "ab/qmp.h"

struct latency {
	char argument[64]; /* of -chardev, after the caller has started QEMU no longer valid */
	int fd;		   /* until it is asked; -1: not connected */
	struct qmp qmp;
	int64_t deadline;
	pthread_t thread;
	bool started;
	atomic_bool stop;
	/* The thread's, until it has been stopped. */
	uint64_t answers, longest_ns;
};

/* More arguments for a QEMU that has @argument; NULL ends the list. */
#define LATENCY_ARGUMENTS(argument) \
	"-chardev", (argument), "-mon", "chardev=latency,mode=control", NULL

/*
 * Make the connection, and latency->argument. Returns the descriptor that QEMU inherits, which the
 * caller closes once QEMU has been started, or -1.
 */
int latency_open(struct latency *latency, struct failure *failure);

/* Ask from now on, for an answer until @deadline at most; @name is the process's, for messages. */
int latency_start(struct latency *latency, const char *name, int64_t deadline,
		  struct failure *failure);

/* Wait for the answer that is due, and end it. To be called before QEMU is told to quit; does
 * nothing where nothing was opened. */
void latency_stop(struct latency *latency);

/* To be put by the caller: "answers", and "longest_ms" with fractions. */
struct json_object *latency_report(const struct latency *latency);

#endif
