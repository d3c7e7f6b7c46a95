/* SPDX-License-Identifier: GPL-2.0-or-later */

/* Stands in for a QEMU where none is needed; and for a debugger. helper MODE [ARGUMENT]. */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static volatile sig_atomic_t caught;

static void count(int number)
{
	(void)number;
	caught++;
}

/* As QEMU's main thread, most of the time. */
static _Noreturn void idle(void)
{
	for (;;)
		ppoll(NULL, 0, NULL, NULL);
}

static _Noreturn void spin(void)
{
	puts("spins");
	fflush(stdout);
	for (;;)
		caught = 0;
}

#ifdef __x86_64__
#define VECTORS 16

/* ppoll(2) as an instruction, all vector registers full. */
static long poll_raw(struct timespec *wait, unsigned char out[VECTORS][16],
		     unsigned char in[VECTORS][16])
{
	long ret;

	__asm__ volatile("xor %%r10d, %%r10d\n"
			 "movups 0x00(%2), %%xmm0\nmovups 0x10(%2), %%xmm1\n"
			 "movups 0x20(%2), %%xmm2\nmovups 0x30(%2), %%xmm3\n"
			 "movups 0x40(%2), %%xmm4\nmovups 0x50(%2), %%xmm5\n"
			 "movups 0x60(%2), %%xmm6\nmovups 0x70(%2), %%xmm7\n"
			 "movups 0x80(%2), %%xmm8\nmovups 0x90(%2), %%xmm9\n"
			 "movups 0xa0(%2), %%xmm10\nmovups 0xb0(%2), %%xmm11\n"
			 "movups 0xc0(%2), %%xmm12\nmovups 0xd0(%2), %%xmm13\n"
			 "movups 0xe0(%2), %%xmm14\nmovups 0xf0(%2), %%xmm15\n"
			 "syscall\n"
			 "movups %%xmm0, 0x00(%3)\nmovups %%xmm1, 0x10(%3)\n"
			 "movups %%xmm2, 0x20(%3)\nmovups %%xmm3, 0x30(%3)\n"
			 "movups %%xmm4, 0x40(%3)\nmovups %%xmm5, 0x50(%3)\n"
			 "movups %%xmm6, 0x60(%3)\nmovups %%xmm7, 0x70(%3)\n"
			 "movups %%xmm8, 0x80(%3)\nmovups %%xmm9, 0x90(%3)\n"
			 "movups %%xmm10, 0xa0(%3)\nmovups %%xmm11, 0xb0(%3)\n"
			 "movups %%xmm12, 0xc0(%3)\nmovups %%xmm13, 0xd0(%3)\n"
			 "movups %%xmm14, 0xe0(%3)\nmovups %%xmm15, 0xf0(%3)\n"
			 : "=a"(ret)
			 : "0"((long)SYS_ppoll), "r"(in), "r"(out), "D"(NULL), "S"(0L), "d"(wait)
			 : "rcx", "r10", "r11", "memory", "xmm0", "xmm1", "xmm2", "xmm3", "xmm4",
			   "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10", "xmm11", "xmm12",
			   "xmm13", "xmm14", "xmm15");
	return ret;
}
#elif defined(__aarch64__)
#define VECTORS 32

static long poll_raw(struct timespec *wait, unsigned char out[VECTORS][16],
		     unsigned char in[VECTORS][16])
{
	register long x0 __asm__("x0") = 0;
	register long x1 __asm__("x1") = 0;
	register struct timespec *x2 __asm__("x2") = wait;
	register long x3 __asm__("x3") = 0;
	register long x4 __asm__("x4") = 8;
	register long x8 __asm__("x8") = SYS_ppoll;

	__asm__ volatile("ldp q0, q1, [%6]\nldp q2, q3, [%6, #32]\n"
			 "ldp q4, q5, [%6, #64]\nldp q6, q7, [%6, #96]\n"
			 "ldp q8, q9, [%6, #128]\nldp q10, q11, [%6, #160]\n"
			 "ldp q12, q13, [%6, #192]\nldp q14, q15, [%6, #224]\n"
			 "ldp q16, q17, [%6, #256]\nldp q18, q19, [%6, #288]\n"
			 "ldp q20, q21, [%6, #320]\nldp q22, q23, [%6, #352]\n"
			 "ldp q24, q25, [%6, #384]\nldp q26, q27, [%6, #416]\n"
			 "ldp q28, q29, [%6, #448]\nldp q30, q31, [%6, #480]\n"
			 "svc #0\n"
			 "stp q0, q1, [%7]\nstp q2, q3, [%7, #32]\n"
			 "stp q4, q5, [%7, #64]\nstp q6, q7, [%7, #96]\n"
			 "stp q8, q9, [%7, #128]\nstp q10, q11, [%7, #160]\n"
			 "stp q12, q13, [%7, #192]\nstp q14, q15, [%7, #224]\n"
			 "stp q16, q17, [%7, #256]\nstp q18, q19, [%7, #288]\n"
			 "stp q20, q21, [%7, #320]\nstp q22, q23, [%7, #352]\n"
			 "stp q24, q25, [%7, #384]\nstp q26, q27, [%7, #416]\n"
			 "stp q28, q29, [%7, #448]\nstp q30, q31, [%7, #480]\n"
			 : "+r"(x0)
			 : "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x8), "r"(in), "r"(out)
			 : "memory", "v0", "v1", "v2", "v3", "v4", "v5", "v6", "v7", "v8", "v9",
			   "v10", "v11", "v12", "v13", "v14", "v15", "v16", "v17", "v18", "v19",
			   "v20", "v21", "v22", "v23", "v24", "v25", "v26", "v27", "v28", "v29",
			   "v30", "v31");
	return x0;
}
#else
#define VECTORS 1

static long poll_raw(struct timespec *wait, unsigned char out[VECTORS][16],
		     unsigned char in[VECTORS][16])
{
	const int before = errno;
	long ret = syscall(SYS_ppoll, NULL, 0L, wait, NULL, 8L);

	if (ret < 0) {
		ret = -errno;
		errno = before;
	}
	memcpy(out, in, VECTORS * 16);
	return ret;
}
#endif

static double now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

/* Polls again and again; says what ended each: its time-out, which must not come early, or a
 * signal. Ends when something is not as it was before. */
static int watch(const char *milliseconds)
{
	const struct timespec whole = {.tv_sec = atol(milliseconds) / 1000,
				       .tv_nsec = atol(milliseconds) % 1000 * 1000000};
	const struct sigaction action = {.sa_handler = count};
	unsigned char in[VECTORS][16], out[VECTORS][16];
	sigset_t before = {0}, after = {0};

	sigaction(SIGUSR1, &action, NULL);
	sigprocmask(SIG_BLOCK, NULL, &before);
	for (size_t i = 0; i < sizeof(in); i++)
		((unsigned char *)in)[i] = (unsigned char)(i * 7 + 1);
	for (;;) {
		struct timespec wait = whole;
		double start = now();
		long ret;

		errno = 77;
		ret = poll_raw(&wait, out, in);
		if (errno != 77)
			return 3;
		if (memcmp(in, out, sizeof(in)) != 0)
			return 4;
		sigprocmask(SIG_BLOCK, NULL, &after);
		if (memcmp(&before, &after, sizeof(before)) != 0)
			return 5;
		if (ret == 0 && now() - start < (double)atol(milliseconds) / 1e3)
			return 6;
		if (ret && (ret != -EINTR || !caught))
			return 7;
		/* One that comes while the thread is stopped is handled before it polls again. */
		if (caught) {
			puts("signal");
			caught--;
		}
		if (!ret)
			puts("timeout");
		fflush(stdout);
	}
}

static int trace(const char *pid)
{
	if (ptrace(PTRACE_SEIZE, (pid_t)atol(pid), NULL, NULL))
		return 1;
	puts("traced");
	fflush(stdout);
	return pause();
}

int main(int argc, char **argv)
{
	const char *mode = argc > 1 ? argv[1] : "";

	if (!strcmp(mode, "idle"))
		idle();
	if (!strcmp(mode, "spin"))
		spin();
	if (!strcmp(mode, "watch") && argc > 2)
		return watch(argv[2]);
	if (!strcmp(mode, "trace") && argc > 2)
		return trace(argv[2]);
	return 2;
}
