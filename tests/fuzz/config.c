/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The settings, from any environment: the entries end with NUL, as in /proc/PID/environ. */
#include <errno.h>
#include <limits.h>

#include "fuzz.h"
#include "util/config.h"
#include "util/printable.h"

#define PREFIX	    "RDMACHUNK_"
#define ENTRIES_MAX 32

/* So much of a name and of a value is shown at least. */
#define NAME_SHOWN  63
#define VALUE_SHOWN 64

/* An entry that begins with a small number has the name of that variable. */
static char *make_entry(struct input *in)
{
	size_t variables = 0, which = in->left ? in->at[0] : 0;
	char *rest, *entry;

	while (config_variables[variables].name)
		variables++;
	if (!which || which > variables)
		return input_string(in, '\0');
	input_8(in);
	rest = input_string(in, '\0');
	ENSURE(asprintf(&entry, "%s=%s", config_variables[which - 1].name, rest) >= 0);
	free(rest);
	return entry;
}

static bool is_one_of(const char *value, const char *const *list)
{
	for (; *list; list++)
		if (!strcmp(value, *list))
			return true;
	return false;
}

static bool is_number(const char *value, size_t len)
{
	return len && strspn(value, "0123456789") >= len;
}

static bool is_shift(const char *value)
{
	const char *digits = value + strspn(value, "0");
	long number = strlen(digits) == 2 ? strtol(digits, NULL, 10) : 0;

	return !strcmp(value, "off") || (is_number(value, strlen(value)) &&
					 number >= CONFIG_SHIFT_MIN && number <= CONFIG_SHIFT_MAX);
}

static bool is_size(const char *value)
{
	const char *units = "KkMmGg", *unit = *value ? strchr(units, value[strlen(value) - 1]) : 0;
	size_t len = strlen(value) - !!unit;
	unsigned long long number;

	/* Zeros in front, but not without end. */
	if (!is_number(value, len) || len > (unit ? 14 : 10))
		return false;
	number = strtoull(value, NULL, 10);
	if (number > 1ULL << CONFIG_SHIFT_MAX)
		return false;
	if (unit)
		number <<= 10 * ((unit - units) / 2 + 1);
	return number >= 1ULL << CONFIG_SHIFT_MIN && number <= 1ULL << CONFIG_SHIFT_MAX &&
	       !(number & (number - 1));
}

static bool is_threads(const char *value)
{
	while (*value == '0')
		value++;
	return value[0] >= '1' && value[0] <= '8' && !value[1];
}

static bool is_allowed(const char *name, const char *value)
{
	static const char *const on_off[] = {"on", "off", NULL};
	static const char *const poster[] = {"auto", "on", "off", NULL};
	static const char *const levels[] = {"off", "error", "warn", "info", "debug", NULL};

	if (!strcmp(name, "SHIFT"))
		return is_shift(value);
	if (!strcmp(name, "SIZE"))
		return is_size(value);
	if (!strcmp(name, "THREADS"))
		return is_threads(value);
	if (!strcmp(name, "POSTER"))
		return is_one_of(value, poster);
	if (!strcmp(name, "LOG"))
		return is_one_of(value, levels);
	if (!strcmp(name, "LOG_FILE") || !strcmp(name, "STATS") || !strcmp(name, "SWITCH_FILE"))
		return value[0] != '\0';
	return is_one_of(value, on_off);
}

static const struct config_variable *variable_of(const char *entry, const char **value)
{
	for (const struct config_variable *v = config_variables; v->name; v++) {
		size_t len = strlen(v->name);

		*value = entry + len + 1;
		if (!strncmp(entry, v->name, len) && entry[len] == '=')
			return v;
	}
	return NULL;
}

/* "NAME=VALUE ...", the value cut off and with what a terminal would act on masked. */
static bool names(const char *message, const char *name, size_t len, const char *value)
{
	char start[NAME_SHOWN + 1 + VALUE_SHOWN + 2];

	snprintf(start, sizeof(start), "%.*s=%.*s ", len < NAME_SHOWN ? (int)len : NAME_SHOWN, name,
		 VALUE_SHOWN, value);
	printable(start);
	return !strncmp(message, start, strlen(start));
}

static void check_message(const char *message)
{
	size_t len = strnlen(message, CONFIG_MESSAGE_LEN);

	ENSURE(len > 0 && len < CONFIG_MESSAGE_LEN);
	for (size_t i = 0; i < len; i++)
		ENSURE((unsigned char)message[i] >= ' ' && message[i] != 0x7f);
}

/* The last value of PREFIX `name` that is allowed, or `fallback`. */
static const char *last_value(char *const *environment, const char *name, const char *fallback)
{
	const char *value;

	for (; *environment; environment++) {
		const struct config_variable *v = variable_of(*environment, &value);

		if (v && !strcmp(v->name + strlen(PREFIX), name) && is_allowed(name, value))
			fallback = value;
	}
	return fallback;
}

/* Does the old name say otherwise than the new one? */
static bool check_prefetch(const struct config *config, char *const *environment)
{
	const char *newer = last_value(environment, "PREFETCH", NULL);
	const char *older = last_value(environment, "AHEAD", NULL);
	const char *counts = newer ? newer : older;

	ENSURE(config->prefetch == (!counts || !strcmp(counts, "on")));
	return newer && older && strcmp(newer, older) != 0;
}

/* Each entry that cannot be used has its message, in order, and no other has one. */
static void check_entries(const struct config *config, char *const *environment)
{
	size_t errors = 0, warnings = 0;
	const char *value;

	for (char *const *entry = environment; *entry; entry++) {
		const struct config_variable *v = variable_of(*entry, &value);
		const char *equals = strchr(*entry, '=');

		if (v && !is_allowed(v->name + strlen(PREFIX), value) &&
		    errors < CONFIG_MESSAGES_MAX) {
			ENSURE(errors < config->errors);
			ENSURE(names(config->error[errors], v->name, strlen(v->name), value));
			ENSURE(strstr(config->error[errors++], v->allowed));
		}
		if (v || !equals || strncmp(*entry, PREFIX, strlen(PREFIX)) ||
		    warnings == CONFIG_MESSAGES_MAX)
			continue;
		ENSURE(warnings < config->warnings);
		ENSURE(names(config->warning[warnings++], *entry, (size_t)(equals - *entry),
			     equals + 1));
	}
	if (check_prefetch(config, environment) && warnings < CONFIG_MESSAGES_MAX) {
		ENSURE(warnings < config->warnings);
		ENSURE(names(config->warning[warnings], PREFIX "AHEAD", strlen(PREFIX "AHEAD"),
			     last_value(environment, "AHEAD", "")));
		ENSURE(strstr(config->warning[warnings++], PREFIX "PREFETCH"));
	}
	ENSURE(warnings == config->warnings);
	/* Two sizes that are not the same come last. */
	if (errors < config->errors)
		ENSURE(config->shift_given && config->size_given &&
		       config->shift_value != config->size_value &&
		       strstr(config->error[errors++], "SIZE"));
	ENSURE(errors == config->errors);
}

static bool points_into(const char *value, char *const *environment)
{
	for (; *environment; environment++)
		if (value > *environment && value <= *environment + strlen(*environment))
			return true;
	return false;
}

static void check_values(const struct config *config, char *const *environment)
{
	ENSURE(config->errors <= CONFIG_MESSAGES_MAX && config->warnings <= CONFIG_MESSAGES_MAX);
	ENSURE(!config->errors || !config->enabled);
	ENSURE(config->shift >= CONFIG_SHIFT_MIN && config->shift <= CONFIG_SHIFT_MAX);
	ENSURE((unsigned int)config->poster <= CONFIG_POSTER_OFF);
	ENSURE((unsigned int)config->log_level <= CONFIG_LOG_DEBUG);
	ENSURE(!config->log_file ||
	       (*config->log_file && points_into(config->log_file, environment)));
	ENSURE(!config->stats || (*config->stats && points_into(config->stats, environment)));
	ENSURE(!config->switch_file ||
	       (*config->switch_file && points_into(config->switch_file, environment)));
	for (size_t i = 0; i < config->errors; i++)
		check_message(config->error[i]);
	for (size_t i = 0; i < config->warnings; i++)
		check_message(config->warning[i]);
}

/* A path with its %p and %% replaced, the slow way. */
static char *expanded(const char *path, long pid)
{
	char *text = calloc(1, strlen(path) * 24 + 1), *end = text;

	ENSURE(text);
	for (; *path; path++) {
		if (!strncmp(path, "%p", 2))
			end += sprintf(end, "%ld", pid);
		else
			*end++ = *path;
		path += !strncmp(path, "%p", 2) || !strncmp(path, "%%", 2);
	}
	return text;
}

static void check_path(const char *path, long pid, size_t room)
{
	char *out = malloc(room ? room : 1), *wanted = expanded(path, pid);
	int ret = config_expand_path(out, room, path, pid);

	ENSURE(ret == (strlen(wanted) < room ? 0 : -ENAMETOOLONG));
	if (!ret)
		ENSURE(!strcmp(out, wanted));
	free(wanted);
	free(out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = {data, size};
	size_t room = input_8(&in), n = 0;
	long pid = (long)(input_8(&in) << 16 | 1);
	char *environment[ENTRIES_MAX + 1];
	struct config config;

	while (in.left && n < ENTRIES_MAX)
		environment[n++] = make_entry(&in);
	environment[n] = NULL;
	config_parse(&config, environment);
	check_values(&config, environment);
	check_entries(&config, environment);
	if (config.stats)
		check_path(config.stats, pid, room);
	if (n)
		check_path(environment[n - 1], pid, room * 16);
	for (size_t i = 0; i < n; i++)
		free(environment[i]);
	return 0;
}
