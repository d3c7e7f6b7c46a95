/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RDMACHUNK_TESTS_MODEL_DRIVER_MR_H
#define RDMACHUNK_TESTS_MODEL_DRIVER_MR_H

#include "driver.h"

/* The driver's share in registrations. Keys stand for real MRs. */

struct mrs_ops driver_mr_ops(struct driver *d);

/* CONN_REGISTER, which may fail. */
void driver_mr_register(struct driver *d, const struct conn_action *action,
			struct conn_result *result);

/* The threads that register ahead of QEMU end what they are at. */
void driver_mr_finish(struct driver *d);

/* No WRITE may use it that is on the wire, or on its way there. */
void driver_mr_give_back(struct driver *d, void *mr);

/* Where the QP goes, too: in error it reads nothing any more. */
void driver_mr_give_back_last(struct driver *d, void *mr);

/* QEMU puts one, the `which`th that it has registered through the core, whatever uses it. */
void driver_mr_put(struct driver *d, unsigned int which);

/* QEMU gives back all that it has registered. */
void driver_mr_put_handles(struct driver *d);

/* The hook behind QEMU's discard of `count` pages from `first` on. Needs no lock. */
void driver_mr_discarded(struct driver *d, unsigned int first, unsigned int count);

#endif
