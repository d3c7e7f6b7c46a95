/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RDMACHUNK_ATTACH_ARCH_H
#define RDMACHUNK_ATTACH_ARCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "target.h"

/*
 * What a call on a borrowed thread needs to know of the processor: registers, and the frames from
 * which rt_sigreturn(2) restores them. There is one .c file for each.
 */

#define ARCH_ARGS	4
#define ARCH_FRAME_MAX	8192
#define ARCH_VECTOR_MAX 16384

/* A thread that has been stopped in ppoll(2). */
struct arch_state {
	/* Registers with which it goes on: the call is made again if it was interrupted. */
	unsigned char regs[320]; /* as ptrace(2) has them */
	uint64_t mask;		 /* its signals that are blocked */
	/* Vector registers, as a signal frame has them, or as the frame is made from. */
	size_t vector_len;
	unsigned char vector[ARCH_VECTOR_MAX] __attribute__((aligned(64)));
};

/* A function and what it is called with. */
struct arch_call {
	uint64_t function;
	uint64_t args[ARCH_ARGS];
};

/* Is there an implementation for this machine? */
extern const bool arch_supported;

/* The code that ends a signal handler by rt_sigreturn(2), which every such process has; 0: it is
 * not found. */
uint64_t arch_sigreturn(const struct target *target);

/* Save the state of the stopped thread. 0; -EAGAIN when it is not in ppoll(2), or with signals of
 * its own there; or another negative errno. */
int arch_save(pid_t tid, struct arch_state *state);

/* The lowest address of its stack that is in use. */
uint64_t arch_stack(const struct arch_state *state);

/* Bytes that a copy of the vector registers takes on the stack, aligned to 64; 0: it is in the
 * frame.
 */
size_t arch_vector_size(const struct arch_state *state);

/*
 * The highest address below `top` where a frame may begin, and the bytes from there to its end.
 */
uint64_t arch_frame_place(uint64_t top);
size_t arch_frame_size(void);

/*
 * Compose a frame from which the state is restored; with `call` not NULL instead the
 * start of that function with the signals `mask` blocked, which returns to `sigreturn` with its
 * stack at the frame `next`. `vector` is where the copy of the vector registers is.
 */
void arch_frame(unsigned char *out, const struct arch_state *state, uint64_t vector,
		const struct arch_call *call, uint64_t mask, uint64_t sigreturn, uint64_t next);

/* Have the stopped thread go on with the frame. Atomic. 0 or a negative errno. */
int arch_enter(pid_t tid, uint64_t sigreturn, uint64_t frame);

/* Is the stopped thread at `sigreturn`, about to take the frame `next`: has the function returned?
 * Then *result is what it returned. 1, 0 or a negative errno. */
int arch_returned(pid_t tid, uint64_t sigreturn, uint64_t next, uint64_t *result);

#endif
