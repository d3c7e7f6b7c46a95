/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "arch.h"

#if !defined(__x86_64__) && !defined(__aarch64__)

#include <errno.h>

const bool arch_supported = false;

uint64_t arch_sigreturn(const struct target *target)
{
	(void)target;
	return 0;
}

int arch_save(pid_t tid, struct arch_state *state)
{
	(void)tid;
	(void)state;
	return -ENOTSUP;
}

uint64_t arch_stack(const struct arch_state *state)
{
	(void)state;
	return 0;
}

size_t arch_vector_size(const struct arch_state *state)
{
	(void)state;
	return 0;
}

uint64_t arch_frame_place(uint64_t top)
{
	return top;
}

size_t arch_frame_size(void)
{
	return 0;
}

void arch_frame(unsigned char *out, const struct arch_state *state, uint64_t vector,
		const struct arch_call *call, uint64_t mask, uint64_t sigreturn, uint64_t next)
{
	(void)out;
	(void)state;
	(void)vector;
	(void)call;
	(void)mask;
	(void)sigreturn;
	(void)next;
}

int arch_enter(pid_t tid, uint64_t sigreturn, uint64_t frame)
{
	(void)tid;
	(void)sigreturn;
	(void)frame;
	return -ENOTSUP;
}

int arch_returned(pid_t tid, uint64_t sigreturn, uint64_t next, uint64_t *result)
{
	(void)tid;
	(void)sigreturn;
	(void)next;
	(void)result;
	return -ENOTSUP;
}

#endif
