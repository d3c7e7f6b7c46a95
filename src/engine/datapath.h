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

#endif
