/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Waiting with a deadline. All deadlines are milliseconds of wait_now(). Once the process has been
 * asked to stop, no wait lasts any longer: it ends as if its deadline had passed.
 */
#ifndef TOOLS_AB_WAIT_H
#define TOOLS_AB_WAIT_H

#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Milliseconds of the monotonic clock. */
int64_t wait_now(void);

/*
 * Take SIGINT, SIGTERM and SIGHUP as a request to stop; a second one ends the process at once.
 * Without this call nothing is taken. Returns 0 or an errno value.
 */
int wait_catch_signals(void);

/* The signal that asked the process to stop, or 0. */
int wait_stop_signal(void);

/*
 * Wait for one of @n (at most WAIT_FDS_MAX) descriptors, as poll(2) does. True when one is ready;
 * false when the deadline passed or the process has been asked to stop.
 */
#define WAIT_FDS_MAX 8
bool wait_fds(struct pollfd *fds, size_t n, int64_t deadline);

/* Have @tick called about once a second while wait_fds() waits; NULL: no more. */
void wait_set_tick(void (*tick)(void *argument), void *argument);

/* The deadline has passed, or the process has been asked to stop. */
bool wait_over(int64_t deadline);

#endif
