/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A client of QEMU's qtest protocol: port and memory accesses of a guest's processor, made from
 * outside, whatever accelerator there is and whether the guest runs or not. What is written to
 * memory counts as dirty. Commands and answers are lines (QEMU's system/qtest.c tells which).
 */
#ifndef TESTS_E2E_QTEST_H
#define TESTS_E2E_QTEST_H

#include <stddef.h>
#include <stdint.h>

#include "ab/failure.h"

struct qtest {
	const char *name; /* of the process, for messages; not owned */
	int fd;		  /* -1 when not connected */
	int64_t deadline; /* of all commands */
	/* The first command that failed is told of here, and none is sent after it. */
	struct failure *failure;
	char argument[64]; /* of -chardev, after the caller has started QEMU no longer valid */
};

/* More arguments for a QEMU that has @argument as "socket,id=qtest,fd=N"; NULL ends the list. */
#define QTEST_ARGUMENTS(argument) \
	"-chardev", (argument), "-qtest", "chardev:qtest", "-qtest-log", "none", NULL

/*
 * Make the connection, and qtest->argument. Returns the descriptor that QEMU inherits, which the
 * caller closes once QEMU has been started, or -1.
 */
int qtest_open(struct qtest *qtest, const char *name, int64_t deadline, struct failure *failure);
void qtest_close(struct qtest *qtest);

/* 0 as long as no command has failed. */
int qtest_status(const struct qtest *qtest);

/*
 * Send @lines (whole ones, fewer than what a socket buffers), and take an OK for each. A failure
 * tells of the first that had none.
 */
void qtest_send(struct qtest *qtest, const char *lines);

/* Port accesses of 1, 2 or 4 bytes. */
void qtest_out(struct qtest *qtest, uint16_t port, unsigned int size, uint32_t value);
uint32_t qtest_in(struct qtest *qtest, uint16_t port, unsigned int size);

/* Memory accesses of 2, 4 or 8 bytes, little endian. A read that fails is 0. */
void qtest_write(struct qtest *qtest, uint64_t address, unsigned int size, uint64_t value);
uint64_t qtest_read(struct qtest *qtest, uint64_t address, unsigned int size);

void qtest_memset(struct qtest *qtest, uint64_t address, uint64_t length, uint8_t value);

#endif
