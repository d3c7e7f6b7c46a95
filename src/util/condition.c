/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "util/condition.h"

#include <time.h>

#include "util/monotonic.h"

#define NS_PER_SECOND UINT64_C(1000000000)

void condition_init(pthread_cond_t *condition)
{
	pthread_condattr_t attr;

	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(condition, &attr);
	pthread_condattr_destroy(&attr);
}

bool condition_wait_until(pthread_cond_t *condition, pthread_mutex_t *lock, uint64_t ns)
{
	const struct timespec until = {
		.tv_sec = (time_t)(ns / NS_PER_SECOND),
		.tv_nsec = (long)(ns % NS_PER_SECOND),
	};

	return !pthread_cond_timedwait(condition, lock, &until);
}

void condition_nap(pthread_cond_t *condition, pthread_mutex_t *lock, uint64_t ns)
{
	condition_wait_until(condition, lock, monotonic_ns() + ns);
}
