/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "util/config.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "util/printable.h"

#define PREFIX "RDMACHUNK_"

/* As the user typed it. */
static const char *spelling(const struct config *cfg, const char *name)
{
	for (size_t i = 0; cfg->typed && config_variables[i].name; i++)
		if (cfg->typed[i] && !strcmp(config_variables[i].name, name))
			return cfg->typed[i];
	return name;
}

static void complain(const struct config *cfg, char (*list)[CONFIG_MESSAGE_LEN], size_t *count,
		     const char *name, const char *value, const char *rest)
{
	const char *typed = spelling(cfg, name);
	char *message = list[*count];
	char between = '=';

	if (*count == CONFIG_MESSAGES_MAX)
		return;
	/* "--shift 31", but "--shift=" where a space would hide what the value is. */
	if (typed != name && *value && *value != ' ')
		between = ' ';
	/* A long value must not push what is allowed out of the line. */
	snprintf(message, CONFIG_MESSAGE_LEN, "%.64s%c%.64s %s", typed, between, value, rest);
	(*count)++;
	/* One line, and nothing that a terminal would act on. */
	printable(message);
}

static bool parse_decimal(const char *s, unsigned int *out)
{
	unsigned int value = 0;

	if (!*s)
		return false;
	for (; *s; s++) {
		if (*s < '0' || *s > '9' || value > 100000000)
			return false;
		value = value * 10 + (unsigned int)(*s - '0');
	}
	*out = value;
	return true;
}

static bool parse_shift(struct config *cfg, const char *value)
{
	unsigned int shift;

	if (!strcmp(value, "off")) {
		cfg->enabled = false;
		return true;
	}
	if (!parse_decimal(value, &shift) || shift < CONFIG_SHIFT_MIN || shift > CONFIG_SHIFT_MAX)
		return false;
	cfg->shift_given = true;
	cfg->shift_value = shift;
	return true;
}

static bool parse_size(struct config *cfg, const char *value)
{
	size_t len = strlen(value);
	unsigned int number, unit = 0, shift;
	char digits[16];

	if (len == 0 || len >= sizeof(digits))
		return false;
	memcpy(digits, value, len + 1);
	switch (digits[len - 1]) {
	case 'K':
	case 'k':
		unit = 10;
		break;
	case 'M':
	case 'm':
		unit = 20;
		break;
	case 'G':
	case 'g':
		unit = 30;
		break;
	}
	if (unit)
		digits[len - 1] = '\0';
	else if (len > 10)
		return false;

	unsigned long long bytes = 0;

	if (unit) {
		if (!parse_decimal(digits, &number))
			return false;
		bytes = (unsigned long long)number << unit;
	} else {
		for (const char *s = digits; *s; s++) {
			if (*s < '0' || *s > '9')
				return false;
			bytes = bytes * 10 + (unsigned long long)(*s - '0');
		}
	}
	for (shift = CONFIG_SHIFT_MIN; shift <= CONFIG_SHIFT_MAX; shift++) {
		if (bytes == 1ULL << shift) {
			cfg->size_given = true;
			cfg->size_value = shift;
			return true;
		}
	}
	return false;
}

static bool parse_switch(bool *out, const char *value)
{
	bool on = !strcmp(value, "on");

	if (!on && strcmp(value, "off"))
		return false;
	*out = on;
	return true;
}

static bool parse_writes(struct config *cfg, const char *value)
{
	return parse_switch(&cfg->writes, value);
}

static bool parse_zeros(struct config *cfg, const char *value)
{
	return parse_switch(&cfg->zeros, value);
}

static bool parse_prefetch(struct config *cfg, const char *value)
{
	if (!parse_switch(&cfg->prefetch, value))
		return false;
	cfg->prefetch_given = true;
	return true;
}

static bool parse_ahead(struct config *cfg, const char *value)
{
	if (!parse_switch(&cfg->ahead_value, value))
		return false;
	cfg->ahead_given = true;
	return true;
}

static bool parse_threads(struct config *cfg, const char *value)
{
	unsigned int threads;

	if (!parse_decimal(value, &threads) || !threads || threads > CONFIG_THREADS_MAX)
		return false;
	cfg->threads = threads;
	return true;
}

const char *const config_poster_names[] = {
	[CONFIG_POSTER_AUTO] = "auto",
	[CONFIG_POSTER_ON] = "on",
	[CONFIG_POSTER_OFF] = "off",
};

const char *const config_log_names[] = {
	[CONFIG_LOG_OFF] = "off",   [CONFIG_LOG_ERROR] = "error", [CONFIG_LOG_WARN] = "warn",
	[CONFIG_LOG_INFO] = "info", [CONFIG_LOG_DEBUG] = "debug",
};

/* The index of the name that `value` is, or -1. */
static int index_of(const char *value, const char *const *names, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (!strcmp(value, names[i]))
			return (int)i;
	return -1;
}

static bool parse_poster(struct config *cfg, const char *value)
{
	int i = index_of(value, config_poster_names, CONFIG_POSTER_OFF + 1);

	if (i >= 0)
		cfg->poster = (enum config_poster)i;
	return i >= 0;
}

static bool parse_log(struct config *cfg, const char *value)
{
	int i = index_of(value, config_log_names, CONFIG_LOG_DEBUG + 1);

	if (i >= 0)
		cfg->log_level = (enum config_log_level)i;
	return i >= 0;
}

static bool parse_log_file(struct config *cfg, const char *value)
{
	if (!*value)
		return false;
	cfg->log_file = value;
	return true;
}

static bool parse_stats(struct config *cfg, const char *value)
{
	if (!*value)
		return false;
	cfg->stats = value;
	return true;
}

static bool parse_switch_file(struct config *cfg, const char *value)
{
	if (!*value)
		return false;
	cfg->switch_file = value;
	return true;
}

const struct config_variable config_variables[] = {
	{PREFIX "SHIFT", "30", parse_shift, "20 to 30, or off",
	 "region size is 2^N bytes; off passes everything through untouched"},
	{PREFIX "SIZE", "1G", parse_size, "a power of two from 1M to 1G (suffixes K, M, G)",
	 "region size in bytes, the other spelling of RDMACHUNK_SHIFT"},
	{PREFIX "WRITES", "on", parse_writes, "on or off",
	 "complete RDMA WRITEs early and merge adjacent ones"},
	{PREFIX "ZEROS", "on", parse_zeros, "on or off",
	 "merge the messages for adjacent runs of zero pages"},
	{PREFIX "PREFETCH", "on", parse_prefetch, "on or off",
	 "register piece by piece, before QEMU asks"},
	{PREFIX "THREADS", "a quarter of the processors, 1 to 8", parse_threads, "1 to 8",
	 "so many threads register before QEMU asks, at each end"},
	{PREFIX "POSTER", "auto", parse_poster, "auto, on or off",
	 "a thread posts writes in QEMU's place; auto: where posting takes long"},
	{PREFIX "LOG", "warn", parse_log, "off, error, warn, info or debug", "how much is logged"},
	{PREFIX "LOG_FILE", "standard error", parse_log_file, "a path (%p is the process id)",
	 "file the log is appended to"},
	{PREFIX "STATS", "none", parse_stats, "a path (%p is the process id) or stderr",
	 "where one line of JSON goes at the end of each migration connection"},
	{PREFIX "SWITCH_FILE", "none", parse_switch_file, "a path (%p is the process id)",
	 "while this file says off, migrations that begin pass through untouched"},
	{PREFIX "AHEAD", "that of RDMACHUNK_PREFETCH", parse_ahead, "on or off",
	 "the old name of RDMACHUNK_PREFETCH, which counts when both are set"},
	{NULL, NULL, NULL, NULL, NULL},
};

/* The value of `variable` when `entry` is NAME=VALUE for it, else NULL. */
static const char *match(const char *entry, const char *name)
{
	size_t len = strlen(name);

	return !strncmp(entry, name, len) && entry[len] == '=' ? entry + len + 1 : NULL;
}

static void parse_entry(struct config *cfg, const char *entry)
{
	const struct config_variable *v;
	const char *value;
	char name[64];
	char rest[160];

	for (v = config_variables; v->name; v++) {
		value = match(entry, v->name);
		if (!value)
			continue;
		if (!v->parse(cfg, value)) {
			snprintf(rest, sizeof(rest), "is not allowed: use %s", v->allowed);
			complain(cfg, cfg->error, &cfg->errors, v->name, value, rest);
		}
		return;
	}
	value = strchr(entry, '=');
	if (!value)
		return;
	snprintf(name, sizeof(name), "%.*s", (int)(value - entry), entry);
	complain(cfg, cfg->warning, &cfg->warnings, name, value + 1,
		 "is an unknown variable: ignored");
}

/* The two spellings of the region's size have to agree. */
static void choose_shift(struct config *cfg)
{
	char value[64], rest[96];

	if (cfg->shift_given && cfg->size_given && cfg->shift_value != cfg->size_value) {
		snprintf(value, sizeof(value), "%u", cfg->shift_value);
		snprintf(rest, sizeof(rest), "and %s name different sizes: give one of them",
			 spelling(cfg, PREFIX "SIZE"));
		complain(cfg, cfg->error, &cfg->errors, PREFIX "SHIFT", value, rest);
	} else if (cfg->shift_given) {
		cfg->shift = cfg->shift_value;
	} else if (cfg->size_given) {
		cfg->shift = cfg->size_value;
	}
}

/* The old name counts only where the new one is not given. */
static void choose_prefetch(struct config *cfg)
{
	char rest[96];

	if (!cfg->ahead_given)
		return;
	if (!cfg->prefetch_given) {
		cfg->prefetch = cfg->ahead_value;
	} else if (cfg->prefetch != cfg->ahead_value) {
		snprintf(rest, sizeof(rest), "contradicts %s, its new name: ignored",
			 spelling(cfg, PREFIX "PREFETCH"));
		complain(cfg, cfg->warning, &cfg->warnings, PREFIX "AHEAD",
			 cfg->ahead_value ? "on" : "off", rest);
	}
}

void config_parse(struct config *cfg, char *const *environment)
{
	config_parse_typed(cfg, environment, NULL);
}

void config_parse_typed(struct config *cfg, char *const *environment, const char *const *typed)
{
	memset(cfg, 0, sizeof(*cfg));
	cfg->typed = typed;
	cfg->enabled = true;
	cfg->shift = CONFIG_SHIFT_DEFAULT;
	cfg->writes = true;
	cfg->zeros = true;
	cfg->prefetch = true;
	cfg->log_level = CONFIG_LOG_WARN;

	for (; environment && *environment; environment++)
		if (!strncmp(*environment, PREFIX, strlen(PREFIX)))
			parse_entry(cfg, *environment);

	choose_shift(cfg);
	choose_prefetch(cfg);
	if (cfg->errors)
		cfg->enabled = false;
	cfg->typed = NULL;
}

int config_expand_path(char *out, size_t len, const char *path, long pid)
{
	size_t used = 0;
	int n;

	for (; *path; path++) {
		if (path[0] == '%' && path[1] == 'p') {
			n = snprintf(out + used, len - used, "%ld", pid);
			path++;
		} else {
			if (path[0] == '%' && path[1] == '%')
				path++;
			n = snprintf(out + used, len - used, "%c", *path);
		}
		if (n < 0 || (size_t)n >= len - used)
			return -ENAMETOOLONG;
		used += (size_t)n;
	}
	if (used >= len)
		return -ENAMETOOLONG;
	out[used] = '\0';
	return 0;
}
