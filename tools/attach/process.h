/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RDMACHUNK_ATTACH_PROCESS_H
#define RDMACHUNK_ATTACH_PROCESS_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "util/guest_name.h"

/* A QEMU of this host, by what /proc tells of it. Nothing here disturbs it. */
struct process {
	pid_t pid;
	bool qemu; /* its program is qemu-system-* or qemu-kvm; by its name where `exe' is "" */
	char exe[PATH_MAX]; /* the program, as its own root directory has it; "" when not allowed */
	char guest[GUEST_NAME_LEN]; /* of -name; "" when it has none */
	char state;		    /* as ps(1) shows it */
	pid_t tracer;		    /* who traces it; 0: nobody */
	uid_t uid;		    /* with whose rights it opens files */
	bool shadow_stack;	    /* returns are checked */
	char confined[128]; /* its AppArmor profile or SELinux context; "" when it has none */
};

/* 0; -ESRCH when there is none of this number, or another negative errno. */
int process_read(struct process *process, pid_t pid);

/*
 * All QEMUs, in the order of their numbers: *list, to be freed. Returns their number, or a
 * negative errno. One that ends meanwhile is left out.
 */
ssize_t process_list(struct process **list);

/*
 * The process of this number, or the QEMU whose guest has this name. 0; -ESRCH when there
 * is none; -ENOTUNIQ when there are several of that name.
 */
int process_find(struct process *process, const char *text);

/* What of RDMA it has open. */
enum process_rdma {
	PROCESS_RDMA_NONE,
	/* A device, and no more: once librdmacm has used one it keeps it open as long as the
	 * process lives (ucma_init_device() in librdmacm/cma.c). */
	PROCESS_RDMA_DEVICE,
	PROCESS_RDMA_CHANNEL, /* an event channel: it listens, connects, or has a connection */
};

/* Sets *rdma. 0 or a negative errno. */
int process_rdma(pid_t pid, enum process_rdma *rdma);

#endif
