/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "arch.h"

#if !defined(__x86_64__) && !defined(__aarch64__)

#include <errno.h>

const bool arch_supported = false;

bool arch_find_code(const struct target *target, struct arch_code *code)
{
	(void)target;
	(void)code;
	return false;
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

void arch_landing(unsigned char out[ARCH_LANDING], const struct arch_code *code)
{
	(void)out;
	(void)code;
}

void arch_frame(unsigned char *out, const struct arch_state *state, uint64_t vector,
		const struct arch_code *code, const struct arch_start *start)
{
	(void)out;
	(void)state;
	(void)vector;
	(void)code;
	(void)start;
}

int arch_enter(pid_t tid, const struct arch_code *code, uint64_t frame)
{
	(void)tid;
	(void)code;
	(void)frame;
	return -ENOTSUP;
}

#endif
