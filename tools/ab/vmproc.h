/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A QEMU process under test: command line, environment, files, QMP connection, exit status. */
#ifndef TOOLS_AB_VMPROC_H
#define TOOLS_AB_VMPROC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "qmp.h"

#define VM_LIST_MAX 32

/* What one end is made of. Strings are not owned. */
struct vm_config {
	const char *binary;
	const char *root;    /* chroot here (its /dev, /proc, /sys, /tmp are ours); NULL: no */
	const char *preload; /* LD_PRELOAD's value, or NULL */
	const char *env[VM_LIST_MAX];	/* NAME=VALUE; NULL ends the list */
	const char *extra[VM_LIST_MAX]; /* more QEMU arguments; NULL ends the list */
	const char *machine;		/* -machine's value without memory-backend */
	bool stats;			/* have the shim write its statistics */
};

struct vmproc {
	char name[16];
	pid_t pid; /* 0 when there is no process to wait for */
	int pidfd, listen_fd;
	int ram_fd;	 /* the guest's RAM file, -1 before vm_start */
	int exit_status; /* waitpid's; valid when @exited */
	bool exited, killed;
	char ram[256], socket[256], out[256], err[256], counts[256], stats[256];
	char preload[1024];
	struct qmp qmp;
};

struct vm_start {
	const char *dir;     /* an existing directory, for logs */
	const char *ram_dir; /* another, on tmpfs, for RAM files and sockets */
	uint64_t ram_size;   /* bytes */
	bool incoming;	     /* -incoming defer */
	bool paused;	     /* -S */
	const char *bios;    /* an image for -bios, or NULL */
};

/*
 * Create the RAM file (empty, @ram_size long; open as vm->ram_fd) without starting anything. The
 * caller may fill it.
 */
int vm_prepare(struct vmproc *vm, const char *name, const struct vm_start *start,
	       struct failure *failure);

/* Start QEMU. Dies with the driver. Does not wait for it: see vm_connect. */
int vm_start(struct vmproc *vm, const struct vm_config *config, const struct vm_start *start,
	     struct failure *failure);

/*
 * Wait for QEMU's QMP connection, and check that every preload is mapped (by absolute path, which
 * is how they have to be given). The RAM file and the socket need no names any more then.
 */
int vm_connect(struct vmproc *vm, int64_t deadline, struct failure *failure);

/* Wait for the process to end by itself. */
int vm_wait_exit(struct vmproc *vm, int64_t deadline, struct failure *failure);

/* QMP quit, then wait for the exit. The status is not judged. */
int vm_quit(struct vmproc *vm, int64_t deadline, struct failure *failure);

/* End the process if there still is one, and close and remove all but the logs. */
void vm_release(struct vmproc *vm);

#endif
