// SPDX-License-Identifier: GPL-2.0-or-later
#include "teardown.h"

#include <stdbool.h>
#include <string.h>
#include <unistd.h>

#include "report.h"

/* The connection of a migration that has completed is gone by then. */
#define TEARDOWN_TIMEOUT 20000

static bool is_end(struct json_object *migration, const char *end, const struct vmproc *vm)
{
	struct json_object *name;

	return json_object_object_get_ex(migration, end, &name) &&
	       !strcmp(json_object_get_string(name), vm->name);
}

/*
 * With postcopy each migration has a second one, for the return path, and with a return path from
 * QEMU 8 on (before, it fails). One that failed may have come to none.
 */
static size_t connections_of(const struct scenario_config *config, const struct vmproc *vm,
			     struct json_object *migrations)
{
	size_t connections = 0, each = 1;

	for (size_t i = 0; config->migration.caps[i]; i++)
		if (!strcmp(config->migration.caps[i], "postcopy-ram") ||
		    !strcmp(config->migration.caps[i], "return-path"))
			each = 2;
	for (size_t i = 0; i < json_object_array_length(migrations); i++) {
		struct json_object *m = json_object_array_get_idx(migrations, i);

		if ((is_end(m, "from", vm) || is_end(m, "to", vm)) &&
		    !report_has_status(m, "failed") && !report_has_status(m, "refused"))
			connections += each;
	}
	return connections;
}

size_t teardown_count(const struct vmproc *vm)
{
	struct json_object *counts, *list, *live;
	size_t n = 0;

	counts = access(vm->counts, R_OK) ? NULL : json_object_from_file(vm->counts);
	if (json_object_object_get_ex(counts, "per_connection", &list))
		for (size_t i = 0; i < json_object_array_length(list); i++)
			if (json_object_object_get_ex(json_object_array_get_idx(list, i),
						      "live_mrs_at_qp_end", &live) &&
			    json_object_get_int64(live) >= 0)
				n++;
	json_object_put(counts);
	return n;
}

void teardown_wait(const struct scenario_config *config, const struct vmproc *vm,
		   size_t connections)
{
	int64_t deadline = wait_now() + TEARDOWN_TIMEOUT;

	if (strcmp(config->migration.transport, "rdma") || !config->src.preload ||
	    !config->dst.preload || !strstr(config->src.preload, "librdmachunk-count") ||
	    !strstr(config->dst.preload, "librdmachunk-count"))
		return;
	while (teardown_count(vm) < connections && !wait_over(deadline))
		wait_fds(NULL, 0, wait_now() + 10);
}

void teardown_wait_all(const struct scenario_config *config, const struct vmproc *vm,
		       struct json_object *migrations)
{
	teardown_wait(config, vm, connections_of(config, vm, migrations));
}
