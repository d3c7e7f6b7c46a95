/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RDMACHUNK_ENGINE_DATAPATH_H
#define RDMACHUNK_ENGINE_DATAPATH_H

#include "engine/session.h"

/* Posting and polling on a session's QP and CQs. */

/* Behind the patched ops, for a tracked QP or CQ; returns as the verbs do. */
int datapath_post_send(struct session *s, struct ibv_qp *qp, struct ibv_send_wr *wr,
		       struct ibv_send_wr **bad_wr);
int datapath_post_recv(struct session *s, struct ibv_qp *qp, struct ibv_recv_wr *wr,
		       struct ibv_recv_wr **bad_wr);
int datapath_poll_cq(struct session *s, const struct verbs_ops *ops, struct ibv_cq *cq, int entries,
		     struct ibv_wc *wc);

/* QEMU arms `cq`, and may sleep next: nothing it waits for may be left behind. */
void datapath_arm(struct session *s, const struct ibv_cq *cq);

/* Take in what has come on a CQ that QEMU is not looking at. Lock held. Was there
 * anything? */
bool datapath_drain(struct session *s, enum conn_cq cq);

/* Post the next WRITEs that are due, without the lock meanwhile; for the thread
 * that does this in QEMU's place. Lock held. False when none are due. */
bool datapath_post_writes(struct session *s);

/* Do what is due after a change: post, publish, register ahead. Lock held. */
void datapath_settle(struct session *s);

/* Lock held. 0 or a positive errno. */
void datapath_post_nothing(struct session *s); /* a signalled WR without effect */
int datapath_post_own_recv(struct session *s, unsigned int buffer);
int datapath_post_real_recv(struct session *s, const struct recv_request *request);

#endif
