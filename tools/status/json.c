/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <inttypes.h>
#include <limits.h>
#include <stdbool.h>
#include <string.h>

#include "launcher/json_text.h"
#include "output.h"
#include "util/printable.h"

/* What is written, and whether the next item of the object or array is its first. */
struct json {
	FILE *out;
	bool first;
};

/* The next item of an array, or with a name of an object. */
static void next(struct json *j, const char *name)
{
	if (!j->first)
		fputc(',', j->out);
	j->first = false;
	if (name)
		fprintf(j->out, "\"%s\":", name);
}

/* An array or object is the next item; `name` is NULL in an array. */
static void begin(struct json *j, const char *name, char bracket)
{
	next(j, name);
	fputc(bracket, j->out);
	j->first = true;
}

static void end(struct json *j, char bracket)
{
	fputc(bracket, j->out);
	j->first = false;
}

static void add_null(struct json *j, const char *name)
{
	next(j, name);
	fputs("null", j->out);
}

static void add_number(struct json *j, const char *name, uint64_t value)
{
	next(j, name);
	fprintf(j->out, "%" PRIu64, value);
}

static void add_seconds(struct json *j, const char *name, double value)
{
	next(j, name);
	fprintf(j->out, "%.9f", value);
}

static void add_bool(struct json *j, const char *name, bool value)
{
	next(j, name);
	fputs(value ? "true" : "false", j->out);
}

static void add_string(struct json *j, const char *name, const char *value)
{
	next(j, name);
	json_put_string(j->out, value, strlen(value));
}

/* Null for an empty one. */
static void add_string_or_null(struct json *j, const char *name, const char *value)
{
	if (value[0])
		add_string(j, name, value);
	else
		add_null(j, name);
}

/* Of another process; null for NULL. */
static void add_text(struct json *j, const char *name, const char *string)
{
	char text[PATH_MAX];

	if (!string) {
		add_null(j, name);
		return;
	}
	snprintf(text, sizeof(text), "%s", string);
	printable(text);
	add_string(j, name, text);
}

static void put_migration(struct json *j, const struct figures *f, uint64_t now)
{
	begin(j, NULL, '{');
	add_string(j, "role", f->role);
	add_string(j, "peer", f->peer);
	add_string(j, "state", f->state);
	add_string(j, "phase", f->phase);
	add_string(j, "waits_for", f->blocked);
	add_seconds(j, "seconds", output_seconds(f, now));
	add_seconds(j, "age_seconds", now > f->updated ? (double)(now - f->updated) / 1e9 : 0);
	add_number(j, "shift", f->shift);
	add_number(j, "chunk_bytes", f->chunk);
	add_number(j, "ram_bytes", f->ram_bytes);
	add_number(j, "bytes_per_second", (uint64_t)output_rate(f));
	add_number(j, "wire_bytes_per_second", f->rate);
	add_number(j, "ahead_bytes", f->ahead_bytes);
	add_number(j, "window_bytes", f->window_bytes);
	add_number(j, "window_limit_bytes", f->window_limit);
	for (size_t i = 0; i < FIGURES_COUNTERS; i++)
		add_number(j, figures_counter_names[i], f->counter[i]);
	end(j, '}');
}

static void put_settings(struct json *j, const struct config *c)
{
	begin(j, "settings", '{');
	add_bool(j, "enabled", c->enabled);
	add_number(j, "shift", c->shift);
	add_bool(j, "writes", c->writes);
	add_bool(j, "zeros", c->zeros);
	add_bool(j, "prefetch", c->prefetch);
	if (c->threads)
		add_number(j, "threads", c->threads);
	else
		add_null(j, "threads");
	add_string(j, "poster", config_poster_names[c->poster]);
	add_string(j, "log", config_log_names[c->log_level]);
	add_text(j, "log_file", c->log_file);
	add_text(j, "stats", c->stats);
	add_text(j, "switch_file", c->switch_file);
	add_text(j, "error", c->errors ? c->error[0] : NULL);
	end(j, '}');
}

static void put_qemu(struct json *j, const struct qemu *q, uint64_t now)
{
	bool in_use = qemu_is_in_use(q);

	begin(j, NULL, '{');
	add_number(j, "pid", (uint64_t)q->process.pid);
	add_string_or_null(j, "guest", q->process.guest);
	add_string(j, "library", output_library(q));
	if (in_use)
		add_null(j, "attachable");
	else
		add_bool(j, "attachable", !q->reason[0]);
	add_string_or_null(j, "reason", q->reason);
	add_string_or_null(j, "version", q->version);
	add_bool(j, "replaced", q->replaced);
	if (in_use)
		put_settings(j, &q->config);
	else
		add_null(j, "settings");
	begin(j, "migrations", '[');
	for (size_t i = 0; i < q->migrations; i++)
		put_migration(j, &q->migration[i], now);
	end(j, ']');
	end(j, '}');
}

void output_json(FILE *out, const struct qemu *qemus, size_t count, uint64_t now)
{
	struct json j = {out, true};

	begin(&j, NULL, '[');
	for (size_t i = 0; i < count; i++)
		put_qemu(&j, &qemus[i], now);
	end(&j, ']');
	fputc('\n', out);
}
