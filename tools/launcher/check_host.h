/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RDMACHUNK_LAUNCHER_CHECK_HOST_H
#define RDMACHUNK_LAUNCHER_CHECK_HOST_H

#include <stdbool.h>

#include "findings.h"

/*
 * Is there an RDMA link, may it be used, and what does its device allow? Regions have 2^shift
 * bytes; `memory` is the guest's in bytes, or 0. Below `root` are sys and dev. Returns whether a
 * driver counts locked memory of privileged processes too: siw does (siw_umem_get() of Linux 6.1).
 */
bool check_links(struct findings *findings, const char *root, unsigned int shift,
		 unsigned long long memory);

/*
 * What can be told of SELinux and AppArmor: a QEMU that libvirt starts runs under other rules than
 * one started from here. Below `root` are sys and etc.
 */
void check_security_modules(struct findings *findings, const char *root, const char *library);

#endif
