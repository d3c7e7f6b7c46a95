/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RDMACHUNK_UTIL_PROCESSORS_H
#define RDMACHUNK_UTIL_PROCESSORS_H

/*
 * How many processors the calling process may run on: those of its affinity, or cpuset, as
 * `status` says, which is "/proc/self/status" (proc_pid_status(5), Cpus_allowed). Where that cannot
 * be read, all that are online. 1 at least. sched_getaffinity() would end a QEMU
 * with -sandbox on,resourcecontrol=deny (softmmu/qemu-seccomp.c).
 */
unsigned int processors_allowed(const char *status);

#endif
