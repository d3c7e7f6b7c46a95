/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RDMACHUNK_ENGINE_OBSERVED_H
#define RDMACHUNK_ENGINE_OBSERVED_H

#include <stdbool.h>

#include "core/conn_types.h"
#include "engine/verbs.h"

/*
 * Migration connections that the settings leave alone (RDMACHUNK_SHIFT=off, or a value that is
 * not allowed). Nothing of them is changed or counted: a line of the log and one of the
 * statistics tell when they began and ended, to compare with.
 */

/* QEMU is about to connect or accept. */
void observed_begin(struct rdma_cm_id *id, enum conn_role role);

/* QEMU has disconnected; or, without that, is about to destroy the QP. Nothing happens the
 * second time, nor for other ids. */
void observed_end(const struct rdma_cm_id *id, bool disconnected);

/* The process ends. */
void observed_exit(void);

#endif
