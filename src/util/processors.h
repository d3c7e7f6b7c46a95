/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RDMACHUNK_UTIL_PROCESSORS_H
#define RDMACHUNK_UTIL_PROCESSORS_H

/*
 * How many processors the calling process may run on: as many as its affinity, or cpuset, has, as
 * `status` says, which is "/proc/self/status" (proc_pid_status(5), Cpus_allowed), and as are
 * online: without a cpuset all are in that mask which the machine may ever have. Where it cannot be
 * read, all that are online. 1 at least. sched_getaffinity() would end a QEMU with -sandbox
 * on,resourcecontrol=deny (softmmu/qemu-seccomp.c).
 */
unsigned int processors_allowed(const char *status);

#endif
