/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "slow.h"

#include <sched.h>
#include <stddef.h>
#include <sys/syscall.h>
#include <unistd.h>

extern struct slow_gate slow_gate;
struct slow_gate slow_gate;

static int advise(void *addr, size_t length, int advice)
{
	(void)addr;
	(void)length;
	(void)advice;
	slow_gate.caller = __builtin_return_address(0);
	return 0;
}

/* The loader calls it while it binds a caller's slot, and whoever looks the name up. clang does not
 * see that ifunc uses it. */
__attribute__((used)) static int (*choose(void))(void *, size_t, int)
{
	pid_t thread = __atomic_load_n(&slow_gate.thread, __ATOMIC_ACQUIRE);

	if (thread && thread == (pid_t)syscall(SYS_gettid)) {
		__atomic_store_n(&slow_gate.inside, 1, __ATOMIC_RELEASE);
		while (!__atomic_load_n(&slow_gate.open, __ATOMIC_ACQUIRE))
			sched_yield();
	}
	return advise;
}

int posix_madvise(void *addr, size_t length, int advice) __attribute__((ifunc("choose")));
