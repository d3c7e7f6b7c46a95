/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RDMACHUNK_ENGINE_DRIVER_H
#define RDMACHUNK_ENGINE_DRIVER_H

#include "engine/session.h"

/*
 * Does what core says: conn_next(), the action itself, conn_done(). Whoever tells core of
 * an event runs it next, with the lock held; what may take long is left to workers.
 *
 *      QEMU's threads          all but what is below
 *      rdmachunk-cq            CONN_LISTEN
 *      rdmachunk-post          CONN_POST_WRITES, once that has been seen to take long
 *      rdmachunk-ahead         CONN_SCAN, CONN_REGISTER: as many as are needed
 */

/* All with the session's lock held. */

/* The workers are as session_begin() left everything else. */
void driver_init(struct session *s);

/* Create the listener, for a connection that is about to become active. 0 or a negative
 * errno. */
int driver_listen(struct session *s);

/* QEMU disconnects: the workers end by themselves, and what is due whoever runs the driver does.
 * But for the listener: a thread of QEMU's may sleep still, and is to hear that all is flushed. */
void driver_end(struct session *s);

/* End the workers. The lock is released meanwhile. */
void driver_stop(struct session *s);

/* Do all that is due; a thread of QEMU's that polls must have done so before the listener may
 * poll the same CQ. 0; or, on a connection that is not active, the negative errno of a RECV
 * that could not be posted: then nothing has been done after that. */
int driver_run(struct session *s);

/* Core said CONN_AGAIN: wait for what has to end first, and do what is due. The lock is
 * released meanwhile. 0, or -ETIMEDOUT when WRITES did not end. */
int driver_wait(struct session *s);

/* A completion has been polled. */
void driver_completed(struct session *s, const struct ibv_wc *wc);

/* Take in what has come on a CQ that QEMU is not looking at. Was there anything? */
bool driver_drain(struct session *s, enum conn_cq cq);

/* Give up on a candidate: post what QEMU posted. Returns as driver_run(). */
int driver_pass_through(struct session *s, const char *reason);

#endif
