/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Where a migration within this host goes if nobody says it. */
#ifndef TOOLS_AB_ADDRESS_H
#define TOOLS_AB_ADDRESS_H

#include <stddef.h>

/*
 * The IPv4 address of the first RDMA device's network interface, as text; 127.0.0.1 if there is
 * none, which serves TCP.
 */
void address_default(char *text, size_t size);

#endif
