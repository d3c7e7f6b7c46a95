/* SPDX-License-Identifier: GPL-2.0-or-later */
/* This host's RDMA link, as libibverbs tells of it. */
#ifndef TOOLS_AB_LINK_H
#define TOOLS_AB_LINK_H

#include "failure.h"

struct link {
	char name[80]; /* device and port, such as "mlx5_0/1"; empty: not known */
	double gbit;   /* of the port, in each direction, in Gbit/s; NAN: not known */
};

/*
 * Find an active link, best the one whose network interface has the IPv4 address @address. Returns
 * 0, or -1 with the reason when this host surely has none.
 */
int link_find(struct link *link, const char *address, struct failure *failure);

#endif
