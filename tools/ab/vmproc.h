/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A QEMU process: command line, environment, files, QMP connection, CPU time, exit status. */
#ifndef TOOLS_AB_VMPROC_H
#define TOOLS_AB_VMPROC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "qmp.h"
#include "remote.h"
#include "vmargs.h"

/* What one end is made of. Strings are not owned. */
struct vm_config {
	const char *binary;
	const char *root;    /* chroot here (its /dev, /proc, /sys, /tmp are ours); NULL: no */
	const char *preload; /* LD_PRELOAD's value, or NULL */
	const char *env[VM_LIST_MAX];	/* NAME=VALUE; NULL ends the list */
	const char *extra[VM_LIST_MAX]; /* more QEMU arguments; NULL ends the list */
	const char *machine;		/* -machine's value without memory-backend */
	const char *memory;		/* as in struct vm_line */
	const char *const *command;	/* a whole command line (see vmargs.h), or NULL */
	const struct remote *remote;	/* run it on another host; NULL: on this one */
	bool stats;			/* have the shim write its statistics */
	bool prealloc;			/* as in struct vm_line */
};

struct vmproc {
	char name[16];
	pid_t pid;   /* 0 when there is no process to wait for */
	pid_t group; /* its process group, which lives on if it leaves others behind; 0: none */
	int pidfd, qmp_fd;
	int ram_fd;	    /* the guest's RAM file, -1 before vm_start or on another host */
	int exit_status;    /* waitpid's; valid when @exited */
	double cpu_seconds; /* of its whole life; valid when @exited; negative: unknown */
	bool exited, killed;
	const struct remote *remote; /* it runs on another host, and @pid is ssh */
	char out[256], err[256], counts[256], stats[256];
	char preload[1024];
	struct qmp qmp;
};

struct vm_start {
	const char *dir;	/* an existing directory, for logs */
	const char *ram_dir;	/* another, on tmpfs, for RAM files (which have no names) */
	uint64_t ram_size;	/* bytes */
	int reuse_ram_fd;	/* a RAM file to use again, or 0 for a new one */
	bool no_ram;		/* the RAM file, if any, is not ours to make */
	bool incoming;		/* -incoming defer */
	bool paused;		/* -S */
	const char *bios;	/* an image for -bios, or NULL */
	void (*in_child)(void); /* called in the new process before it becomes QEMU; may be NULL */
};

/*
 * Create the RAM file (empty, @ram_size long; open as vm->ram_fd) without starting anything. The
 * caller may fill it. With no_ram (on another host, say) vm->ram_fd stays -1.
 */
int vm_prepare(struct vmproc *vm, const char *name, const struct vm_start *start,
	       struct failure *failure);

/*
 * Start QEMU, as the leader of a process group. Dies with the caller. Does not wait for it: see
 * vm_connect.
 */
int vm_start(struct vmproc *vm, const struct vm_config *config, const struct vm_start *start,
	     struct failure *failure);

/*
 * Wait for QEMU's greeting, and check that every preload is mapped (by absolute path, which is how
 * they have to be given; on another host nothing is checked).
 */
int vm_connect(struct vmproc *vm, int64_t deadline, struct failure *failure);

/* CPU seconds that the process has used until now; negative: unknown, as on another host. */
double vm_cpu_seconds(const struct vmproc *vm);

/* Wait for the process to end by itself. */
int vm_wait_exit(struct vmproc *vm, int64_t deadline, struct failure *failure);

/* QMP quit, then wait for the exit. The status is not judged. */
int vm_quit(struct vmproc *vm, int64_t deadline, struct failure *failure);

/*
 * Once it has ended: did the loader complain of a preload? It only prints a line, and on another
 * host nobody has looked whether the library is mapped. Returns 0, or -1 if it did.
 */
int vm_check_loader(const struct vmproc *vm, struct failure *failure);

/*
 * Has it ended, or closed its QMP connection, which is the same in a moment? Not if it exited with
 * status 0, as QEMU does when it is told to, or if it was we who closed the connection.
 */
bool vm_has_ended(const struct vmproc *vm);

/*
 * How the process ended, for people, with the last line of its standard error. Needs a process
 * that has ended or is about to; waits for that a little.
 */
void vm_describe_end(struct vmproc *vm, char *text, size_t size);

/* End the process if there still is one, and close and remove all but the logs. */
void vm_release(struct vmproc *vm);

#endif
