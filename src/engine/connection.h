/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RDMACHUNK_ENGINE_CONNECTION_H
#define RDMACHUNK_ENGINE_CONNECTION_H

#include "engine/verbs.h"

/* How a session's connection is made and ends: the policies behind the hooks of the same
 * name; returns and errno as theirs. */

int connection_create_qp(struct rdma_cm_id *id, struct ibv_pd *pd, struct ibv_qp_init_attr *attr,
			 const struct verbs_ops *(*patch)(struct ibv_context *context));
void connection_destroy_qp(struct rdma_cm_id *id);
int connection_connect(struct rdma_cm_id *id, struct rdma_conn_param *param);
int connection_accept(struct rdma_cm_id *id, struct rdma_conn_param *param);
int connection_disconnect(struct rdma_cm_id *id);

/* QEMU has taken an event from a channel, and acts on it next. */
void connection_cm_event(const struct rdma_cm_event *event);

/* There are other settings, or none any more: the log is closed. The next migration tells of what
 * is wrong with them, and opens the log that they name. There is no session. */
void connection_reconfigured(void);

#endif
