// SPDX-License-Identifier: GPL-2.0-or-later
#include "address.h"

#include <arpa/inet.h>
#include <glob.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

/* The kernel names the interface behind each of a device's GIDs; all are the same mostly. */
#define GID_INTERFACES "/sys/class/infiniband/*/ports/*/gid_attrs/ndevs/0"

static bool read_interface(const char *path, char name[IF_NAMESIZE])
{
	FILE *f = fopen(path, "re");
	bool ok = f && fgets(name, IF_NAMESIZE, f);

	if (f)
		fclose(f);
	if (ok)
		name[strcspn(name, "\n")] = '\0';
	return ok && *name;
}

static bool address_of(const char *interface, char *text, size_t size)
{
	struct ifaddrs *all, *a;
	bool found = false;

	if (getifaddrs(&all))
		return false;
	for (a = all; a && !found; a = a->ifa_next) {
		const struct sockaddr_in *in = (const struct sockaddr_in *)(void *)a->ifa_addr;

		if (in && in->sin_family == AF_INET && (a->ifa_flags & IFF_UP) &&
		    !strcmp(a->ifa_name, interface))
			found = inet_ntop(AF_INET, &in->sin_addr, text, (socklen_t)size);
	}
	freeifaddrs(all);
	return found;
}

bool address_is_of(const char *address, const char *link)
{
	char path[256], interface[IF_NAMESIZE], own[INET_ADDRSTRLEN];
	int device = (int)strcspn(link, "/");

	if (!link[device])
		return false;
	snprintf(path, sizeof(path), "/sys/class/infiniband/%.*s/ports/%s/gid_attrs/ndevs/0",
		 device, link, link + device + 1);
	return read_interface(path, interface) && address_of(interface, own, sizeof(own)) &&
	       !strcmp(own, address);
}

void address_default(char *text, size_t size)
{
	char interface[IF_NAMESIZE];
	bool found = false;
	glob_t paths;

	if (!glob(GID_INTERFACES, 0, NULL, &paths)) {
		for (size_t i = 0; i < paths.gl_pathc && !found; i++)
			found = read_interface(paths.gl_pathv[i], interface) &&
				address_of(interface, text, size);
		globfree(&paths);
	}
	if (!found)
		snprintf(text, size, "127.0.0.1");
}
