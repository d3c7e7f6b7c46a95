/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RDMACHUNK_ENGINE_CONDITION_H
#define RDMACHUNK_ENGINE_CONDITION_H

#include <pthread.h>

/* Condition variables whose waits can end after a time that no clock setting changes. */

void condition_init(pthread_cond_t *condition);

/* Wait for `ns` nanoseconds, less than a second, at most. The lock is released meanwhile. */
void condition_nap(pthread_cond_t *condition, pthread_mutex_t *lock, long ns);

#endif
