// SPDX-License-Identifier: GPL-2.0-or-later
#include "report.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/wait.h>

#define LINES_KEPT 20

static void add_lines(struct json_object *o, const char *key, const char *path)
{
	struct json_object *lines = json_object_new_array();
	char counter[32], from_shim[32], *line = NULL;
	FILE *f = fopen(path, "re");
	int n = 0, shims = 0;
	size_t size = 0;
	ssize_t len;

	while (f && (len = getline(&line, &size, f)) > 0) {
		if (line[len - 1] == '\n')
			line[len - 1] = '\0';
		if (strstr(line, " rdmachunk-"))
			shims++;
		if (n++ < LINES_KEPT)
			json_object_array_add(lines, json_object_new_string(line));
	}
	free(line);
	if (f)
		fclose(f);
	snprintf(counter, sizeof(counter), "%s_lines", key);
	snprintf(from_shim, sizeof(from_shim), "%s_from_shim", key);
	json_object_object_add(o, key, lines);
	json_object_object_add(o, counter, json_object_new_int(n));
	json_object_object_add(o, from_shim, json_object_new_int(shims));
}

/* An array of the file's lines, each of them JSON; NULL without a file. */
static struct json_object *read_json_lines(const char *path)
{
	struct json_object *lines;
	FILE *f = fopen(path, "re");
	char *line = NULL;
	size_t size = 0;

	if (!f)
		return NULL;
	lines = json_object_new_array();
	while (getline(&line, &size, f) > 0)
		json_object_array_add(lines, json_tokener_parse(line));
	free(line);
	fclose(f);
	return lines;
}

struct json_object *report_process(const struct vmproc *vm)
{
	struct json_object *o = json_object_new_object(), *counts, *stats;
	int status = vm->exit_status;

	json_object_object_add(o, "version", json_object_new_string(vm->qmp.version));
	json_object_object_add(
		o, "exit",
		json_object_new_int(WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status)));
	json_object_object_add(o, "killed", json_object_new_boolean(vm->killed));
	add_lines(o, "stdout", vm->out);
	add_lines(o, "stderr", vm->err);
	counts = access(vm->counts, F_OK) ? NULL : json_object_from_file(vm->counts);
	json_object_object_add(o, "counts", counts);
	json_object_object_add(o, "has_counts", json_object_new_boolean(counts != NULL));
	stats = read_json_lines(vm->stats);
	json_object_object_add(o, "stats", stats);
	json_object_object_add(
		o, "stats_lines",
		json_object_new_int(stats ? (int)json_object_array_length(stats) : 0));
	return o;
}

static void copy_member(struct json_object *to, const char *to_key, struct json_object *from,
			const char *from_key)
{
	struct json_object *value = NULL;

	if (from && json_object_object_get_ex(from, from_key, &value))
		json_object_object_add(to, to_key, json_object_get(value));
}

/* VmRSS, in bytes; 0: there is no such process any more. */
static int64_t resident_bytes(const struct vmproc *vm)
{
	long long kib = 0;
	char path[64], line[256];
	FILE *f;

	if (!vm->pid)
		return 0;
	snprintf(path, sizeof(path), "/proc/%d/status", (int)vm->pid);
	f = fopen(path, "re");
	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "VmRSS: %lld kB", &kib) == 1)
			break;
	if (f)
		fclose(f);
	return kib * 1024;
}

struct json_object *report_migration(const struct vmproc *from, const struct vmproc *to,
				     struct json_object *info, const struct comparison *ram)
{
	struct json_object *o = json_object_new_object(), *ram_info = NULL;

	json_object_object_add(o, "from", json_object_new_string(from->name));
	json_object_object_add(o, "to", json_object_new_string(to->name));
	copy_member(o, "status", info, "status");
	copy_member(o, "total_time_ms", info, "total-time");
	copy_member(o, "error_desc", info, "error-desc");
	copy_member(o, "setup_time_ms", info, "setup-time");
	copy_member(o, "downtime_ms", info, "downtime");
	json_object_object_add(o, "from_resident_bytes",
			       json_object_new_int64(resident_bytes(from)));
	json_object_object_add(o, "to_resident_bytes", json_object_new_int64(resident_bytes(to)));
	if (info && json_object_object_get_ex(info, "ram", &ram_info))
		copy_member(o, "passes", ram_info, "dirty-sync-count");
	if (ram) {
		json_object_object_add(o, "ram_identical",
				       json_object_new_boolean(!ram->differing_bytes));
		json_object_object_add(o, "ram_differing_bytes",
				       json_object_new_int64((int64_t)ram->differing_bytes));
		if (ram->differing_bytes)
			json_object_object_add(
				o, "ram_first_difference",
				json_object_new_int64((int64_t)ram->first_difference));
	}
	return o;
}

bool report_has_status(struct json_object *migration, const char *status)
{
	struct json_object *value;

	return json_object_object_get_ex(migration, "status", &value) &&
	       !strcmp(json_object_get_string(value), status);
}

void report_scan_share(struct json_object *run)
{
	struct json_object *o = NULL, *migration = NULL, *ns = NULL, *seconds = NULL;

	if (json_object_object_get_ex(run, "migrations", &o))
		migration = json_object_array_get_idx(o, 0);
	json_object_object_get_ex(migration, "from_cpu_seconds", &seconds);
	if (json_object_object_get_ex(run, "src", &o) &&
	    json_object_object_get_ex(o, "stats", &o) && o)
		json_object_object_get_ex(json_object_array_get_idx(o, 0), "scan_cpu_ns", &ns);
	if (ns && seconds)
		json_object_object_add(run, "scan_share",
				       json_object_new_double(json_object_get_double(ns) / 1e9 /
							      json_object_get_double(seconds)));
}
