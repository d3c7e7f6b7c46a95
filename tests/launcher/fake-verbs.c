/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Stands for libibverbs.so.1: one device, plant0, whose limits are RDMATEST_MAX_MR_SIZE and
 * RDMATEST_MAX_MR, of the vendor RDMATEST_VENDOR_ID.
 */
#include <infiniband/verbs.h>
#include <stdlib.h>
#include <string.h>

static struct ibv_device device = {.name = "plant0"};
static struct ibv_device *list[] = {&device, NULL};
static struct ibv_context context = {.device = &device};

struct ibv_device **ibv_get_device_list(int *count)
{
	if (count)
		*count = 1;
	return list;
}

void ibv_free_device_list(struct ibv_device **devices)
{
	(void)devices;
}

const char *ibv_get_device_name(struct ibv_device *wanted)
{
	return wanted->name;
}

struct ibv_context *ibv_open_device(struct ibv_device *wanted)
{
	return wanted == &device ? &context : NULL;
}

int ibv_close_device(struct ibv_context *opened)
{
	return opened != &context;
}

int ibv_query_device(struct ibv_context *opened, struct ibv_device_attr *attr)
{
	(void)opened;
	memset(attr, 0, sizeof(*attr));
	attr->max_mr_size = strtoull(getenv("RDMATEST_MAX_MR_SIZE"), NULL, 10);
	attr->vendor_id =
		getenv("RDMATEST_VENDOR_ID") ? (unsigned int)atoi(getenv("RDMATEST_VENDOR_ID")) : 1;
	attr->max_mr = atoi(getenv("RDMATEST_MAX_MR"));
	return 0;
}
