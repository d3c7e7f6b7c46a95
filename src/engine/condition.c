/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/condition.h"

#include <time.h>

#define NS_PER_SECOND 1000000000L

void condition_init(pthread_cond_t *condition)
{
	pthread_condattr_t attr;

	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(condition, &attr);
	pthread_condattr_destroy(&attr);
}

void condition_nap(pthread_cond_t *condition, pthread_mutex_t *lock, long ns)
{
	struct timespec until;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_nsec += ns;
	if (until.tv_nsec >= NS_PER_SECOND) {
		until.tv_nsec -= NS_PER_SECOND;
		until.tv_sec++;
	}
	pthread_cond_timedwait(condition, lock, &until);
}
