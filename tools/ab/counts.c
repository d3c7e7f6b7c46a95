// SPDX-License-Identifier: GPL-2.0-or-later
#include "counts.h"

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <json-c/json.h>

#include "member.h"

/* Of one end; NAN: unknown. */
struct end_counts {
	enum sample_counts from;
	double registrations, work_requests;
	double messages_sent, messages_received;
};

static double number(struct json_object *o, const char *name)
{
	return member_count(o, name, MEMBER_COUNT_MAX);
}

static double sum_of_members(struct json_object *o, const char *name)
{
	struct json_object *members = member(o, name, json_type_object);
	double sum = 0;

	if (!members)
		return NAN;
	json_object_object_foreach(members, key, value)
	{
		(void)value;
		sum += number(members, key);
	}
	return sum;
}

static void add_connection(struct end_counts *c, struct json_object *line)
{
	double sent = sum_of_members(line, "messages_sent");

	c->registrations += number(line, "registrations_made");
	c->messages_sent += sent;
	c->messages_received += sum_of_members(line, "messages_received");
	c->work_requests += number(line, "wrs");
}

/* Of a connection that it has let pass through the shim knows nothing. */
static bool was_counted(struct json_object *line)
{
	const char *state = member_string(line, "state");

	return !state || strcmp(state, "passthrough");
}

/* One line for each connection: postcopy has two. */
static void read_stats(struct end_counts *c, const char *path)
{
	FILE *f = fopen(path, "re");
	char *line = NULL;
	size_t size = 0;

	while (f && getline(&line, &size, f) > 0) {
		struct json_object *o = json_tokener_parse(line);

		if (!json_object_is_type(o, json_type_object)) {
			/* Not a line of the shim's. */
		} else if (was_counted(o)) {
			if (c->from != COUNTS_SHIM)
				*c = (struct end_counts){.from = COUNTS_SHIM};
			add_connection(c, o);
		} else if (c->from == COUNTS_UNKNOWN) {
			c->from = COUNTS_PASSTHROUGH;
		}
		json_object_put(o);
	}
	free(line);
	if (f)
		fclose(f);
}

static void read_counts(struct end_counts *c, const char *path)
{
	struct json_object *o = access(path, R_OK) ? NULL : json_object_from_file(path);

	if (json_object_is_type(o, json_type_object))
		*c = (struct end_counts){
			.from = COUNTS_PRELOAD,
			.registrations = number(o, "reg_mr_calls"),
			.messages_sent = number(o, "sends"),
			.messages_received = c->messages_received,
			.work_requests = number(o, "send_wrs"),
		};
	json_object_put(o);
}

static struct end_counts read_end(const struct counts_files *files)
{
	struct end_counts c = {COUNTS_UNKNOWN, NAN, NAN, NAN, NAN};

	read_stats(&c, files->stats);
	read_counts(&c, files->counts);
	return c;
}

void counts_read(const struct counts_files *source, const struct counts_files *destination,
		 struct sample *sample)
{
	struct end_counts s = read_end(source), d = read_end(destination);
	double messages = s.messages_sent + d.messages_sent;

	/*
	 * What the source has received is what the destination has sent. A shim at the destination
	 * alone does not see what arrives there.
	 */
	if (isnan(messages))
		messages = s.messages_sent + s.messages_received;
	sample->counts_source = s.from;
	sample->counts_destination = d.from;
	sample->value[METRIC_REGISTRATIONS_SOURCE] = s.registrations;
	sample->value[METRIC_REGISTRATIONS_DESTINATION] = d.registrations;
	sample->value[METRIC_MESSAGES] = messages;
	sample->value[METRIC_WORK_REQUESTS] = s.work_requests;
}
