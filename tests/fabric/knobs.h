/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Tests of what only the fabric has: limits and costs in knobs.c, faults in knobs_fault.c. Each
 * case sets its own RDMAFABRIC_ variables. Times are checked from below, as the model promises;
 * from above only where a cost paid twice would be caught with plenty of room.
 */
#ifndef KNOBS_H
#define KNOBS_H

#include "conf.h"

#define SIGNALED	 IBV_SEND_SIGNALED
#define ENV(name, value) "RDMAFABRIC_" name "=" value

extern const struct conf_case knobs_fault_cases[];

/* Seconds since some moment in the past. */
double knobs_seconds(void);

/* Check how long it has been since @since, in seconds. */
void knobs_at_least(double since, double expected, const char *what);
void knobs_at_most(double since, double expected, const char *what);

/* What a side does that has nothing to do, or whose connection broke. */
void knobs_idle(struct side *side);
void knobs_leave(struct side *side);

/* For a side alone: a PD, and a buffer that is not registered. */
struct ibv_pd *knobs_domain(struct side *side);
struct ibv_mr *knobs_registered(struct ibv_pd *pd, char *at, size_t length);
void knobs_refuse_registration(struct ibv_pd *pd, char *at, size_t length, int expected);

/* Post a WRITE without a completion. Returns as ibv_post_send(). */
int knobs_try_write(struct side *side);

#endif
