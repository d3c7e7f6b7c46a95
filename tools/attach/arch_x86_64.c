/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "arch.h"

#ifdef __x86_64__

#include <cpuid.h>
#include <elf.h>
#include <errno.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/user.h>

/* Codes of the kernel's for a call that was interrupted (include/linux/errno.h). */
#define ERESTARTSYS    512
#define ERESTARTNOINTR 513
#define ERESTARTNOHAND 514

#define RED_ZONE 128

/* What rt_sigreturn() reads (arch/x86/include/asm/sigframe.h), without the siginfo behind it. */
struct frame {
	uint64_t return_address;
	uint64_t flags, link;
	uint64_t stack_address;
	int32_t stack_flags, padding;
	uint64_t stack_size;
	uint64_t r8, r9, r10, r11, r12, r13, r14, r15;
	uint64_t di, si, bp, bx, dx, ax, cx, sp, ip, eflags;
	uint16_t cs, gs, fs, ss;
	uint64_t err, trapno, oldmask, cr2;
	uint64_t vector;
	uint64_t reserved[8];
	uint64_t mask;
	unsigned char siginfo[128];
};

/* uc_flags: the vector registers are of XSAVE's format; ss is there, and as it has to be. */
#define UC_FP_XSTATE	     1
#define UC_SIGCONTEXT_SS     2
#define UC_STRICT_RESTORE_SS 4

/* No flags of an alternative signal stack: the kernel leaves that as it is (do_sigaltstack). */
#define STACK_FLAGS_INVALID 0x7ffffff0

/* The area of XSAVE in a signal frame: what software says in the legacy part, and at the end. */
#define XSAVE_SW	 464
#define XSAVE_HEADER	 512
#define XSAVE_MIN	 576
#define XSAVE_MAGIC1	 0x46505853U
#define XSAVE_MAGIC2	 0x46505845U
#define XSAVE_COMPONENTS 64
/* Tiles: none of a thread's that has not asked for them. */
#define XFEATURES_TILES (UINT64_C(3) << 17)

struct xsave_sw {
	uint32_t magic1, extended_size;
	uint64_t features;
	uint32_t size, padding[7];
};

_Static_assert(sizeof(struct frame) == 440, "as the kernel has it");

const bool arch_supported = true;

uint64_t arch_sigreturn(const struct target *target)
{
	/* mov $15, %rax; syscall: the restorer that glibc gives with each handler. */
	static const unsigned char code[] = {0x48, 0xc7, 0xc0, 0x0f, 0, 0, 0, 0x0f, 0x05};
	const struct target_module *libc = target_module(target, "libc.so.");

	return libc ? target_code(target, libc, code, sizeof(code)) : 0;
}

/* The size of the area with these components, as the kernel lays it out. */
static size_t xsave_size(uint64_t features)
{
	unsigned int size, offset, c, d;
	size_t end = XSAVE_MIN;

	for (unsigned int i = 2; i < XSAVE_COMPONENTS - 1; i++)
		if (features >> i & 1 && __get_cpuid_count(0xd, i, &size, &offset, &c, &d) &&
		    offset + size > end)
			end = offset + size;
	return end;
}

/* From the format of ptrace(2) to that of a signal frame. */
static int save_vector(pid_t tid, struct arch_state *state)
{
	struct iovec io = {state->vector, sizeof(state->vector) - 64};
	const uint32_t magic2 = XSAVE_MAGIC2;
	struct xsave_sw sw = {.magic1 = XSAVE_MAGIC1};
	uint64_t present;
	size_t size;

	if (ptrace(PTRACE_GETREGSET, tid, NT_X86_XSTATE, &io))
		return -errno;
	if (io.iov_len < XSAVE_MIN)
		return -ENOTSUP;
	memcpy(&sw.features, state->vector + XSAVE_SW, sizeof(sw.features));
	memcpy(&present, state->vector + XSAVE_HEADER, sizeof(present));
	if (present & XFEATURES_TILES)
		return -EAGAIN;
	sw.features &= ~XFEATURES_TILES;
	size = xsave_size(sw.features);
	if (size > io.iov_len)
		return -ENOTSUP;
	sw.size = (uint32_t)size;
	sw.extended_size = (uint32_t)(size + sizeof(magic2));
	memcpy(state->vector + XSAVE_SW, &sw, sizeof(sw));
	memcpy(state->vector + size, &magic2, sizeof(magic2));
	state->vector_len = size + sizeof(magic2);
	return 0;
}

static struct user_regs_struct registers(const struct arch_state *state)
{
	struct user_regs_struct regs;

	_Static_assert(sizeof(regs) <= sizeof(state->regs), "room");
	memcpy(&regs, state->regs, sizeof(regs));
	return regs;
}

int arch_save(pid_t tid, struct arch_state *state)
{
	struct user_regs_struct regs;
	int64_t result;

	if (ptrace(PTRACE_GETREGS, tid, NULL, &regs))
		return -errno;
	if (ptrace(PTRACE_GETSIGMASK, tid, sizeof(state->mask), &state->mask))
		return -errno;
	result = (int64_t)regs.rax;
	/* While the kernel has another mask in force for the call it cannot be left. */
	if (regs.orig_rax != SYS_ppoll || regs.r10 || regs.cs != 0x33)
		return -EAGAIN;
	if (result == -ERESTARTNOHAND || result == -ERESTARTSYS || result == -ERESTARTNOINTR) {
		regs.rip -= 2;
		regs.rax = SYS_ppoll;
	} else if (result < 0 && result > -4096 && result <= -ERESTARTSYS) {
		return -EAGAIN;
	}
	memcpy(state->regs, &regs, sizeof(regs));
	return save_vector(tid, state);
}

uint64_t arch_stack(const struct arch_state *state)
{
	return registers(state).rsp - RED_ZONE;
}

size_t arch_vector_size(const struct arch_state *state)
{
	return (state->vector_len + 63) & ~(size_t)63;
}

uint64_t arch_frame_place(uint64_t top)
{
	/* As the stack is when a function begins: its return address is below a multiple of 16. */
	return ((top - sizeof(struct frame)) & ~UINT64_C(15)) - 8;
}

size_t arch_frame_size(void)
{
	return sizeof(struct frame);
}

void arch_frame(unsigned char *out, const struct arch_state *state, uint64_t vector,
		const struct arch_call *call, uint64_t mask, uint64_t sigreturn, uint64_t next)
{
	const struct user_regs_struct regs = registers(state);
	struct frame f = {
		.return_address = sigreturn,
		.flags = UC_FP_XSTATE | UC_SIGCONTEXT_SS | UC_STRICT_RESTORE_SS,
		.stack_flags = STACK_FLAGS_INVALID,
		.r8 = regs.r8,
		.r9 = regs.r9,
		.r10 = regs.r10,
		.r11 = regs.r11,
		.r12 = regs.r12,
		.r13 = regs.r13,
		.r14 = regs.r14,
		.r15 = regs.r15,
		.di = regs.rdi,
		.si = regs.rsi,
		.bp = regs.rbp,
		.bx = regs.rbx,
		.dx = regs.rdx,
		.ax = regs.rax,
		.cx = regs.rcx,
		.sp = regs.rsp,
		.ip = regs.rip,
		.eflags = regs.eflags,
		.cs = (uint16_t)regs.cs,
		.ss = (uint16_t)regs.ss,
		.vector = vector,
		.mask = state->mask,
	};

	if (call) {
		f.ip = call->function;
		f.sp = next;
		f.bp = 0;
		f.ax = 0;
		f.di = call->args[0];
		f.si = call->args[1];
		f.dx = call->args[2];
		f.cx = call->args[3];
		f.mask = mask;
	}
	memcpy(out, &f, sizeof(f));
}

int arch_enter(pid_t tid, uint64_t sigreturn, uint64_t frame)
{
	struct user_regs_struct regs;

	if (ptrace(PTRACE_GETREGS, tid, NULL, &regs))
		return -errno;
	regs.rip = sigreturn;
	/* The return address has been taken from it. */
	regs.rsp = frame + 8;
	/* It is in no system call that the kernel would make again. */
	regs.orig_rax = UINT64_MAX;
	regs.rax = 0;
	return ptrace(PTRACE_SETREGS, tid, NULL, &regs) ? -errno : 0;
}

int arch_returned(pid_t tid, uint64_t sigreturn, uint64_t next, uint64_t *result)
{
	struct user_regs_struct regs;

	if (ptrace(PTRACE_GETREGS, tid, NULL, &regs))
		return -errno;
	if (regs.rip != sigreturn || regs.rsp != next + 8)
		return 0;
	*result = regs.rax;
	return 1;
}

#endif
