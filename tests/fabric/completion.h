/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Completion queues and channels, with the kernel's rules: an armed queue raises one event and is
 * disarmed by it, what is already queued raises none, and ibv_destroy_cq waits for the
 * acknowledgement of every event it delivered.
 */
#ifndef FABRIC_COMPLETION_H
#define FABRIC_COMPLETION_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <infiniband/verbs.h>

struct completion {
	struct ibv_wc wc;
	/* Set to slots_free when the completion is polled; NULL for none. */
	_Atomic uint64_t *retired;
	uint64_t slots_free;
};

/* Queues a completion. solicited: it also wakes who armed for solicited events only. */
void fab_cq_push(struct ibv_cq *cq, const struct completion *completion, bool solicited);

/* QPs keep their CQs busy. */
void fab_cq_hold(struct ibv_cq *cq);
void fab_cq_release(struct ibv_cq *cq);

/* The owner of retired goes away: completions still queued no longer report to it. */
void fab_cq_forget(struct ibv_cq *cq, const _Atomic uint64_t *retired);

int fab_poll_cq(struct ibv_cq *cq, int count, struct ibv_wc *wc);
int fab_req_notify_cq(struct ibv_cq *cq, int solicited_only);

struct completion_counts {
	uint64_t live_cqs;
	uint64_t live_channels;
	uint64_t overruns;
	uint64_t events;
	uint64_t completions;
	uint64_t errors; /* completions that were not IBV_WC_SUCCESS */
};

void fab_completion_counts(struct completion_counts *counts);

#endif
