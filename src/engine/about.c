/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/about.h"

#include <arpa/inet.h>

#include "util/monotonic.h"

void about_begin(struct about *about, struct rdma_cm_id *id, enum conn_role role)
{
	const struct sockaddr *peer = rdma_get_peer_addr(id);

	about->role = role;
	about->started = monotonic_ns();
	about->peer[0] = '\0';
	if (peer->sa_family == AF_INET)
		inet_ntop(AF_INET, &((const struct sockaddr_in *)(const void *)peer)->sin_addr,
			  about->peer, sizeof(about->peer));
	else if (peer->sa_family == AF_INET6)
		inet_ntop(AF_INET6, &((const struct sockaddr_in6 *)(const void *)peer)->sin6_addr,
			  about->peer, sizeof(about->peer));
}

double about_seconds(const struct about *about)
{
	return (double)(monotonic_ns() - about->started) / 1e9;
}

const char *about_peer(const struct about *about)
{
	return about->peer[0] ? about->peer : "unknown";
}
