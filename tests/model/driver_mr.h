/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RDMACHUNK_TESTS_MODEL_DRIVER_MR_H
#define RDMACHUNK_TESTS_MODEL_DRIVER_MR_H

#include "driver.h"

/* The driver's share in registrations. Keys stand for real MRs. */

struct mrs_ops driver_mr_ops(struct driver *d);

/* CONN_REGISTER, which may fail. */
void driver_mr_register(struct driver *d, const struct conn_action *action,
			struct conn_result *result);

/* The thread that registers ahead of QEMU ends what it is at. */
void driver_mr_finish(struct driver *d);

void driver_mr_give_back(struct driver *d, void *mr);

/* QEMU gives back all that it has registered. */
void driver_mr_put_handles(struct driver *d);

/* The hook behind QEMU's discard of `count` pages from `first` on. Needs no lock. */
void driver_mr_discarded(struct driver *d, unsigned int first, unsigned int count);

#endif
