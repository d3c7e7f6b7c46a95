/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "checks.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "launcher/account.h"
#include "launcher/elf_file.h"
#include "launcher/proc.h"
#include "arch.h"

static bool refuse(char reason[CHECKS_REASON_LEN], const char *format, ...)
	__attribute__((format(printf, 2, 3)));

static bool refuse(char reason[CHECKS_REASON_LEN], const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(reason, CHECKS_REASON_LEN, format, args);
	va_end(args);
	return false;
}

static int read_number(const char *path, int otherwise)
{
	FILE *file = fopen(path, "re");
	int number = otherwise;

	if (file && fscanf(file, "%d", &number) != 1)
		number = otherwise;
	if (file)
		fclose(file);
	return number;
}

/* The kernel has refused to let us at the memory of the process. */
static bool may_not_trace(const struct process *p, int error, char reason[CHECKS_REASON_LEN])
{
	int yama = read_number("/proc/sys/kernel/yama/ptrace_scope", 0);

	if (yama >= 3)
		return refuse(reason,
			      "tracing is off until this host is started again "
			      "(kernel.yama.ptrace_scope is 3); mend: start it with a smaller one");
	if (geteuid() != 0 && p->uid != geteuid())
		return refuse(
			reason,
			"process %d belongs to user %u, and you are %u; mend: run this as root",
			(int)p->pid, (unsigned int)p->uid, (unsigned int)geteuid());
	if (geteuid() != 0 && yama > 0)
		return refuse(reason,
			      "process %d may be traced by its parents and root only "
			      "(kernel.yama.ptrace_scope is %d); mend: run this as root",
			      (int)p->pid, yama);
	if (geteuid() != 0)
		return refuse(
			reason,
			"you may not trace process %d, which has rights that you have not; mend: "
			"run this as root",
			(int)p->pid);
	if (p->confined[0])
		return refuse(
			reason,
			"process %d may not be traced: %s; it is confined by \"%s\"; mend: allow "
			"ptrace in this profile, and give yourself CAP_SYS_PTRACE",
			(int)p->pid, strerror(-error), p->confined);
	return refuse(reason,
		      "process %d may not be traced: %s; mend: give yourself CAP_SYS_PTRACE, in "
		      "containers with --cap-add SYS_PTRACE",
		      (int)p->pid, strerror(-error));
}

static bool check_state(const struct process *p, char reason[CHECKS_REASON_LEN])
{
	if (!p->exe[0] && geteuid() != 0)
		return may_not_trace(p, -EACCES, reason);
	if (!p->qemu)
		return refuse(
			reason,
			"process %d is %s, and not QEMU; mend: name the process or the guest of a "
			"QEMU",
			(int)p->pid, p->exe[0] ? p->exe : "of the kernel");
	if (p->tracer)
		return refuse(
			reason,
			"process %d is traced by process %d, a debugger maybe; mend: detach that",
			(int)p->pid, (int)p->tracer);
	if (p->state == 'T' || p->state == 't')
		return refuse(reason, "process %d is stopped; mend: kill -CONT %d", (int)p->pid,
			      (int)p->pid);
	if (p->state == 'Z' || p->state == 'X')
		return refuse(reason, "process %d has ended; mend: name one that runs",
			      (int)p->pid);
	if (p->shadow_stack)
		return refuse(
			reason,
			"process %d checks its return addresses (shadow stacks), and no call can "
			"be made from outside; mend: start QEMU with rdmachunk",
			(int)p->pid);
	return true;
}

static bool check_machine(const struct process *p, char reason[CHECKS_REASON_LEN])
{
	char path[64], theirs[ELF_FILE_MACHINE_LEN], ours[ELF_FILE_MACHINE_LEN];
	struct elf_file self, elf;
	bool same = false;

	if (!arch_supported)
		return refuse(reason,
			      "attaching is for x86-64 and AArch64 only; mend: start QEMU with "
			      "rdmachunk");
	snprintf(path, sizeof(path), "/proc/%d/exe", (int)p->pid);
	if (elf_file_open(&elf, path))
		return refuse(reason, "%s cannot be read; mend: run this as root", p->exe);
	if (elf_file_open(&self, "/proc/self/exe") == 0) {
		same = elf_file_same_machine(&self, &elf);
		elf_file_machine(ours, &self);
		elf_file_close(&self);
	}
	elf_file_machine(theirs, &elf);
	elf_file_close(&elf);
	return same ||
	       refuse(reason,
		      "%s is for %s, and this is for %s; mend: use an rdmachunk built for that "
		      "machine",
		      p->exe, theirs, ours);
}

static bool check_modules(const struct process *p, const struct target *t,
			  char reason[CHECKS_REASON_LEN])
{
	bool verbs = target_module(t, "libibverbs.so."), cm = target_module(t, "librdmacm.so.");

	if (!t->dynamic)
		return refuse(
			reason,
			"%s is statically linked, so that nothing can be loaded into it; mend: use "
			"a dynamically linked QEMU",
			p->exe);
	if (!target_module(t, "libc.so."))
		return refuse(reason,
			      "%s does not use the GNU C library; mend: start QEMU with rdmachunk",
			      p->exe);
	if (!verbs || !cm)
		return refuse(reason,
			      "%s is not linked to %s: it was built without RDMA; mend: use a QEMU "
			      "configured with --enable-rdma",
			      p->exe,
			      verbs ? "librdmacm"
			      : cm  ? "libibverbs"
				    : "libibverbs and librdmacm");
	return true;
}

bool checks_target(const struct process *p, struct target *t, char reason[CHECKS_REASON_LEN])
{
	int ret;

	if (!check_state(p, reason))
		return false;
	ret = target_open(t, p->pid);
	if (ret == -EACCES || ret == -EPERM)
		return may_not_trace(p, ret, reason);
	if (ret)
		return refuse(reason,
			      "the memory of process %d cannot be read: %s; mend: try again",
			      (int)p->pid, strerror(-ret));
	if (check_machine(p, reason) && check_modules(p, t, reason))
		return true;
	target_close(t);
	return false;
}

/* In a child: as the process would open it. The exit status is 0 or an errno. */
static void __attribute__((noreturn))
open_as(const struct process *p, const struct account *account, const char *path)
{
	char root[64];
	int fd, err;

	snprintf(root, sizeof(root), "/proc/%d/root", (int)p->pid);
	if (geteuid() == 0 && (chroot(root) || chdir("/")))
		_exit(errno);
	err = account_become(account);
	if (err)
		_exit(-err);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	_exit(fd < 0 ? errno : 0);
}

static int try_open(const struct process *p, const char *path)
{
	FILE *file = proc_open(p->pid, "status");
	struct account account;
	int status, err;
	pid_t pid;

	if (!file)
		return -errno;
	err = account_by_status(&account, file);
	fclose(file);
	if (err)
		return err;
	fflush(NULL);
	pid = fork();
	if (pid == 0)
		open_as(p, &account, path);
	if (pid < 0 || waitpid(pid, &status, 0) != pid || !WIFEXITED(status))
		return -EIO;
	return -WEXITSTATUS(status);
}

/* What of it will be needed is in memory afterwards: nobody waits for a disk then. */
static bool same_machine(const struct process *p, const char *path,
			 char theirs[ELF_FILE_MACHINE_LEN])
{
	char file[PATH_MAX + 64], program[64];
	struct elf_file library, exe;
	volatile unsigned char sum = 0;
	bool same = true;

	snprintf(file, sizeof(file), "/proc/%d/root%s", (int)p->pid, path);
	snprintf(program, sizeof(program), "/proc/%d/exe", (int)p->pid);
	if (elf_file_open(&library, file)) {
		snprintf(theirs, ELF_FILE_MACHINE_LEN, "no machine, as it is no ELF file");
		return false;
	}
	for (size_t i = 0; i < library.size; i += 1024)
		sum = (unsigned char)(sum + library.bytes[i]);
	if (elf_file_open(&exe, program) == 0) {
		same = elf_file_same_machine(&exe, &library);
		elf_file_close(&exe);
	}
	elf_file_machine(theirs, &library);
	elf_file_close(&library);
	return same;
}

bool checks_library(const struct process *p, const char *path, char reason[CHECKS_REASON_LEN])
{
	char theirs[ELF_FILE_MACHINE_LEN];
	int ret = try_open(p, path);

	if (ret == -ENOENT || ret == -ENOTDIR)
		return refuse(
			reason,
			"there is no %s where process %d looks (its root directory is "
			"/proc/%d/root); mend: install the library there, or name it with --lib",
			path, (int)p->pid, (int)p->pid);
	if (ret)
		return refuse(
			reason,
			"user %u, as whom process %d runs, cannot read %s: %s; mend: make it and "
			"its directories readable for all, or name another with --lib",
			(unsigned int)p->uid, (int)p->pid, path, strerror(-ret));
	return same_machine(p, path, theirs) ||
	       refuse(reason,
		      "%s is for %s, which process %d is not; mend: name a library for its machine "
		      "with --lib",
		      path, theirs, (int)p->pid);
}

bool checks_idle(const struct process *p, char reason[CHECKS_REASON_LEN])
{
	enum process_rdma rdma;
	int ret = process_rdma(p->pid, &rdma);

	if (ret)
		return refuse(reason,
			      "the open files of process %d cannot be listed: %s; mend: run "
			      "this as root",
			      (int)p->pid, strerror(-ret));
	if (rdma == PROCESS_RDMA_DEVICE)
		return refuse(
			reason,
			"process %d has an RDMA device open: it listens for a migration or has one "
			"under way; mend: wait for its end, or cancel it",
			(int)p->pid);
	if (rdma == PROCESS_RDMA_CHANNEL)
		return refuse(
			reason,
			"process %d makes or waits for an RDMA connection; mend: wait for its end, "
			"or cancel it",
			(int)p->pid);
	return true;
}
