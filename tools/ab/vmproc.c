// SPDX-License-Identifier: GPL-2.0-or-later
#include "vmproc.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "vmroot.h"

#define ENV_MAX (VM_LIST_MAX + 4)

int vm_prepare(struct vmproc *vm, const char *name, const struct vm_start *start,
	       struct failure *failure)
{
	*vm = (struct vmproc){
		.pidfd = -1, .qmp_fd = -1, .ram_fd = -1, .qmp.fd = -1, .cpu_seconds = -1};
	snprintf(vm->name, sizeof(vm->name), "%s", name);
	snprintf(vm->out, sizeof(vm->out), "%s/%s.stdout", start->dir, name);
	snprintf(vm->err, sizeof(vm->err), "%s/%s.stderr", start->dir, name);
	snprintf(vm->counts, sizeof(vm->counts), "%s/%s.counts", start->dir, name);
	snprintf(vm->stats, sizeof(vm->stats), "%s/%s.stats", start->dir, name);
	unlink(vm->counts);
	unlink(vm->stats);
	if (start->no_ram)
		return 0;
	if (start->reuse_ram_fd) {
		vm->ram_fd = fcntl(start->reuse_ram_fd, F_DUPFD_CLOEXEC, 3);
		return vm->ram_fd < 0 ? fail(failure, "dup: %s", strerror(errno)) : 0;
	}
	vm->ram_fd = open(start->ram_dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	if (vm->ram_fd < 0 || ftruncate(vm->ram_fd, (off_t)start->ram_size))
		return fail(failure, "%s: cannot create a RAM file in %s: %s", name, start->ram_dir,
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

/* What QEMU's environment gets on top of its user's. */
struct additions {
	char counts[352], stats[352], preload[1100];
	const char *v[ENV_MAX + 1];
};

static void make_additions(struct additions *a, const struct vmproc *vm,
			   const struct vm_config *config)
{
	const struct remote *r = config->remote;
	size_t n = 0;

	if (r) {
		snprintf(a->counts, sizeof(a->counts), "RDMACOUNT_FILE=%s/counts", r->dir);
		snprintf(a->stats, sizeof(a->stats), "RDMACHUNK_STATS=%s/stats", r->dir);
	} else {
		snprintf(a->counts, sizeof(a->counts), "RDMACOUNT_FILE=%s", vm->counts);
		snprintf(a->stats, sizeof(a->stats), "RDMACHUNK_STATS=%s", vm->stats);
	}
	snprintf(a->preload, sizeof(a->preload), "LD_PRELOAD=%s",
		 config->preload ? config->preload : "");
	a->v[n++] = a->counts;
	if (config->stats)
		a->v[n++] = a->stats;
	for (size_t i = 0; i < VM_LIST_MAX && config->env[i]; i++)
		a->v[n++] = config->env[i];
	if (config->preload && *config->preload)
		a->v[n++] = a->preload;
	a->v[n] = NULL;
}

/* The environment that we were started in must not decide what is tested. */
static void set_environment(const struct additions *additions)
{
	unsetenv("LD_PRELOAD");
	clear_prefix("RDMACHUNK_");
	clear_prefix("RDMACOUNT_");
	for (size_t i = 0; additions->v[i]; i++)
		putenv((char *)additions->v[i]);
}

static int build_line(struct vm_args *args, const struct vmproc *vm, const struct vm_config *config,
		      const struct vm_start *start, int qmp_fd, struct failure *failure)
{
	char ram[320], chardev[352];
	struct vm_line line = {
		.binary = config->binary,
		.machine = config->machine,
		.memory = config->memory,
		.extra = config->extra,
		.command = config->command,
		.end = start->incoming ? "destination" : "source",
		.ram = ram,
		.ram_size = start->ram_size,
		.chardev = chardev,
		.bios = start->bios,
		.prealloc = config->prealloc,
		.incoming = start->incoming,
		.paused = start->paused,
	};

	if (config->remote) {
		snprintf(ram, sizeof(ram), "%s/ram", config->remote->dir);
		snprintf(chardev, sizeof(chardev), "pipe,path=%s/qmp", config->remote->dir);
	} else {
		/* Neither file has a name, so that neither can stay behind. */
		snprintf(ram, sizeof(ram), "/proc/self/fd/%d", vm->ram_fd);
		snprintf(chardev, sizeof(chardev), "socket,fd=%d", qmp_fd);
	}
	return vm_args_build(args, &line, failure);
}

/* What @config sets the variable to, or NULL. */
static const char *environment_value(const struct vm_config *config, const char *name)
{
	size_t len = strlen(name);

	for (size_t i = 0; i < VM_LIST_MAX && config->env[i]; i++)
		if (!strncmp(config->env[i], name, len) && config->env[i][len] == '=')
			return config->env[i] + len + 1;
	return NULL;
}

__attribute__((noreturn)) static void become(const struct vmproc *vm,
					     const struct vm_config *config,
					     const struct vm_start *start, struct vm_args *args,
					     const struct additions *additions, int qmp_fd)
{
	/* Libraries of ours, such as the software verbs, are to be seen in another root, too. */
	const char *const dirs[] = {start->dir, start->ram_dir,
				    environment_value(config, "LD_LIBRARY_PATH"), NULL};

	if (start->in_child)
		start->in_child();
	redirect(vm->err, STDERR_FILENO);
	if (config->remote) {
		dup2(qmp_fd, STDIN_FILENO);
		dup2(qmp_fd, STDOUT_FILENO);
	} else {
		redirect("/dev/null", STDIN_FILENO);
		redirect(vm->out, STDOUT_FILENO);
		fcntl(qmp_fd, F_SETFD, 0);
		if (vm->ram_fd >= 0)
			fcntl(vm->ram_fd, F_SETFD, 0);
		set_environment(additions);
		if (config->root)
			vmroot_enter(config->root, dirs);
	}
	execvp(args->v[0], args->v);
	dprintf(STDERR_FILENO, "cannot run %s: %s\n", args->v[0], strerror(errno));
	_exit(127);
}

/* Small enough for a socket's buffer, and nobody else writes to it: it goes out whole. */
static int send_script(struct vmproc *vm, const struct vm_config *config,
		       const struct vm_args *line, const struct additions *additions,
		       struct failure *failure)
{
	char *script = remote_script(config->remote, line, additions->v);
	size_t len = script ? strlen(script) : 0;
	int ret = 0;

	if (!script || send(vm->qmp_fd, script, len, MSG_NOSIGNAL) != (ssize_t)len)
		ret = fail(failure, "%s: cannot talk to %s", vm->name, config->remote->ssh);
	free(script);
	return ret;
}

static int start_process(struct vmproc *vm, const struct vm_config *config,
			 const struct vm_start *start, struct vm_args *args,
			 const struct additions *additions, int qmp_fd, struct failure *failure)
{
	pid_t parent = getpid();

	fflush(NULL);
	vm->pid = fork();
	if (vm->pid < 0) {
		vm->pid = 0;
		return fail(failure, "cannot fork: %s", strerror(errno));
	}
	if (!vm->pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		setpgid(0, 0);
		if (getppid() != parent)
			_exit(126);
		become(vm, config, start, args, additions, qmp_fd);
	}
	setpgid(vm->pid, vm->pid);
	vm->group = vm->pid;
	vm->pidfd = (int)syscall(SYS_pidfd_open, vm->pid, 0);
	if (vm->pidfd < 0)
		return fail(failure, "pidfd_open: %s", strerror(errno));
	return 0;
}

int vm_start(struct vmproc *vm, const struct vm_config *config, const struct vm_start *start,
	     struct failure *failure)
{
	struct vm_args line = {0}, shell = {0};
	struct additions additions;
	int fds[2], ret;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds))
		return fail(failure, "%s: socketpair: %s", vm->name, strerror(errno));
	vm->qmp_fd = fds[0];
	vm->remote = config->remote;
	if (!config->remote)
		snprintf(vm->preload, sizeof(vm->preload), "%s",
			 config->preload ? config->preload : "");
	make_additions(&additions, vm, config);
	ret = build_line(&line, vm, config, start, fds[1], failure);
	if (!ret && config->remote)
		ret = remote_shell(config->remote, &shell, failure);
	if (!ret)
		ret = start_process(vm, config, start, config->remote ? &shell : &line, &additions,
				    fds[1], failure);
	close(fds[1]);
	if (!ret && config->remote)
		ret = send_script(vm, config, &line, &additions, failure);
	vm_args_free(&line);
	vm_args_free(&shell);
	return ret;
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

	if (!vm->preload[0])
		return 0;
	snprintf(path, sizeof(path), "/proc/%d/maps", (int)vm->pid);
	f = fopen(path, "re");
	if (!f || getdelim(&maps, &size, '\0', f) < 0 || !maps) {
		ret = fail(failure, "%s: cannot read %s", vm->name, path);
		goto out;
	}
	snprintf(list, sizeof(list), "%s", vm->preload);
	for (entry = strtok_r(list, " :", &save); entry && !ret;
	     entry = strtok_r(NULL, " :", &save))
		if (!strstr(maps, entry))
			ret = fail(failure, "%s: %s was not preloaded", vm->name, entry);
out:
	if (f)
		fclose(f);
	free(maps);
	return ret;
}

int vm_connect(struct vmproc *vm, int64_t deadline, struct failure *failure)
{
	struct pollfd fds[2] = {{.fd = vm->qmp_fd, .events = POLLIN},
				{.fd = vm->pidfd, .events = POLLIN}};
	int fd = vm->qmp_fd;

	/* Somebody it has started may hold the connection open. */
	if (wait_fds(fds, 2, deadline) && !fds[0].revents) {
		vm->qmp.closed = true;
		return fail(failure, "%s: QEMU ended before its greeting", vm->name);
	}
	vm->qmp_fd = -1;
	if (qmp_open(&vm->qmp, vm->name, fd, deadline, failure))
		return -1;
	return check_preloads(vm, failure);
}

double vm_cpu_seconds(const struct vmproc *vm)
{
	struct timespec ts;
	clockid_t clock;

	if (!vm->pid || vm->remote || clock_getcpuclockid(vm->pid, &clock) ||
	    clock_gettime(clock, &ts))
		return -1;
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static double seconds(const struct timeval *tv)
{
	return (double)tv->tv_sec + (double)tv->tv_usec / 1e6;
}

static void reap(struct vmproc *vm)
{
	struct remote_end end;
	struct rusage usage = {0};

	while (wait4(vm->pid, &vm->exit_status, 0, &usage) < 0 && errno == EINTR)
		;
	vm->pid = 0;
	vm->exited = true;
	vm->cpu_seconds = seconds(&usage.ru_utime) + seconds(&usage.ru_stime);
	if (vm->remote) {
		remote_read_end(vm->err, vm->stats, vm->counts, &end);
		vm->cpu_seconds = end.cpu_seconds;
	}
}

int vm_wait_exit(struct vmproc *vm, int64_t deadline, struct failure *failure)
{
	struct pollfd pfd = {.fd = vm->pidfd, .events = POLLIN};

	if (!vm->pid)
		return 0;
	if (!wait_fds(&pfd, 1, deadline))
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

bool vm_has_ended(const struct vmproc *vm)
{
	struct pollfd pfd = {.fd = vm->pidfd, .events = POLLIN};

	if (vm->exited)
		return vm->exit_status != 0;
	if (!vm->pid || vm->qmp.garbage)
		return false;
	return vm->qmp.closed || poll(&pfd, 1, 0) > 0;
}

int vm_check_loader(const struct vmproc *vm, struct failure *failure)
{
	FILE *f = fopen(vm->err, "re");
	char *line = NULL;
	size_t size = 0;
	int ret = 0;

	while (f && !ret && getline(&line, &size, f) > 0) {
		line[strcspn(line, "\r\n")] = '\0';
		if (strstr(line, "LD_PRELOAD") && strstr(line, "cannot be preloaded"))
			ret = fail(failure, "%s: %s", vm->name, line);
	}
	free(line);
	if (f)
		fclose(f);
	return ret;
}

/* The last line with something in it, without its newline. */
static void last_line(const char *path, char *text, size_t size)
{
	FILE *f = fopen(path, "re");
	char *line = NULL;
	size_t capacity = 0;

	text[0] = '\0';
	while (f && getline(&line, &capacity, f) > 0) {
		line[strcspn(line, "\r\n")] = '\0';
		if (*line)
			snprintf(text, size, "%s", line);
	}
	free(line);
	if (f)
		fclose(f);
}

void vm_describe_end(struct vmproc *vm, char *text, size_t size)
{
	struct failure ignored = {""};
	char line[400];
	int used;

	if (vm->pid)
		vm_wait_exit(vm, wait_now() + 1000, &ignored);
	if (!vm->exited)
		used = snprintf(text, size, "%s has not ended", vm->name);
	else if (WIFSIGNALED(vm->exit_status))
		used = snprintf(text, size, "%s was ended by signal %d (%s)%s", vm->name,
				WTERMSIG(vm->exit_status), strsignal(WTERMSIG(vm->exit_status)),
				WTERMSIG(vm->exit_status) == SIGBUS
					? "; is there room left for its RAM file?"
					: "");
	else
		used = snprintf(text, size, "%s exited with status %d", vm->name,
				WEXITSTATUS(vm->exit_status));
	last_line(vm->err, line, sizeof(line));
	if (line[0] && used > 0 && (size_t)used < size)
		snprintf(text + used, size - (size_t)used, ": %s", line);
}

static void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

/*
 * The script at the other end of ssh ends QEMU and itself when the connection is closed, and ssh
 * with it; one that does not is ended like any other process.
 */
static void hang_up(struct vmproc *vm)
{
	struct pollfd pfd = {.fd = vm->pidfd, .events = POLLIN};

	qmp_close(&vm->qmp);
	close_fd(&vm->qmp_fd);
	/* Even when we have been asked to stop: it is a matter of milliseconds. */
	if (vm->remote && vm->pid && poll(&pfd, 1, 3000) > 0)
		reap(vm);
}

void vm_release(struct vmproc *vm)
{
	if (!vm->name[0])
		return;
	hang_up(vm);
	/* What a wrapper has left behind, too. */
	if (vm->group)
		kill(-vm->group, SIGKILL);
	if (vm->pid) {
		kill(vm->pid, SIGKILL);
		reap(vm);
		vm->killed = true;
	}
	close_fd(&vm->pidfd);
	close_fd(&vm->ram_fd);
}
