/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RDMACHUNK_UTIL_CONDITION_H
#define RDMACHUNK_UTIL_CONDITION_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

/* Condition variables whose waits can end at a time that no clock setting changes. */

void condition_init(pthread_cond_t *condition);

/* Wait until monotonic_ns() is `ns` at most. The lock is released meanwhile. False when it is. */
bool condition_wait_until(pthread_cond_t *condition, pthread_mutex_t *lock, uint64_t ns);

/* The same for `ns` nanoseconds from now. */
void condition_nap(pthread_cond_t *condition, pthread_mutex_t *lock, uint64_t ns);

#endif
