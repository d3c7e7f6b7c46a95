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

/* Code of the process that calls borrow. */
struct arch_code {
	/* Ends a signal handler by rt_sigreturn(2). */
	uint64_t sigreturn;
	/* The end of some function, which stores what another has returned, 0 if there is none:
	 * where the register `base' points to, `displacement' bytes behind; `skip' bytes of the
	 * stack are passed over before it returns. */
	uint64_t store;
	unsigned int base, displacement, skip;
};

/* Find it in what every such process has. False when there is no way to end a handler. */
bool arch_find_code(const struct target *target, struct arch_code *code);

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

/* The start of a function by a frame. */
struct arch_start {
	struct arch_call call;
	uint64_t mask;	 /* signals that are blocked meanwhile */
	uint64_t next;	 /* the frame that is taken when it returns */
	uint64_t result; /* address of eight bytes for what it returns; 0: nobody wants to know */
};

/* Bytes directly below a frame that the functions before it need to come to it. */
#define ARCH_LANDING 128

/* Compose them. */
void arch_landing(unsigned char out[ARCH_LANDING], const struct arch_code *code);

/*
 * Compose a frame from which the state is restored; with `start` not NULL one that starts a
 * function. `vector` is where the copy of the vector registers is.
 */
void arch_frame(unsigned char *out, const struct arch_state *state, uint64_t vector,
		const struct arch_code *code, const struct arch_start *start);

/* Have the stopped thread go on with the frame. Atomic. 0 or a negative errno. */
int arch_enter(pid_t tid, const struct arch_code *code, uint64_t frame);

#endif
