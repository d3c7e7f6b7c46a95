/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RDMACHUNK_TESTS_UNIT_QP_H
#define RDMACHUNK_TESTS_UNIT_QP_H

#include "core/order.h"
#include "support.h"

/*
 * A struct order under test, and the list of all that it had posted, in its batches. Nothing is
 * executed, as there is no NIC; a WR completes when it is told to. Checks of each batch what
 * must hold of all: room on the send queue, serials in order, a last WR that is
 * signalled, slots that are free.
 */

#define QP_ROOM 4096 /* WRs in one test */

/* Where writes of the tests go, by their distance from these. */
#define QP_LOCAL  UINT64_C(0x7f0000000000)
#define QP_REMOTE UINT64_C(0x550000000000)

struct qp {
	struct order order;
	struct completion_queue due;
	struct order_out wr[QP_ROOM];  /* all that was posted, oldest first */
	unsigned int given, completed; /* of them */
	unsigned int batches;
	unsigned int last_batch; /* WRs in it */
	unsigned int unsignaled; /* since the last that was signalled */
};

/* `early` with a limit on merging, or each write for itself when 0. */
void qp_init(struct qp *n, uint64_t merge_max);

/* Take what there is, as the engine does after each event. Returns the number of WRs. */
unsigned int qp_pump(struct qp *n);

/* QEMU writes `length` bytes at a distance of `at`, under wr_id `wr_id`; what
 * order_write() says. Then as qp_pump(). */
int qp_write(struct qp *n, uint64_t wr_id, uint64_t at, uint64_t length);

/* QEMU sends COMPRESS for such a range; what order_zero() says. */
int qp_zero(struct qp *n, uint64_t at, uint64_t length);

/* QEMU sends another message; what order_message() says. */
int qp_ordered(struct qp *n, uint64_t wr_id, bool urgent);

/* The destination sends READY; what order_ready() says. */
bool qp_ready(struct qp *n);

/* Is anything kept back until a READY comes? Then somebody must be listening. */
bool qp_waits_for_ready(const struct qp *n);

/* QEMU is about to sleep. */
void qp_flush(struct qp *n);

/* Complete up to and with the oldest signalled WR; false when there is none.
 * Then as qp_pump(). */
bool qp_complete(struct qp *n);

/* The oldest WR fails, the others are flushed. */
void qp_fail(struct qp *n, uint32_t status);

/* The i-th WR that has not completed, from 0. */
const struct order_out *qp_at(const struct qp *n, unsigned int i);

/* Not completed: WRs, and bytes of writes. */
unsigned int qp_in_flight(const struct qp *n);
uint64_t qp_bytes(const struct qp *n);

/* QEMU polls, and this must be next. */
void qp_expect(struct qp *n, uint64_t wr_id, uint32_t status);

#endif
