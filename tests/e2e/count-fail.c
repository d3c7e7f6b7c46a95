// SPDX-License-Identifier: GPL-2.0-or-later
#include "count-fail.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RULES_MAX 8

enum fail_condition { FAIL_OVER, FAIL_NTH, FAIL_FROM };

struct rule {
	enum fail_function function;
	enum fail_condition condition;
	uint64_t value;
	int err;
};

static struct rule rules[RULES_MAX];
static int n_rules;
static _Atomic uint64_t calls[FAIL_FUNCTIONS];
static pthread_once_t parsed = PTHREAD_ONCE_INIT;

static const char *const function_names[] = {
	[FAIL_REG_MR] = "ibv_reg_mr",
	[FAIL_POST_SEND] = "post_send",
	[FAIL_THREAD] = "thread",
};

static const char *const condition_names[] = {
	[FAIL_OVER] = "over=",
	[FAIL_NTH] = "nth=",
	[FAIL_FROM] = "from=",
};

static const struct {
	const char *name;
	int value;
} errnos[] = {
	{"ENOMEM", ENOMEM}, {"EINVAL", EINVAL}, {"EFAULT", EFAULT},
	{"EPERM", EPERM},   {"EAGAIN", EAGAIN}, {"EIO", EIO},
};

static bool parse_number(const char *s, uint64_t *value)
{
	char *end;

	errno = 0;
	*value = strtoull(s, &end, 0);
	return *s >= '0' && *s <= '9' && !*end && !errno;
}

static bool parse_errno(const char *s, int *value)
{
	uint64_t n;

	for (size_t i = 0; i < sizeof(errnos) / sizeof(errnos[0]); i++) {
		if (!strcmp(s, errnos[i].name)) {
			*value = errnos[i].value;
			return true;
		}
	}
	if (!parse_number(s, &n) || !n || n > 4095)
		return false;
	*value = (int)n;
	return true;
}

static bool parse_rule(char *text, struct rule *rule)
{
	char *save, *field = strtok_r(text, ":", &save);
	bool have_condition = false;
	size_t i;

	for (i = 0; field && i < FAIL_FUNCTIONS; i++)
		if (!strcmp(field, function_names[i]))
			break;
	if (!field || i == FAIL_FUNCTIONS)
		return false;
	*rule = (struct rule){.function = (enum fail_function)i, .err = ENOMEM};
	while ((field = strtok_r(NULL, ":", &save))) {
		if (!strncmp(field, "errno=", 6)) {
			if (!parse_errno(field + 6, &rule->err))
				return false;
			continue;
		}
		for (i = 0; i <= FAIL_FROM; i++) {
			size_t len = strlen(condition_names[i]);

			if (strncmp(field, condition_names[i], len))
				continue;
			if (!parse_number(field + len, &rule->value))
				return false;
			rule->condition = (enum fail_condition)i;
			have_condition = true;
			break;
		}
		if (i > FAIL_FROM)
			return false;
	}
	return have_condition;
}

static void parse_rules(void)
{
	const char *env = getenv("RDMACOUNT_FAIL");
	char *copy, *save, *text;

	if (!env)
		return;
	copy = strdup(env);
	for (text = strtok_r(copy, ",", &save); text; text = strtok_r(NULL, ",", &save)) {
		if (n_rules == RULES_MAX || !parse_rule(text, &rules[n_rules])) {
			fprintf(stderr, "rdmachunk-count: bad RDMACOUNT_FAIL '%s'\n", env);
			abort();
		}
		n_rules++;
	}
	free(copy);
}

int fail_check(enum fail_function function, size_t bytes)
{
	uint64_t nth = ++calls[function];

	pthread_once(&parsed, parse_rules);
	for (int i = 0; i < n_rules; i++) {
		const struct rule *r = &rules[i];

		if (r->function != function)
			continue;
		if ((r->condition == FAIL_OVER && bytes > r->value) ||
		    (r->condition == FAIL_NTH && nth == r->value) ||
		    (r->condition == FAIL_FROM && nth >= r->value))
			return r->err;
	}
	return 0;
}
