/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RDMACHUNK_LAUNCHER_RDMA_DEVICE_H
#define RDMACHUNK_LAUNCHER_RDMA_DEVICE_H

#include <stddef.h>

/* Of siw, software iWARP: SIW_VENDOR_ID in drivers/infiniband/sw/siw/siw.h of Linux. */
#define RDMA_DEVICE_VENDOR_SIW 0x626d74

struct rdma_device_limits {
	unsigned long long max_mr_size; /* bytes in one MR */
	unsigned int max_mr;		/* MRs at one time */
	unsigned int vendor_id;
};

/*
 * Ask libibverbs, loaded for this call only, for the limits of the device of this name. Returns 0,
 * or a negative errno with `why` (`len` bytes) telling what failed: -ELIBACC when libibverbs cannot
 * be loaded, -ENODEV when it does not know the device.
 */
int rdma_device_limits(struct rdma_device_limits *limits, const char *name, char *why, size_t len);

#endif
