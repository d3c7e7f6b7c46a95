/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The "hardware" of a connected QP: three threads per QP.
 *
 *   requester  takes send entries in order, checks the local MRs, takes its turn on the wire
 *              and sends the request
 *   answers    takes the peer's answers and completes the entries
 *   responder  takes the peer's requests, checks our MRs, copies the data and answers
 *
 * The source is read by the responder's copy, so not before the NIC executes the entry. The host
 * program's threads are never needed for any of it. All but fab_nic_join want qp->lock held.
 */
#ifndef FABRIC_NIC_H
#define FABRIC_NIC_H

#include "queue_pair.h"

/* Starts the threads on the QP's descriptors. Returns 0 or an errno value. */
int fab_nic_open(struct qp *qp);

/*
 * Stops the QP's traffic for good; the peer's NIC notices. The threads end soon after. To be
 * called again is harmless.
 */
void fab_nic_close(struct qp *qp);

/* Waits for the threads to end and closes the descriptors; without qp->lock. */
void fab_nic_join(struct qp *qp);

/* The peer no longer answers: what is outstanding will run into its retry time. */
void fab_nic_peer_gone(struct qp *qp);

/*
 * Sleeps, releasing qp->lock meanwhile, until the deadline. Returns false as soon as the QP is
 * being closed.
 */
bool fab_nic_wait(struct qp *qp, uint64_t deadline);

/* The responder's thread; arg is the QP. */
void *fab_responder(void *arg);

#endif
