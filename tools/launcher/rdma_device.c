/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "rdma_device.h"

#include <dlfcn.h>
#include <errno.h>
#include <infiniband/verbs.h>
#include <stdio.h>
#include <string.h>

/* What is used of libibverbs. */
struct calls {
	__typeof__(ibv_get_device_list) *get_device_list;
	__typeof__(ibv_free_device_list) *free_device_list;
	__typeof__(ibv_get_device_name) *get_device_name;
	__typeof__(ibv_open_device) *open_device;
	__typeof__(ibv_close_device) *close_device;
	__typeof__(ibv_query_device) *query_device;
};

/* By version: there are twins for an older ABI. */
static void *find(void *library, const char *name)
{
	void *function = dlvsym(library, name, "IBVERBS_1.1");

	return function ? function : dlsym(library, name);
}

static int load(struct calls *calls, void *library)
{
	*(void **)&calls->get_device_list = find(library, "ibv_get_device_list");
	*(void **)&calls->free_device_list = find(library, "ibv_free_device_list");
	*(void **)&calls->get_device_name = find(library, "ibv_get_device_name");
	*(void **)&calls->open_device = find(library, "ibv_open_device");
	*(void **)&calls->close_device = find(library, "ibv_close_device");
	*(void **)&calls->query_device = find(library, "ibv_query_device");
	if (calls->get_device_list && calls->free_device_list && calls->get_device_name &&
	    calls->open_device && calls->close_device && calls->query_device)
		return 0;
	return -ELIBACC;
}

static int query(struct rdma_device_limits *limits, const struct calls *calls,
		 struct ibv_device *device)
{
	struct ibv_context *context = calls->open_device(device);
	struct ibv_device_attr attr;
	int err;

	if (!context)
		return errno ? -errno : -EIO;
	memset(&attr, 0, sizeof(attr));
	err = calls->query_device(context, &attr);
	if (!err) {
		limits->max_mr_size = attr.max_mr_size;
		limits->vendor_id = attr.vendor_id;
		limits->max_mr = attr.max_mr > 0 ? (unsigned int)attr.max_mr : 0;
	}
	calls->close_device(context);
	return -err;
}

int rdma_device_limits(struct rdma_device_limits *limits, const char *name, char *why, size_t len)
{
	void *library = dlopen("libibverbs.so.1", RTLD_NOW | RTLD_LOCAL);
	struct ibv_device **list = NULL;
	struct calls calls;
	int err;

	if (!library) {
		snprintf(why, len, "%s", dlerror());
		return -ELIBACC;
	}
	err = load(&calls, library);
	if (err) {
		snprintf(why, len, "libibverbs.so.1 lacks functions");
		goto out;
	}
	list = calls.get_device_list(NULL);
	err = -ENODEV;
	snprintf(why, len, "libibverbs does not know it");
	for (size_t i = 0; list && list[i]; i++) {
		if (strcmp(calls.get_device_name(list[i]), name) != 0)
			continue;
		err = query(limits, &calls, list[i]);
		if (err)
			snprintf(why, len, "%s", strerror(-err));
		break;
	}
	if (list)
		calls.free_device_list(list);
out:
	dlclose(library);
	return err;
}
