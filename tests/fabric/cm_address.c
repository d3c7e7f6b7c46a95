// SPDX-License-Identifier: GPL-2.0-or-later
#include "cm_internal.h"

#include "fault.h"

#include <errno.h>
#include <ifaddrs.h>
#include <netdb.h>
#include <stdlib.h>
#include <string.h>

socklen_t cm_addr_len(const struct sockaddr *addr)
{
	return addr->sa_family == AF_INET6 ? sizeof(struct sockaddr_in6)
					   : sizeof(struct sockaddr_in);
}

__be16 *cm_addr_port(struct sockaddr *addr)
{
	return addr->sa_family == AF_INET6 ? &((struct sockaddr_in6 *)addr)->sin6_port
					   : &((struct sockaddr_in *)addr)->sin_port;
}

bool cm_addr_any(const struct sockaddr *addr)
{
	if (addr->sa_family == AF_INET6)
		return IN6_IS_ADDR_UNSPECIFIED(&((const struct sockaddr_in6 *)addr)->sin6_addr);
	return ((const struct sockaddr_in *)addr)->sin_addr.s_addr == htonl(INADDR_ANY);
}

static bool same_host(const struct sockaddr *a, const struct sockaddr *b)
{
	if (a->sa_family != b->sa_family)
		return false;
	if (a->sa_family == AF_INET6)
		return IN6_ARE_ADDR_EQUAL(&((const struct sockaddr_in6 *)a)->sin6_addr,
					  &((const struct sockaddr_in6 *)b)->sin6_addr);
	return ((const struct sockaddr_in *)a)->sin_addr.s_addr ==
	       ((const struct sockaddr_in *)b)->sin_addr.s_addr;
}

/* Every address of this host is one of the fabric's device. */
bool cm_addr_local(const struct sockaddr *addr)
{
	struct ifaddrs *list, *each;
	bool found = false;

	if (addr->sa_family == AF_INET &&
	    (ntohl(((const struct sockaddr_in *)addr)->sin_addr.s_addr) >> 24) == 127)
		return true;
	if (getifaddrs(&list) != 0)
		return false;
	for (each = list; each && !found; each = each->ifa_next)
		found = each->ifa_addr && same_host(each->ifa_addr, addr);
	freeifaddrs(list);
	return found;
}

void cm_addr_gid(const struct sockaddr *addr, union ibv_gid *gid)
{
	memset(gid, 0, sizeof(*gid));
	if (addr->sa_family == AF_INET6) {
		memcpy(gid->raw, &((const struct sockaddr_in6 *)addr)->sin6_addr, 16);
	} else {
		gid->raw[10] = 0xff;
		gid->raw[11] = 0xff;
		memcpy(gid->raw + 12, &((const struct sockaddr_in *)addr)->sin_addr, 4);
	}
}

static struct rdma_addrinfo *convert(const struct addrinfo *from, bool passive)
{
	struct rdma_addrinfo *to = calloc(1, sizeof(*to));
	struct sockaddr *addr = to ? malloc(from->ai_addrlen) : NULL;

	if (!addr) {
		free(to);
		return NULL;
	}
	memcpy(addr, from->ai_addr, from->ai_addrlen);
	to->ai_family = from->ai_family;
	to->ai_qp_type = IBV_QPT_RC;
	to->ai_port_space = RDMA_PS_TCP;
	if (passive) {
		to->ai_flags = RAI_PASSIVE;
		to->ai_src_addr = addr;
		to->ai_src_len = from->ai_addrlen;
	} else {
		to->ai_dst_addr = addr;
		to->ai_dst_len = from->ai_addrlen;
	}
	return to;
}

int rdma_getaddrinfo(const char *node, const char *service, const struct rdma_addrinfo *hints,
		     struct rdma_addrinfo **res)
{
	int flags = hints ? hints->ai_flags : 0, err = fab_verb(VERB_RDMA_GETADDRINFO);
	struct addrinfo ask = {.ai_socktype = SOCK_STREAM}, *found, *each;
	struct rdma_addrinfo **end = res;

	if (err)
		return cm_fail(err);
	if (flags & RAI_PASSIVE)
		ask.ai_flags |= AI_PASSIVE;
	if (flags & RAI_NUMERICHOST)
		ask.ai_flags |= AI_NUMERICHOST;
	if (hints && (flags & RAI_FAMILY))
		ask.ai_family = hints->ai_family;
	err = getaddrinfo(node, service, &ask, &found);
	if (err)
		return err;
	*res = NULL;
	for (each = found; each; each = each->ai_next) {
		*end = convert(each, flags & RAI_PASSIVE);
		if (!*end)
			break;
		end = &(*end)->ai_next;
	}
	freeaddrinfo(found);
	return *res ? 0 : cm_fail(ENOMEM);
}

void rdma_freeaddrinfo(struct rdma_addrinfo *res)
{
	struct rdma_addrinfo *next;

	for (; res; res = next) {
		next = res->ai_next;
		free(res->ai_src_addr);
		free(res->ai_dst_addr);
		free(res);
	}
}

__be16 rdma_get_src_port(struct rdma_cm_id *id)
{
	return *cm_addr_port(&id->route.addr.src_addr);
}

__be16 rdma_get_dst_port(struct rdma_cm_id *id)
{
	return *cm_addr_port(&id->route.addr.dst_addr);
}
