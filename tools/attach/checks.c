/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "checks.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "launcher/account.h"
#include "launcher/elf_file.h"
#include "launcher/proc.h"
#include "util/version.h"
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
			      "(kernel.yama.ptrace_scope is 3); fix: start it with a smaller one");
	if (geteuid() != 0 && p->uid != geteuid())
		return refuse(
			reason,
			"process %d belongs to user %u, and you are %u; fix: run this as root",
			(int)p->pid, (unsigned int)p->uid, (unsigned int)geteuid());
	if (geteuid() != 0 && yama > 0)
		return refuse(
			reason,
			"process %d may be traced by %s only (kernel.yama.ptrace_scope is %d); "
			"fix: run this as root",
			(int)p->pid, yama == 1 ? "its parents and root" : "root", yama);
	if (geteuid() != 0)
		return refuse(
			reason,
			"you may not trace process %d, which has rights that you have not; fix: "
			"run this as root",
			(int)p->pid);
	if (p->confined[0])
		return refuse(
			reason,
			"process %d may not be traced: %s; it is confined by \"%s\"; fix: allow "
			"ptrace in this profile, and give yourself CAP_SYS_PTRACE",
			(int)p->pid, strerror(-error), p->confined);
	return refuse(reason,
		      "process %d may not be traced: %s; fix: give yourself CAP_SYS_PTRACE, in "
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
			"process %d is %s, and not QEMU; fix: name the process or the guest of a "
			"QEMU",
			(int)p->pid, p->exe[0] ? p->exe : "of the kernel");
	if (p->tracer)
		return refuse(
			reason,
			"process %d is traced by process %d, a debugger maybe; fix: detach that",
			(int)p->pid, (int)p->tracer);
	if (p->state == 'T' || p->state == 't')
		return refuse(reason, "process %d is stopped; fix: kill -CONT %d", (int)p->pid,
			      (int)p->pid);
	if (p->state == 'Z' || p->state == 'X')
		return refuse(reason, "process %d has ended; fix: name one that runs", (int)p->pid);
	if (p->shadow_stack)
		return refuse(
			reason,
			"process %d checks its return addresses (shadow stacks), and no call can "
			"be made from outside; fix: start QEMU with rdmachunk",
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
			      "attaching is for x86-64 and AArch64 only; fix: start QEMU with "
			      "rdmachunk");
	snprintf(path, sizeof(path), "/proc/%d/exe", (int)p->pid);
	if (elf_file_open(&elf, path))
		return refuse(reason, "%s cannot be read; fix: run this as root", p->exe);
	if (elf_file_open(&self, "/proc/self/exe") == 0) {
		same = elf_file_same_machine(&self, &elf);
		elf_file_machine(ours, &self);
		elf_file_close(&self);
	}
	elf_file_machine(theirs, &elf);
	elf_file_close(&elf);
	return same ||
	       refuse(reason,
		      "%s is for %s, and this is for %s; fix: use an rdmachunk built for that "
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
			"%s is statically linked, so that nothing can be loaded into it; fix: use "
			"a dynamically linked QEMU",
			p->exe);
	if (!target_module(t, "libc.so."))
		return refuse(reason,
			      "%s does not use the GNU C library; fix: start QEMU with rdmachunk",
			      p->exe);
	if (!verbs || !cm)
		return refuse(reason,
			      "%s is not linked to %s: it was built without RDMA; fix: use a QEMU "
			      "configured with --enable-rdma",
			      p->exe,
			      verbs ? "librdmacm"
			      : cm  ? "libibverbs"
				    : "libibverbs and librdmacm");
	return true;
}

int checks_target(const struct process *p, struct target *t, char reason[CHECKS_REASON_LEN])
{
	int ret;

	if (!check_state(p, reason))
		return -EINVAL;
	ret = target_open(t, p->pid);
	if (ret == -EACCES || ret == -EPERM) {
		may_not_trace(p, ret, reason);
		return ret;
	}
	if (ret == -EAGAIN) {
		refuse(reason, "process %d is still being loaded; fix: try again in a moment",
		       (int)p->pid);
		return -EBUSY;
	}
	if (ret) {
		refuse(reason, "the memory of process %d cannot be read: %s; fix: try again",
		       (int)p->pid, strerror(-ret));
		return ret;
	}
	if (check_machine(p, reason) && check_modules(p, t, reason))
		return 0;
	target_close(t);
	return -EINVAL;
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

/* As the process has it: a link in there leads to its own files, not to ours. A descriptor, or a
 * negative errno. */
static int open_in_root(const struct process *p, const char *path)
{
	struct open_how how = {
		.flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK,
		.resolve = RESOLVE_IN_ROOT,
	};
	char file[PATH_MAX + 64];
	int root, fd, err;

	snprintf(file, sizeof(file), "/proc/%d/root", (int)p->pid);
	root = open(file, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (root < 0)
		return -errno;
	fd = (int)syscall(SYS_openat2, root, path, &how, sizeof(how));
	err = -errno;
	close(root);
	/* Linux before 5.6, and sandboxes that do not know the call. */
	if (fd < 0 && (err == -ENOSYS || err == -EPERM)) {
		snprintf(file, sizeof(file), "/proc/%d/root%s", (int)p->pid, path);
		fd = open(file, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
		err = -errno;
	}
	return fd < 0 ? err : fd;
}

/* 0, to be ended with elf_file_close(), or a negative errno. */
static int open_library(struct elf_file *elf, const struct process *p, const char *path)
{
	int ret, fd = open_in_root(p, path);
	char file[64];

	if (fd < 0)
		return fd;
	snprintf(file, sizeof(file), "/proc/self/fd/%d", fd);
	ret = elf_file_open(elf, file);
	close(fd);
	return ret;
}

/* What of it will be needed is in memory afterwards: nobody waits for a disk then. */
static void read_ahead(const struct elf_file *elf)
{
	volatile unsigned char sum = 0;

	for (size_t i = 0; i < elf->size; i += 1024)
		sum = (unsigned char)(sum + elf->bytes[i]);
}

/* Is it our library, for the machine of the process? */
static bool check_file(const struct process *p, const char *path, const struct elf_file *library,
		       char version[CHECKS_VERSION_LEN], char reason[CHECKS_REASON_LEN])
{
	char program[64], theirs[ELF_FILE_MACHINE_LEN];
	struct elf_file exe;
	const char *text;
	bool same = true;

	snprintf(program, sizeof(program), "/proc/%d/exe", (int)p->pid);
	if (elf_file_open(&exe, program) == 0) {
		same = elf_file_same_machine(&exe, library);
		elf_file_close(&exe);
	}
	if (!same)
		return refuse(reason,
			      "%s is for %s, which process %d is not; fix: name a library for its "
			      "machine with --lib",
			      path, elf_file_machine(theirs, library), (int)p->pid);
	text = library->cut ? NULL : elf_file_string(library, VERSION_SYMBOL);
	if (!text)
		return refuse(reason,
			      "%s is %s; fix: name librdmachunk.so with --lib, or install it again",
			      path, library->cut ? "truncated" : "not librdmachunk");
	if (!target_is_library(path))
		return refuse(reason,
			      "%s would not be found again in process %d, by its name; fix: call "
			      "it librdmachunk.so",
			      path, (int)p->pid);
	snprintf(version, CHECKS_VERSION_LEN, "%s", text);
	return true;
}

bool checks_library(const struct process *p, const char *path, char version[CHECKS_VERSION_LEN],
		    char reason[CHECKS_REASON_LEN])
{
	struct elf_file library;
	int ret = try_open(p, path);
	bool usable;

	if (ret == -ENOENT || ret == -ENOTDIR)
		return refuse(
			reason,
			"there is no %s where process %d looks (its root directory is "
			"/proc/%d/root); fix: install the library there, or name it with --lib",
			path, (int)p->pid, (int)p->pid);
	if (ret)
		return refuse(reason,
			      "user %u, as whom process %d runs, cannot read %s: %s; fix: make it "
			      "and its directories readable for all, or name another with --lib",
			      (unsigned int)p->uid, (int)p->pid, path, strerror(-ret));
	if (open_library(&library, p, path))
		return refuse(reason,
			      "%s is no ELF file, or a truncated one; fix: name librdmachunk.so "
			      "with --lib, or install it again",
			      path);
	read_ahead(&library);
	usable = check_file(p, path, &library, version, reason);
	elf_file_close(&library);
	return usable;
}

int checks_idle(const struct process *p, char reason[CHECKS_REASON_LEN])
{
	enum process_rdma rdma;
	int ret = process_rdma(p->pid, &rdma);

	if (ret) {
		refuse(reason,
		       "the open files of process %d cannot be listed: %s; fix: run this as root",
		       (int)p->pid, strerror(-ret));
	} else if (rdma == PROCESS_RDMA_CHANNEL) {
		refuse(reason,
		       "process %d has an RDMA connection or waits for one: a migration is under way, "
		       "or will come in; fix: wait for its end, or cancel it",
		       (int)p->pid);
		ret = -EBUSY;
	}
	return ret;
}
