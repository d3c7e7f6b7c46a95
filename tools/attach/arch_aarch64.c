/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "arch.h"

#ifdef __aarch64__

#include <elf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/user.h>

/* What rt_sigreturn() reads (arch/arm64/kernel/signal.c, struct rt_sigframe). */
struct frame {
	unsigned char siginfo[128];
	uint64_t flags, link;
	uint64_t stack_address;
	int32_t stack_flags, padding;
	uint64_t stack_size;
	uint64_t mask;
	unsigned char unused[120];
	uint64_t aligned;
	uint64_t fault_address, regs[31], sp, pc, pstate;
	uint64_t aligned_too;
	struct {
		uint32_t magic, size;
		uint32_t fpsr, fpcr;
		unsigned char registers[512];
		uint32_t end_magic, end_size;
	} vector;
	unsigned char reserved[4096 - 536];
};

#define FPSIMD_MAGIC 0x46508001U
#define FPSIMD_SIZE  528

/* No flags of an alternative signal stack: the kernel leaves that as it is (do_sigaltstack). */
#define STACK_FLAGS_INVALID 0x7ffffff0

#define SVC 0xd4000001U /* svc #0 */

_Static_assert(__builtin_offsetof(struct frame, fault_address) == 128 + 176,
	       "as the kernel has it");
_Static_assert(__builtin_offsetof(struct frame, vector) == 128 + 176 + 288, "as the kernel has it");

const bool arch_supported = true;

/* str x0, [x19]; ldr x19, [sp, #16]; ldp x29, x30, [sp], #32; ret */
static const uint32_t store[] = {0xf9000260, 0xf9400bf3, 0xa8c27bfd, 0xd65f03c0};
#define STORE_SKIP 32 /* with the return address 8 bytes from its start */

bool arch_find_code(const struct target *target, struct arch_code *code)
{
	const struct target_module *libc = target_module(target, "libc.so.");
	unsigned char *text = NULL, *at;
	uint64_t address = 0;
	size_t len = 0;

	memset(code, 0, sizeof(*code));
	code->sigreturn = target_symbol(target, NULL, "__kernel_rt_sigreturn");
	code->skip = STORE_SKIP;
	if (libc)
		text = target_text(target, libc, &address, &len);
	at = text ? memmem(text, len, store, sizeof(store)) : NULL;
	if (at && (at - text) % 4 == 0)
		code->store = address + (uint64_t)(at - text);
	free(text);
	return code->sigreturn != 0;
}

static int get(pid_t tid, unsigned long set, void *out, size_t size)
{
	struct iovec io = {out, size};

	return ptrace(PTRACE_GETREGSET, tid, set, &io) ? -errno : 0;
}

/* The kernel has set it back to the call itself before it stops the thread, if it was interrupted.
 */
static bool in_ppoll(pid_t tid, const struct user_regs_struct *regs)
{
	long code;

	if (regs->regs[8] != SYS_ppoll || regs->regs[3])
		return false;
	for (int back = 0; back <= 4; back += 4) {
		errno = 0;
		code = ptrace(PTRACE_PEEKTEXT, tid, regs->pc - (unsigned int)back, NULL);
		if (!errno && (uint32_t)code == SVC)
			return true;
	}
	return false;
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
	int ret;

	ret = get(tid, NT_PRSTATUS, &regs, sizeof(regs));
	if (ret)
		return ret;
	if (ptrace(PTRACE_GETSIGMASK, tid, sizeof(state->mask), &state->mask))
		return -errno;
	if (!in_ppoll(tid, &regs))
		return -EAGAIN;
	memcpy(state->regs, &regs, sizeof(regs));
	state->vector_len = sizeof(struct user_fpsimd_struct);
	return get(tid, NT_PRFPREG, state->vector, state->vector_len);
}

uint64_t arch_stack(const struct arch_state *state)
{
	return registers(state).sp;
}

size_t arch_vector_size(const struct arch_state *state)
{
	(void)state;
	return 0;
}

uint64_t arch_frame_place(uint64_t top)
{
	return (top - sizeof(struct frame)) & ~UINT64_C(15);
}

size_t arch_frame_size(void)
{
	return sizeof(struct frame);
}

void arch_landing(unsigned char out[ARCH_LANDING], const struct arch_code *code)
{
	memset(out, 0, ARCH_LANDING);
	memcpy(out + ARCH_LANDING - STORE_SKIP + 8, &code->sigreturn, sizeof(code->sigreturn));
}

/* The registers with which the function begins. */
static void set_start(struct frame *f, const struct arch_code *code, const struct arch_start *start)
{
	memcpy(f->regs, start->call.args, sizeof(start->call.args));
	f->regs[29] = 0;
	f->regs[30] = code->sigreturn;
	f->sp = start->next;
	f->pc = start->call.function;
	f->mask = start->mask;
	if (!start->result)
		return;
	f->regs[19] = start->result;
	f->regs[30] = code->store;
	f->sp = start->next - STORE_SKIP;
}

void arch_frame(unsigned char *out, const struct arch_state *state, uint64_t vector,
		const struct arch_code *code, const struct arch_start *start)
{
	const struct user_regs_struct regs = registers(state);
	struct user_fpsimd_struct fp;
	struct frame *f = (void *)out;

	(void)vector;
	memcpy(&fp, state->vector, sizeof(fp));
	memset(f, 0, sizeof(*f));
	f->stack_flags = STACK_FLAGS_INVALID;
	f->mask = state->mask;
	memcpy(f->regs, regs.regs, sizeof(f->regs));
	f->sp = regs.sp;
	f->pc = regs.pc;
	f->pstate = regs.pstate;
	f->vector.magic = FPSIMD_MAGIC;
	f->vector.size = FPSIMD_SIZE;
	f->vector.fpsr = fp.fpsr;
	f->vector.fpcr = fp.fpcr;
	memcpy(f->vector.registers, fp.vregs, sizeof(f->vector.registers));
	if (start)
		set_start(f, code, start);
}

int arch_enter(pid_t tid, const struct arch_code *code, uint64_t frame)
{
	struct user_regs_struct regs;
	struct iovec io = {&regs, sizeof(regs)};
	int none = -1, ret;
	struct iovec call = {&none, sizeof(none)};

	ret = get(tid, NT_PRSTATUS, &regs, sizeof(regs));
	if (ret)
		return ret;
	/* It is in no system call that the kernel would make again. */
	if (ptrace(PTRACE_SETREGSET, tid, NT_ARM_SYSTEM_CALL, &call))
		return -errno;
	regs.pc = code->sigreturn;
	regs.sp = frame;
	return ptrace(PTRACE_SETREGSET, tid, NT_PRSTATUS, &io) ? -errno : 0;
}

#endif
