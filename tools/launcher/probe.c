/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "probe.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "preload.h"
#include "proc.h"

#define TIMEOUT_MS 10000

/* The process that runs, and its pipes. */
struct child {
	pid_t pid;
	int out;     /* reading end of its standard output */
	int err;     /* file that is its standard error */
	size_t full; /* bytes of ours that fill the pipe before its own */
	bool exited;
	int status; /* as waitpid() gives it */
};

static long now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Fills a pipe, so that the first write of another process waits. Returns the bytes, 0 on error. */
static size_t fill(int fd)
{
	static const char zeros[4096];
	size_t full = 0;
	ssize_t n;

	fcntl(fd, F_SETPIPE_SZ, sizeof(zeros));
	if (fcntl(fd, F_SETFL, O_NONBLOCK) != 0)
		return 0;
	while ((n = write(fd, zeros, sizeof(zeros))) > 0)
		full += (size_t)n;
	return fcntl(fd, F_SETFL, 0) == 0 ? full : 0;
}

static void __attribute__((noreturn))
run_child(const char *program, const char *library, int out, int err, int report, pid_t parent)
{
	char *const argv[] = {(char *)program, (char *)"--version", NULL};
	int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
	int error;

	/* The parent may be gone before prctl() is in force. */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(1);
	if (null < 0 || dup2(null, 0) < 0 || dup2(out, 1) < 0 || dup2(err, 2) < 0)
		error = -errno;
	else
		error = library ? preload_prepend(library) : 0;
	if (!error) {
		execv(program, argv);
		error = -errno;
	}
	if (write(report, &error, sizeof(error)) != sizeof(error))
		_exit(1);
	_exit(0);
}

/* Returns once the child runs the program, or with the reason why it does not. */
static int start(struct child *child, const char *program, const char *library)
{
	int out[2] = {-1, -1}, report[2] = {-1, -1};
	pid_t self = getpid();
	int err = 0;

	child->err = memfd_create("stderr", MFD_CLOEXEC);
	if (child->err < 0 || pipe2(out, O_CLOEXEC) != 0 || pipe2(report, O_CLOEXEC) != 0) {
		err = -errno;
		goto out;
	}
	child->full = fill(out[1]);
	child->pid = fork();
	if (child->pid < 0) {
		err = -errno;
		goto out;
	}
	if (child->pid == 0)
		run_child(program, library, out[1], child->err, report[1], self);
	close(report[1]);
	report[1] = -1;
	/* Closed by a successful exec. */
	if (read(report[0], &err, sizeof(err)) != sizeof(err))
		err = 0;
	if (err)
		waitpid(child->pid, NULL, 0);
out:
	if (report[0] >= 0)
		close(report[0]);
	if (report[1] >= 0)
		close(report[1]);
	if (out[1] >= 0)
		close(out[1]);
	child->out = out[0];
	if (!err)
		return 0;
	if (child->out >= 0)
		close(child->out);
	if (child->err >= 0)
		close(child->err);
	return err;
}

static void reap(struct child *child, int options)
{
	if (!child->exited)
		child->exited = waitpid(child->pid, &child->status, options) == child->pid;
}

static bool read_secure(pid_t pid)
{
	FILE *file = proc_open(pid, "auxv");
	bool secure = file && proc_is_secure(file);

	if (file)
		fclose(file);
	return secure;
}

/*
 * The loader maps what LD_PRELOAD names before the libraries that the program needs, the C library
 * among them. So once that is mapped it is decided. False as long as it is not.
 */
static bool look(struct probe *probe, pid_t pid, const char *library)
{
	FILE *file = proc_open(pid, "maps");
	struct proc_mapped mapped;

	if (!file)
		return false;
	mapped = proc_read_maps(file, library);
	fclose(file);
	probe->library = probe->library || mapped.library;
	probe->looked = probe->looked || mapped.libc;
	if (probe->looked)
		probe->secure = read_secure(pid);
	return probe->looked;
}

/* Reads what comes after our own filling, until the end of it. */
static void read_output(struct child *child, struct probe *probe, long deadline)
{
	struct pollfd pollfd = {.fd = child->out, .events = POLLIN};
	size_t used = 0, skip = child->full;
	char buffer[4096];
	ssize_t n;
	long left;

	while ((left = deadline - now_ms()) > 0) {
		if (poll(&pollfd, 1, (int)left) <= 0)
			break;
		n = read(child->out, buffer, sizeof(buffer));
		if (n <= 0)
			break;
		for (ssize_t i = 0; i < n; i++) {
			if (skip)
				skip--;
			else if (used < sizeof(probe->version) - 1)
				probe->version[used++] = buffer[i];
		}
	}
	probe->version[used] = '\0';
	probe->version[strcspn(probe->version, "\n")] = '\0';
}

static void pause_ms(long ms)
{
	struct timespec time = {.tv_nsec = ms * 1000000};

	nanosleep(&time, NULL);
}

int probe_run(struct probe *probe, const char *program, const char *library)
{
	struct child child = {.pid = -1};
	long deadline = now_ms() + TIMEOUT_MS;
	ssize_t n;
	int err;

	memset(probe, 0, sizeof(*probe));
	err = start(&child, program, library);
	if (err)
		return err;

	/* Half of the time at most: a program without a C library never gets there. */
	while (now_ms() < deadline - TIMEOUT_MS / 2 && !look(probe, child.pid, library)) {
		reap(&child, WNOHANG);
		if (child.exited)
			break;
		pause_ms(2);
	}
	read_output(&child, probe, deadline);
	while (!child.exited && now_ms() < deadline) {
		reap(&child, WNOHANG);
		if (!child.exited)
			pause_ms(2);
	}
	if (!child.exited) {
		kill(child.pid, SIGKILL);
		reap(&child, 0);
		probe->status = -1;
	} else if (WIFSIGNALED(child.status)) {
		probe->status = 128 + WTERMSIG(child.status);
	} else {
		probe->status = WEXITSTATUS(child.status);
	}
	n = pread(child.err, probe->complaint, sizeof(probe->complaint) - 1, 0);
	probe->complaint[n > 0 ? n : 0] = '\0';
	probe->complaint[strcspn(probe->complaint, "\n")] = '\0';
	close(child.out);
	close(child.err);
	return 0;
}

bool probe_version(const struct probe *probe, unsigned int *major, unsigned int *minor)
{
	const char *number = strstr(probe->version, "version ");

	return number && sscanf(number, "version %u.%u", major, minor) == 2;
}
