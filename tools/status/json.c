/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <limits.h>

#include "util/printable.h"
#include "output.h"

#ifdef HAVE_JSONC
#include <json-c/json.h>

static void add(struct json_object *o, const char *name, struct json_object *value)
{
	json_object_object_add(o, name, value);
}

static void add_number(struct json_object *o, const char *name, uint64_t value)
{
	/* json-c before 0.14 has no unsigned numbers; nothing here comes near to that. */
	add(o, name, json_object_new_int64((int64_t)value));
}

static void add_string(struct json_object *o, const char *name, const char *value)
{
	add(o, name, json_object_new_string(value));
}

/* Of another process; null for NULL. */
static void add_text(struct json_object *o, const char *name, const char *string)
{
	char text[PATH_MAX];

	snprintf(text, sizeof(text), "%s", string ? string : "");
	printable(text);
	add(o, name, string ? json_object_new_string(text) : NULL);
}

static struct json_object *describe_migration(const struct figures *f, uint64_t now)
{
	struct json_object *o = json_object_new_object();

	if (!o)
		return NULL;
	add_string(o, "role", f->role);
	add_string(o, "peer", f->peer);
	add_string(o, "state", f->state);
	add_string(o, "phase", f->phase);
	add_string(o, "waits_for", f->blocked);
	add(o, "seconds", json_object_new_double(output_seconds(f, now)));
	add(o, "age_seconds",
	    json_object_new_double(now > f->updated ? (double)(now - f->updated) / 1e9 : 0));
	add_number(o, "shift", f->shift);
	add_number(o, "chunk_bytes", f->chunk);
	add_number(o, "ram_bytes", f->ram_bytes);
	add_number(o, "bytes_per_second", (uint64_t)output_rate(f));
	add_number(o, "wire_bytes_per_second", f->rate);
	add_number(o, "ahead_bytes", f->ahead_bytes);
	add_number(o, "window_bytes", f->window_bytes);
	add_number(o, "window_limit_bytes", f->window_limit);
	for (size_t i = 0; i < FIGURES_COUNTERS; i++)
		add_number(o, figures_counter_names[i], f->counter[i]);
	return o;
}

static struct json_object *describe_settings(const struct config *c)
{
	static const char *const posters[] = {
		[CONFIG_POSTER_AUTO] = "auto",
		[CONFIG_POSTER_ON] = "on",
		[CONFIG_POSTER_OFF] = "off",
	};
	static const char *const levels[] = {
		[CONFIG_LOG_OFF] = "off",     [CONFIG_LOG_ERROR] = "error",
		[CONFIG_LOG_WARN] = "warn",   [CONFIG_LOG_INFO] = "info",
		[CONFIG_LOG_DEBUG] = "debug",
	};
	struct json_object *o = json_object_new_object();

	if (!o)
		return NULL;
	add(o, "enabled", json_object_new_boolean(c->enabled));
	add_number(o, "shift", c->shift);
	add(o, "writes", json_object_new_boolean(c->writes));
	add(o, "zeros", json_object_new_boolean(c->zeros));
	add(o, "prefetch", json_object_new_boolean(c->prefetch));
	add(o, "threads", c->threads ? json_object_new_int((int)c->threads) : NULL);
	add_string(o, "poster", posters[c->poster]);
	add_string(o, "log", levels[c->log_level]);
	add_text(o, "log_file", c->log_file);
	add_text(o, "stats", c->stats);
	add_text(o, "switch_file", c->switch_file);
	add_text(o, "error", c->errors ? c->error[0] : NULL);
	return o;
}

static struct json_object *describe(const struct qemu *q, uint64_t now)
{
	struct json_object *o = json_object_new_object();
	struct json_object *migrations = json_object_new_array();
	const char *guest = q->process.guest, *reason = q->reason;

	if (!o || !migrations) {
		json_object_put(o);
		json_object_put(migrations);
		return NULL;
	}
	add_number(o, "pid", (uint64_t)q->process.pid);
	add(o, "guest", guest[0] ? json_object_new_string(guest) : NULL);
	add_string(o, "library", output_library(q));
	add(o, "attachable", qemu_is_in_use(q) ? NULL : json_object_new_boolean(!reason[0]));
	add(o, "reason", reason[0] ? json_object_new_string(reason) : NULL);
	add(o, "version", q->version[0] ? json_object_new_string(q->version) : NULL);
	add(o, "replaced", json_object_new_boolean(q->replaced));
	add(o, "settings", qemu_is_in_use(q) ? describe_settings(&q->config) : NULL);
	for (size_t i = 0; i < q->migrations; i++)
		json_object_array_add(migrations, describe_migration(&q->migration[i], now));
	add(o, "migrations", migrations);
	return o;
}

int output_json(FILE *out, const struct qemu *qemus, size_t count, uint64_t now)
{
	struct json_object *list = json_object_new_array(), *o;
	int ret = list ? 0 : -ENOMEM;

	for (size_t i = 0; i < count && !ret; i++) {
		o = describe(&qemus[i], now);
		if (o)
			json_object_array_add(list, o);
		else
			ret = -ENOMEM;
	}
	if (!ret)
		fprintf(out, "%s\n",
			json_object_to_json_string_ext(
				list, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE));
	json_object_put(list);
	return ret;
}
#else
int output_json(FILE *out, const struct qemu *qemus, size_t count, uint64_t now)
{
	(void)out;
	(void)qemus;
	(void)count;
	(void)now;
	return -ENOTSUP;
}
#endif
