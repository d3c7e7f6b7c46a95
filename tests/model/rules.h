/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RDMACHUNK_TESTS_MODEL_RULES_H
#define RDMACHUNK_TESTS_MODEL_RULES_H

#include "driver.h"

/* What must hold of all that a shim does, whatever happens. Each breaks the world otherwise. */

/* It has posted a WR. */
void rules_posted(struct driver *d, const struct nic_wr *wr);

/* It is about to be told of a completion; it tells QEMU of one. */
void rules_completed(struct driver *d, const struct nic_cqe *cqe);
void rules_told(struct driver *d, enum conn_cq cq, const struct completion *wc);

/* It has taken a WRITE of QEMU's. */
void rules_written(struct driver *d);

/* Whenever the lock is let go. */
void rules_check(struct driver *d);

/* Nothing is queued or on the wire any more: is each MR where it is said to be? */
void rules_check_mrs(struct driver *d);

#endif
