// SPDX-License-Identifier: GPL-2.0-or-later
#include "link.h"

#include <dlfcn.h>
#include <glob.h>
#include <infiniband/verbs.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "address.h"

/* A macro where libibverbs knows more about ports than its oldest programs. */
#undef ibv_query_port

/* What is used of libibverbs, which need not be there. */
struct calls {
	struct ibv_device **(*get_device_list)(int *count);
	void (*free_device_list)(struct ibv_device **list);
	const char *(*get_device_name)(struct ibv_device *device);
	struct ibv_context *(*open_device)(struct ibv_device *device);
	int (*close_device)(struct ibv_context *context);
	int (*query_device)(struct ibv_context *context, struct ibv_device_attr *attr);
	/* The old ABI's structure, which the new one begins with. */
	int (*query_port)(struct ibv_context *context, uint8_t port, struct ibv_port_attr *attr);
};

/* By version: there are twins for an older ABI. */
static void *find(void *library, const char *name)
{
	void *function = dlvsym(library, name, "IBVERBS_1.1");

	return function ? function : dlsym(library, name);
}

static bool load(struct calls *calls, void *library)
{
	*(void **)&calls->get_device_list = find(library, "ibv_get_device_list");
	*(void **)&calls->free_device_list = find(library, "ibv_free_device_list");
	*(void **)&calls->get_device_name = find(library, "ibv_get_device_name");
	*(void **)&calls->open_device = find(library, "ibv_open_device");
	*(void **)&calls->close_device = find(library, "ibv_close_device");
	*(void **)&calls->query_device = find(library, "ibv_query_device");
	*(void **)&calls->query_port = find(library, "ibv_query_port");
	return calls->get_device_list && calls->free_device_list && calls->get_device_name &&
	       calls->open_device && calls->close_device && calls->query_device &&
	       calls->query_port;
}

/* Of a lane, by the bit that active_speed has; the InfiniBand Architecture, PortInfo. */
static double lane_gbit(unsigned int speed)
{
	static const struct {
		unsigned int bit;
		double gbit;
	} speeds[] = {{1, 2.5}, {2, 5}, {4, 10}, {8, 10}, {16, 14}, {32, 25}, {64, 50}, {128, 100}};

	for (size_t i = 0; i < sizeof(speeds) / sizeof(speeds[0]); i++)
		if (speeds[i].bit == speed)
			return speeds[i].gbit;
	return NAN;
}

static double lanes(unsigned int width)
{
	static const struct {
		unsigned int bit, lanes;
	} widths[] = {{1, 1}, {2, 4}, {4, 8}, {8, 12}, {16, 2}};

	for (size_t i = 0; i < sizeof(widths) / sizeof(widths[0]); i++)
		if (widths[i].bit == width)
			return widths[i].lanes;
	return NAN;
}

/* The first active port of the device, unless *link is one already that need not give way. */
static void look_at(struct link *link, const struct calls *calls, struct ibv_device *device,
		    const char *address)
{
	struct ibv_context *context = calls->open_device(device);
	struct ibv_device_attr attr = {.phys_port_cnt = 0};
	struct ibv_port_attr port;
	char name[sizeof(link->name)];

	if (!context)
		return;
	if (calls->query_device(context, &attr))
		attr.phys_port_cnt = 0;
	for (unsigned int i = 1; i <= attr.phys_port_cnt; i++) {
		memset(&port, 0, sizeof(port));
		if (calls->query_port(context, (uint8_t)i, &port) || port.state != IBV_PORT_ACTIVE)
			continue;
		snprintf(name, sizeof(name), "%.63s/%u", calls->get_device_name(device), i);
		if (link->name[0] && !address_is_of(address, name))
			continue;
		snprintf(link->name, sizeof(link->name), "%s", name);
		link->gbit = lane_gbit(port.active_speed) * lanes(port.active_width);
	}
	calls->close_device(context);
}

static bool kernel_has_devices(void)
{
	glob_t found;
	bool any = !glob("/sys/class/infiniband/*", 0, NULL, &found) && found.gl_pathc;

	globfree(&found);
	return any;
}

int link_find(struct link *link, const char *address, struct failure *failure)
{
	void *library = dlopen("libibverbs.so.1", RTLD_NOW | RTLD_LOCAL);
	struct ibv_device **list = NULL;
	struct calls calls = {.get_device_list = NULL};

	*link = (struct link){.gbit = NAN};
	if (!library || !load(&calls, library)) {
		if (library)
			dlclose(library);
		/* A QEMU may have brought its own. */
		return kernel_has_devices() ? 0 : fail(failure, "there is no RDMA device");
	}
	list = calls.get_device_list(NULL);
	for (size_t i = 0; list && list[i]; i++)
		look_at(link, &calls, list[i], address);
	if (!link->name[0])
		fail(failure,
		     list && list[0] ? "no RDMA link is active" : "there is no RDMA device");
	if (list)
		calls.free_device_list(list);
	dlclose(library);
	return link->name[0] ? 0 : -1;
}
