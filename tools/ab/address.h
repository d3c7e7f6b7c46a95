/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Where a migration within this host goes if nobody says it. */
#ifndef TOOLS_AB_ADDRESS_H
#define TOOLS_AB_ADDRESS_H

#include <stdbool.h>
#include <stddef.h>

/*
 * The IPv4 address of the first RDMA device's network interface, as text; 127.0.0.1 if there is
 * none, which serves TCP.
 */
void address_default(char *text, size_t size);

/* Does the network interface behind the RDMA link "DEVICE/PORT" have that IPv4 address? */
bool address_is_of(const char *address, const char *link);

#endif
