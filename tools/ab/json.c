// SPDX-License-Identifier: GPL-2.0-or-later
#include "json.h"

#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <math.h>
#include <string.h>
#include <unistd.h>
#include <json-c/json.h>

#include "member.h"
#include "summary.h"

/* Numbers as short as they can be while telling what was measured: nanoseconds at most. */
static struct json_object *number(double value)
{
	char text[40];

	if (!isfinite(value))
		return NULL;
	if (value == floor(value) && fabs(value) < 1e15)
		return json_object_new_int64((int64_t)value);
	snprintf(text, sizeof(text), "%.9g", value);
	return json_object_new_double_s(value, text);
}

static void add_string(struct json_object *o, const char *name, const char *value)
{
	json_object_object_add(o, name, json_object_new_string(value));
}

static void add_number(struct json_object *o, const char *name, double value)
{
	json_object_object_add(o, name, number(value));
}

static struct json_object *setup_object(const struct results *r)
{
	struct json_object *o = json_object_new_object();

	add_string(o, "transport", r->transport);
	add_string(o, "address", r->address);
	add_string(o, "destination_host", r->destination_host);
	add_string(o, "link", r->link);
	add_number(o, "link_gbit_per_second", r->link_gbit);
	add_string(o, "qemu_source", r->qemu_source);
	add_string(o, "qemu_destination", r->qemu_destination);
	add_string(o, "command", r->command);
	json_object_object_add(o, "ram_bytes", json_object_new_int64((int64_t)r->ram_size));
	json_object_object_add(o, "seed", json_object_new_int64((int64_t)r->seed));
	add_number(o, "zero_fraction", r->zero_fraction);
	add_number(o, "sparse", r->sparse);
	json_object_object_add(o, "prealloc", json_object_new_boolean(r->prealloc));
	add_number(o, "dirty_bytes_per_second", r->dirty_rate);
	add_number(o, "rounds", r->rounds);
	add_number(o, "warmup", r->warmup);
	add_string(o, "library", r->library);
	add_string(o, "count_library", r->count_library);
	return o;
}

static struct json_object *settings_object(const struct results *r, size_t variant)
{
	const struct result_variant *v = &r->settings[variant];
	struct json_object *o = json_object_new_object();

	add_string(o, "variant", r->variants[variant]);
	add_string(o, "text", v->text);
	add_string(o, "library", v->library);
	add_string(o, "transport", v->transport);
	add_string(o, "qemu_source", v->qemu_source);
	add_string(o, "qemu_destination", v->qemu_destination);
	return o;
}

static struct json_object *sample_object(const struct results *r, const struct sample *s)
{
	struct json_object *o = json_object_new_object(), *values = json_object_new_object();

	add_string(o, "variant", r->variants[s->variant]);
	add_number(o, "round", s->round);
	json_object_object_add(o, "warmup", json_object_new_boolean(s->warmup));
	add_string(o, "status", sample_status_names[s->status]);
	add_string(o, "reason", s->reason);
	add_string(o, "ram", sample_ram_names[s->ram]);
	add_string(o, "counts_source", sample_counts_names[s->counts_source]);
	add_string(o, "counts_destination", sample_counts_names[s->counts_destination]);
	for (int m = 0; m < METRICS; m++)
		add_number(values, metric_info[m].name, s->value[m]);
	json_object_object_add(o, "values", values);
	return o;
}

static struct json_object *ratio_object(const struct summary *s)
{
	struct json_object *o = json_object_new_object();

	add_number(o, "estimate", s->ratio.estimate);
	add_number(o, "low", s->ratio.confidence > 0 ? s->ratio.low : NAN);
	add_number(o, "high", s->ratio.confidence > 0 ? s->ratio.high : NAN);
	add_number(o, "confidence", s->ratio.confidence);
	add_number(o, "pairs", (double)s->pairs);
	return o;
}

static struct json_object *summary_object(const struct results *r, size_t variant,
					  enum metric metric)
{
	struct json_object *o = json_object_new_object();
	struct summary s = summarize(r, variant, metric);

	add_string(o, "variant", r->variants[variant]);
	add_string(o, "metric", metric_info[metric].name);
	add_number(o, "rounds", (double)s.rounds);
	add_number(o, "median", s.median);
	add_number(o, "min", s.min);
	add_number(o, "max", s.max);
	if (s.verdict != VERDICT_FIRST && s.verdict != VERDICT_UNKNOWN)
		json_object_object_add(o, "ratio", ratio_object(&s));
	else
		json_object_object_add(o, "ratio", NULL);
	add_string(o, "verdict", verdict_names[s.verdict]);
	return o;
}

int json_write(FILE *f, const struct results *results)
{
	struct json_object *o = json_object_new_object(), *variants = json_object_new_array();
	struct json_object *samples = json_object_new_array(), *summary = json_object_new_array();
	struct json_object *settings = json_object_new_array();
	int ret;

	json_object_object_add(o, "version", json_object_new_int(JSON_VERSION));
	add_string(o, "created", results->created);
	add_string(o, "title", results->title);
	add_string(o, "note", results->note);
	add_string(o, "stopped", results->stopped);
	json_object_object_add(o, "setup", setup_object(results));
	for (size_t v = 0; v < results->n_variants; v++) {
		json_object_array_add(variants, json_object_new_string(results->variants[v]));
		json_object_array_add(settings, settings_object(results, v));
	}
	json_object_object_add(o, "variants", variants);
	json_object_object_add(o, "settings", settings);
	for (size_t i = 0; i < results->n_samples; i++)
		json_object_array_add(samples, sample_object(results, &results->samples[i]));
	json_object_object_add(o, "samples", samples);
	for (size_t v = 0; v < results->n_variants; v++)
		for (int m = 0; m < METRICS; m++)
			json_object_array_add(summary, summary_object(results, v, (enum metric)m));
	add_string(o, "method", summary_method);
	json_object_object_add(o, "summary", summary);
	ret = fprintf(f, "%s\n",
		      json_object_to_json_string_ext(o, JSON_C_TO_STRING_PRETTY |
								JSON_C_TO_STRING_SPACED |
								JSON_C_TO_STRING_NOSLASHESCAPE));
	json_object_put(o);
	return ret < 0 || fflush(f) ? -1 : 0;
}

/*
 * A string, or NULL, as one line of text: what the file has instead of a printable character must
 * not get to a terminal.
 */
static void take_text(const char *value, char *text, size_t size)
{
	snprintf(text, size, "%s", value ? value : "");
	for (; *text; text++)
		if ((unsigned char)*text < ' ' || *text == 0x7f)
			*text = isspace((unsigned char)*text) ? ' ' : '?';
}

static void get_string(struct json_object *o, const char *name, char *text, size_t size)
{
	take_text(member_string(o, name), text, size);
}

/* 0: none. */
static uint64_t get_count(struct json_object *o, const char *name)
{
	double value = member_count(o, name, MEMBER_COUNT_MAX);

	return isnan(value) ? 0 : (uint64_t)value;
}

static unsigned int get_unsigned(struct json_object *o, const char *name)
{
	double value = member_count(o, name, UINT_MAX);

	return isnan(value) ? 0 : (unsigned int)value;
}

/* The index of a member's value in @names, or -1. */
static int get_name(struct json_object *o, const char *name, const char *const *names, int n)
{
	char text[64];

	get_string(o, name, text, sizeof(text));
	for (int i = 0; i < n; i++)
		if (!strcmp(text, names[i]))
			return i;
	return -1;
}

static bool get_bool(struct json_object *o, const char *name)
{
	return json_object_get_boolean(member(o, name, json_type_boolean));
}

static int read_sample(struct json_object *o, struct results *r)
{
	struct json_object *values = member(o, "values", json_type_object);
	int status = get_name(o, "status", sample_status_names, SAMPLE_STATUSES);
	int ram = get_name(o, "ram", sample_ram_names, SAMPLE_RAMS);
	int source = get_name(o, "counts_source", sample_counts_names, SAMPLE_COUNTS);
	int destination = get_name(o, "counts_destination", sample_counts_names, SAMPLE_COUNTS);
	char variant[RESULT_NAME_MAX];
	struct sample s;

	get_string(o, "variant", variant, sizeof(variant));
	s = sample_new(results_variant(r, variant), get_unsigned(o, "round"), false);
	if (!values || status < 0 || ram < 0 || source < 0 || destination < 0 || !s.round ||
	    s.variant == r->n_variants)
		return -1;
	s.warmup = get_bool(o, "warmup");
	s.status = (enum sample_status)status;
	s.ram = (enum sample_ram)ram;
	s.counts_source = (enum sample_counts)source;
	s.counts_destination = (enum sample_counts)destination;
	get_string(o, "reason", s.reason, sizeof(s.reason));
	for (int m = 0; m < METRICS; m++)
		s.value[m] = member_number(values, metric_info[m].name);
	return results_add(r, &s);
}

static int read_setup(struct json_object *o, struct results *r)
{
	if (!o)
		return -1;
	get_string(o, "transport", r->transport, sizeof(r->transport));
	get_string(o, "address", r->address, sizeof(r->address));
	get_string(o, "destination_host", r->destination_host, sizeof(r->destination_host));
	get_string(o, "link", r->link, sizeof(r->link));
	r->link_gbit = member_number(o, "link_gbit_per_second");
	r->dirty_rate = (double)get_count(o, "dirty_bytes_per_second");
	get_string(o, "qemu_source", r->qemu_source, sizeof(r->qemu_source));
	get_string(o, "qemu_destination", r->qemu_destination, sizeof(r->qemu_destination));
	get_string(o, "command", r->command, sizeof(r->command));
	r->ram_size = get_count(o, "ram_bytes");
	r->seed = get_count(o, "seed");
	r->zero_fraction = member_number(o, "zero_fraction");
	r->sparse = get_unsigned(o, "sparse");
	r->prealloc = get_bool(o, "prealloc");
	r->rounds = get_unsigned(o, "rounds");
	r->warmup = get_unsigned(o, "warmup");
	get_string(o, "library", r->library, sizeof(r->library));
	get_string(o, "count_library", r->count_library, sizeof(r->count_library));
	return 0;
}

/* The first reports did not have them. */
static void read_settings(struct json_object *list, struct results *r)
{
	for (size_t i = 0; list && i < json_object_array_length(list); i++) {
		struct json_object *o = json_object_array_get_idx(list, i);
		struct result_variant *v;
		char name[RESULT_NAME_MAX];
		size_t index;

		get_string(o, "variant", name, sizeof(name));
		index = results_variant(r, name);
		if (index == r->n_variants)
			continue;
		v = &r->settings[index];
		get_string(o, "text", v->text, sizeof(v->text));
		get_string(o, "library", v->library, sizeof(v->library));
		get_string(o, "transport", v->transport, sizeof(v->transport));
		get_string(o, "qemu_source", v->qemu_source, sizeof(v->qemu_source));
		get_string(o, "qemu_destination", v->qemu_destination, sizeof(v->qemu_destination));
	}
}

static int read_variants(struct json_object *list, struct results *r)
{
	if (!list || json_object_array_length(list) > RESULT_VARIANTS_MAX)
		return -1;
	for (size_t i = 0; i < json_object_array_length(list); i++) {
		struct json_object *name = json_object_array_get_idx(list, i);

		if (!json_object_is_type(name, json_type_string))
			return -1;
		take_text(json_object_get_string(name), r->variants[r->n_variants++],
			  RESULT_NAME_MAX);
	}
	return r->n_variants ? 0 : -1;
}

static int read_results(struct json_object *o, struct results *r)
{
	struct json_object *samples = member(o, "samples", json_type_array);

	get_string(o, "created", r->created, sizeof(r->created));
	get_string(o, "title", r->title, sizeof(r->title));
	get_string(o, "note", r->note, sizeof(r->note));
	get_string(o, "stopped", r->stopped, sizeof(r->stopped));
	if (read_setup(member(o, "setup", json_type_object), r) ||
	    read_variants(member(o, "variants", json_type_array), r) || !samples)
		return -1;
	read_settings(member(o, "settings", json_type_array), r);
	for (size_t i = 0; i < json_object_array_length(samples); i++)
		if (read_sample(json_object_array_get_idx(samples, i), r))
			return -1;
	return 0;
}

int json_read(const char *path, struct results *results, struct failure *failure)
{
	struct json_object *o;
	int ret = 0;

	*results = (struct results){0};
	if (access(path, R_OK))
		return fail(failure, "%s: %s", path, strerror(errno));
	o = json_object_from_file(path);
	if (!json_object_is_type(o, json_type_object))
		ret = fail(failure, "%s: cannot be read as JSON", path);
	else if (member_number(o, "version") != JSON_VERSION)
		ret = fail(failure, "%s: not version %d of rdmachunk-ab's results", path,
			   JSON_VERSION);
	else if (read_results(o, results))
		ret = fail(failure, "%s: not results of rdmachunk-ab", path);
	json_object_put(o);
	if (ret)
		results_free(results);
	return ret;
}
