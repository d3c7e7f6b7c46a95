/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RDMACHUNK_TESTS_PRELOAD_WAIT_H
#define RDMACHUNK_TESTS_PRELOAD_WAIT_H

#include <sched.h>
#include <time.h>

#include "peer.h"

#define WAIT_SECONDS 60

/* Returns when it holds; what never comes ends the program. */
#define wait_for(condition)                                                   \
	do {                                                                  \
		time_t until_ = time(NULL) + WAIT_SECONDS;                    \
                                                                              \
		while (!(condition)) {                                        \
			must(time(NULL) < until_ || !"in time: " #condition); \
			sched_yield();                                        \
		}                                                             \
	} while (0)

#endif
