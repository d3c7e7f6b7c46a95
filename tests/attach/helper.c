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
#else
#define VECTORS 1

static long poll_raw(struct timespec *wait, unsigned char out[VECTORS][16],
		     unsigned char in[VECTORS][16])
{
	long ret = syscall(SYS_ppoll, NULL, 0L, wait, NULL, 8L);

	memcpy(out, in, VECTORS * 16);
	return ret < 0 ? -errno : ret;
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
		puts(ret ? "signal" : "timeout");
		fflush(stdout);
		if (ret)
			caught--;
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
