/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RDMACHUNK_ENGINE_ABOUT_H
#define RDMACHUNK_ENGINE_ABOUT_H

#include <stdint.h>
#include <sys/types.h>

#include "core/conn_types.h"
#include "engine/verbs.h"

/* What people are told of a migration connection whatever becomes of it. */
struct about {
	enum conn_role role;
	pid_t reporter;	  /* who tells of it in the end; 0: nobody, or it has been done. Atomic */
	uint64_t started; /* CLOCK_MONOTONIC, ns */
	char peer[64];	  /* its address; "" when it is not known */
};

/* QEMU connects, or accepts, now. Sets all but `reporter`. */
void about_begin(struct about *about, struct rdma_cm_id *id, enum conn_role role);

/* Since then. */
double about_seconds(const struct about *about);

/* The address, or "unknown". */
const char *about_peer(const struct about *about);

#endif
