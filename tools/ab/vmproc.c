// SPDX-License-Identifier: GPL-2.0-or-later
#include "vmproc.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>

#define ARGS_MAX (40 + VM_LIST_MAX)

int vm_prepare(struct vmproc *vm, const char *name, const struct vm_start *start,
	       struct failure *failure)
{
	*vm = (struct vmproc){.pidfd = -1, .listen_fd = -1, .ram_fd = -1, .qmp.fd = -1};
	snprintf(vm->name, sizeof(vm->name), "%s", name);
	snprintf(vm->ram, sizeof(vm->ram), "%s/%s.ram", start->ram_dir, name);
	/* On the tmpfs: logs may be on a file system that has no sockets, such as 9p. */
	snprintf(vm->socket, sizeof(vm->socket), "%s/%s.qmp", start->ram_dir, name);
	snprintf(vm->out, sizeof(vm->out), "%s/%s.stdout", start->dir, name);
	snprintf(vm->err, sizeof(vm->err), "%s/%s.stderr", start->dir, name);
	snprintf(vm->counts, sizeof(vm->counts), "%s/%s.counts", start->dir, name);
	snprintf(vm->stats, sizeof(vm->stats), "%s/%s.stats", start->dir, name);
	unlink(vm->counts);
	unlink(vm->stats);
	vm->ram_fd = open(vm->ram, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (vm->ram_fd < 0 || ftruncate(vm->ram_fd, (off_t)start->ram_size))
		return fail(failure, "%s: cannot create %s: %s", name, vm->ram, strerror(errno));
	return 0;
}

static int listen_for_qemu(struct vmproc *vm, struct failure *failure)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};

	if (strlen(vm->socket) >= sizeof(addr.sun_path))
		return fail(failure, "%s is too long for a socket", vm->socket);
	strcpy(addr.sun_path, vm->socket);
	unlink(vm->socket);
	vm->listen_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (vm->listen_fd < 0 || bind(vm->listen_fd, (struct sockaddr *)&addr, sizeof(addr)) ||
	    listen(vm->listen_fd, 1))
		return fail(failure, "%s: cannot listen on %s: %s", vm->name, vm->socket,
			    strerror(errno));
	return 0;
}

static void redirect(const char *path, int fd)
{
	int file = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	if (file < 0 || dup2(file, fd) < 0)
		_exit(126);
	close(file);
}

static void die(const char *what)
{
	dprintf(STDERR_FILENO, "cannot %s: %s\n", what, strerror(errno));
	_exit(126);
}

static void mkdirs(char *path)
{
	for (char *p = path + 1; *p; p++) {
		if (*p != '/')
			continue;
		*p = '\0';
		mkdir(path, 0755);
		*p = '/';
	}
	mkdir(path, 0755);
}

/* Make @dir of ours appear at the same path below @root. */
static void bind_into(const char *root, const char *dir)
{
	char target[512];

	snprintf(target, sizeof(target), "%s%s", root, dir);
	mkdirs(target);
	if (mount(dir, target, NULL, MS_BIND | MS_REC, NULL))
		die(target);
}

/* In a mount namespace of its own: nothing of it outlives the process. */
static void enter_root(const struct vm_config *config, const struct vm_start *start)
{
	char list[4096], *save, *dir;

	if (unshare(CLONE_NEWNS) || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL))
		die("make a mount namespace");
	bind_into(config->root, "/dev");
	bind_into(config->root, "/proc");
	bind_into(config->root, "/sys");
	bind_into(config->root, start->dir);
	bind_into(config->root, start->ram_dir);
	snprintf(list, sizeof(list), "%s", config->preload ? config->preload : "");
	for (dir = strtok_r(list, " :", &save); dir; dir = strtok_r(NULL, " :", &save)) {
		char *slash = strrchr(dir, '/');

		if (!slash || slash == dir)
			continue;
		*slash = '\0';
		bind_into(config->root, dir);
	}
	if (chroot(config->root) || chdir("/"))
		die(config->root);
}

static void clear_prefix(const char *prefix)
{
	char name[256];

	for (char **e = environ; *e;) {
		snprintf(name, sizeof(name), "%.*s", (int)strcspn(*e, "="), *e);
		if (strncmp(name, prefix, strlen(prefix)) || unsetenv(name))
			e++;
		else
			e = environ;
	}
}

static void set_environment(const struct vmproc *vm, const struct vm_config *config)
{
	/* The driver's own environment must not decide what is tested. */
	unsetenv("LD_PRELOAD");
	clear_prefix("RDMACHUNK_");
	clear_prefix("RDMACOUNT_");
	setenv("RDMACOUNT_FILE", vm->counts, 1);
	if (config->stats)
		setenv("RDMACHUNK_STATS", vm->stats, 1);
	for (size_t i = 0; config->env[i]; i++)
		putenv((char *)config->env[i]);
	if (config->preload && *config->preload)
		setenv("LD_PRELOAD", config->preload, 1);
}

__attribute__((noreturn)) static void
exec_qemu(const struct vmproc *vm, const struct vm_config *config, const struct vm_start *start)
{
	char machine[128], memory[512], size[32], chardev[320];
	const char *args[ARGS_MAX];
	size_t n = 0;

	snprintf(machine, sizeof(machine), "%s,memory-backend=ram0", config->machine);
	snprintf(memory, sizeof(memory),
		 "memory-backend-file,id=ram0,size=%llu,mem-path=%s,share=on",
		 (unsigned long long)start->ram_size, vm->ram);
	snprintf(size, sizeof(size), "%lluM", (unsigned long long)(start->ram_size >> 20));
	snprintf(chardev, sizeof(chardev), "socket,id=qmp,path=%s", vm->socket);
	args[n++] = config->binary;
	args[n++] = "-nodefaults";
	args[n++] = "-no-user-config";
	args[n++] = "-display";
	args[n++] = "none";
	args[n++] = "-accel";
	args[n++] = "tcg";
	args[n++] = "-machine";
	args[n++] = machine;
	args[n++] = "-object";
	args[n++] = memory;
	args[n++] = "-m";
	args[n++] = size;
	args[n++] = "-chardev";
	args[n++] = chardev;
	args[n++] = "-mon";
	args[n++] = "chardev=qmp,mode=control";
	if (start->paused)
		args[n++] = "-S";
	if (start->incoming) {
		args[n++] = "-incoming";
		args[n++] = "defer";
	}
	if (start->bios) {
		args[n++] = "-bios";
		args[n++] = start->bios;
	}
	for (size_t i = 0; config->extra[i]; i++)
		args[n++] = config->extra[i];
	args[n] = NULL;
	execvp(config->binary, (char *const *)args);
	die(config->binary);
	_exit(126);
}

int vm_start(struct vmproc *vm, const struct vm_config *config, const struct vm_start *start,
	     struct failure *failure)
{
	pid_t driver = getpid();

	snprintf(vm->preload, sizeof(vm->preload), "%s", config->preload ? config->preload : "");
	if (listen_for_qemu(vm, failure))
		return -1;
	fflush(NULL);
	vm->pid = fork();
	if (vm->pid < 0) {
		vm->pid = 0;
		return fail(failure, "cannot fork: %s", strerror(errno));
	}
	if (!vm->pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (getppid() != driver)
			_exit(126);
		redirect("/dev/null", STDIN_FILENO);
		redirect(vm->out, STDOUT_FILENO);
		redirect(vm->err, STDERR_FILENO);
		if (config->root)
			enter_root(config, start);
		set_environment(vm, config);
		exec_qemu(vm, config, start);
	}
	vm->pidfd = (int)syscall(SYS_pidfd_open, vm->pid, 0);
	if (vm->pidfd < 0)
		return fail(failure, "pidfd_open: %s", strerror(errno));
	return 0;
}

/*
 * The loader only prints a line when it cannot preload something, and a test of a preload that is
 * not there would often pass.
 */
static int check_preloads(struct vmproc *vm, struct failure *failure)
{
	char path[64], list[1024], *save, *entry, *maps = NULL;
	size_t size = 0;
	FILE *f;
	int ret = 0;

	snprintf(path, sizeof(path), "/proc/%d/maps", (int)vm->pid);
	f = fopen(path, "re");
	if (!f || getdelim(&maps, &size, '\0', f) < 0)
		ret = fail(failure, "%s: cannot read %s", vm->name, path);
	snprintf(list, sizeof(list), "%s", vm->preload);
	for (entry = strtok_r(list, " :", &save); entry && !ret;
	     entry = strtok_r(NULL, " :", &save))
		if (!strstr(maps, entry))
			ret = fail(failure, "%s: %s was not preloaded", vm->name, entry);
	if (f)
		fclose(f);
	free(maps);
	return ret;
}

int vm_connect(struct vmproc *vm, int64_t deadline, struct failure *failure)
{
	struct pollfd fds[2] = {{.fd = vm->listen_fd, .events = POLLIN},
				{.fd = vm->pidfd, .events = POLLIN}};
	int64_t left = deadline - qmp_now();
	int fd;

	if (poll(fds, 2, left > 0 ? (int)left : 0) <= 0)
		return fail(failure, "%s: QEMU did not connect in time", vm->name);
	if (!fds[0].revents)
		return fail(failure, "%s: QEMU ended before it connected", vm->name);
	fd = accept4(vm->listen_fd, NULL, NULL, SOCK_CLOEXEC);
	if (fd < 0)
		return fail(failure, "%s: accept: %s", vm->name, strerror(errno));
	if (qmp_open(&vm->qmp, vm->name, fd, deadline, failure))
		return -1;
	unlink(vm->ram);
	unlink(vm->socket);
	return check_preloads(vm, failure);
}

static void reap(struct vmproc *vm)
{
	while (waitpid(vm->pid, &vm->exit_status, 0) < 0 && errno == EINTR)
		;
	vm->pid = 0;
	vm->exited = true;
}

int vm_wait_exit(struct vmproc *vm, int64_t deadline, struct failure *failure)
{
	struct pollfd pfd = {.fd = vm->pidfd, .events = POLLIN};
	int64_t left = deadline - qmp_now();

	if (!vm->pid)
		return 0;
	if (poll(&pfd, 1, left > 0 ? (int)left : 0) <= 0)
		return fail(failure, "%s: QEMU did not exit in time", vm->name);
	reap(vm);
	return 0;
}

int vm_quit(struct vmproc *vm, int64_t deadline, struct failure *failure)
{
	struct failure ignored = {""};

	/* QEMU may close the connection before or after it answers: the exit is what counts. */
	qmp_execute(&vm->qmp, "quit", NULL, deadline, NULL, &ignored);
	return vm_wait_exit(vm, deadline, failure);
}

static void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

void vm_release(struct vmproc *vm)
{
	if (!vm->name[0])
		return;
	if (vm->pid) {
		kill(vm->pid, SIGKILL);
		reap(vm);
		vm->killed = true;
	}
	qmp_close(&vm->qmp);
	close_fd(&vm->pidfd);
	close_fd(&vm->listen_fd);
	close_fd(&vm->ram_fd);
	unlink(vm->ram);
	unlink(vm->socket);
}
