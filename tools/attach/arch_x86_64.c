/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "arch.h"

#ifdef __x86_64__

#include <cpuid.h>
#include <elf.h>
#include <errno.h>
#include <stdlib.h>
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

/* mov $15, %rax; syscall: the restorer that glibc gives with each handler. */
static uint64_t find_sigreturn(const unsigned char *text, size_t len, uint64_t address)
{
	static const unsigned char code[] = {0x48, 0xc7, 0xc0, 0x0f, 0, 0, 0, 0x0f, 0x05};
	const unsigned char *at = memmem(text, len, code, sizeof(code));

	return at ? address + (uint64_t)(at - text) : 0;
}

/* mov %rax, D(%rbx or %rbp); maybe add $N, %rsp; some pops; ret. At most so many bytes. */
#define STORE_MAX 32

enum { BASE_RBX, BASE_RBP };

static bool parse_store(const unsigned char *at, struct arch_code *code)
{
	const unsigned char *p = at + 3;

	if (at[0] != 0x48 || at[1] != 0x89)
		return false;
	code->displacement = 0;
	code->base = at[2] == 0x45 ? BASE_RBP : BASE_RBX;
	if (at[2] == 0x43 || at[2] == 0x45)
		code->displacement = *p++;
	else if (at[2] != 0x03)
		return false;
	code->skip = 0;
	if (p[0] == 0x48 && p[1] == 0x83 && p[2] == 0xc4) {
		code->skip = p[3];
		p += 4;
	}
	for (;; code->skip += 8) {
		if (p[0] == 0x5b || p[0] == 0x5d)
			p++;
		else if (p[0] == 0x41 && p[1] >= 0x5c && p[1] <= 0x5f)
			p += 2;
		else
			break;
	}
	return p[0] == 0xc3 && code->displacement < 0x80 && code->skip % 16 == 8 &&
	       code->skip <= ARCH_LANDING - 16;
}

bool arch_find_code(const struct target *target, struct arch_code *code)
{
	const struct target_module *libc = target_module(target, "libc.so.");
	unsigned char *text = NULL;
	uint64_t address = 0;
	size_t len = 0;

	memset(code, 0, sizeof(*code));
	if (libc)
		text = target_text(target, libc, &address, &len);
	if (!text)
		return false;
	code->sigreturn = find_sigreturn(text, len, address);
	for (size_t i = 0; i + STORE_MAX <= len && !code->store; i++)
		if (parse_store(text + i, code))
			code->store = address + i;
	free(text);
	return code->sigreturn != 0;
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

void arch_landing(unsigned char out[ARCH_LANDING], const struct arch_code *code)
{
	memset(out, 0, ARCH_LANDING);
	/* The address that the function returns to; the frame has the one after that. */
	if (code->store)
		memcpy(out + ARCH_LANDING - 8 - code->skip, &code->store, sizeof(code->store));
}

/* The registers with which the function begins. */
static void set_start(struct frame *f, const struct arch_code *code, const struct arch_start *start)
{
	f->ip = start->call.function;
	f->sp = start->next;
	f->bx = 0;
	f->bp = 0;
	f->ax = 0;
	f->di = start->call.args[0];
	f->si = start->call.args[1];
	f->dx = start->call.args[2];
	f->cx = start->call.args[3];
	f->mask = start->mask;
	if (!start->result)
		return;
	f->sp = start->next - 8 - code->skip;
	if (code->base == BASE_RBX)
		f->bx = start->result - code->displacement;
	else
		f->bp = start->result - code->displacement;
}

void arch_frame(unsigned char *out, const struct arch_state *state, uint64_t vector,
		const struct arch_code *code, const struct arch_start *start)
{
	const struct user_regs_struct regs = registers(state);
	struct frame f = {
		.return_address = code->sigreturn,
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

	if (start)
		set_start(&f, code, start);
	memcpy(out, &f, sizeof(f));
}

int arch_enter(pid_t tid, const struct arch_code *code, uint64_t frame)
{
	struct user_regs_struct regs;

	if (ptrace(PTRACE_GETREGS, tid, NULL, &regs))
		return -errno;
	regs.rip = code->sigreturn;
	/* The return address has been taken from it. */
	regs.rsp = frame + 8;
	/* It is in no system call that the kernel would make again. */
	regs.orig_rax = UINT64_MAX;
	regs.rax = 0;
	return ptrace(PTRACE_SETREGS, tid, NULL, &regs) ? -errno : 0;
}

#endif
