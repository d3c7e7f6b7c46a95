/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "findings.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "json_text.h"
#include "util/printable.h"

#define FIX "; fix: "

static const char *const names[] = {
	[FINDING_OK] = "ok",
	[FINDING_WARNING] = "warning",
	[FINDING_PROBLEM] = "problem",
};

static void put_json(const struct findings *findings, const char *level, const char *text)
{
	bool first = !findings->count[FINDING_OK] && !findings->count[FINDING_WARNING] &&
		     !findings->count[FINDING_PROBLEM];
	const char *fix = strstr(text, FIX);

	printf("%s\n    {\"level\": \"%s\", \"text\": ", first ? "{\n  \"findings\": [" : ",",
	       level);
	json_put_string(stdout, text, fix ? (size_t)(fix - text) : strlen(text));
	fputs(", \"fix\": ", stdout);
	if (fix)
		json_put_string(stdout, fix + strlen(FIX), strlen(fix + strlen(FIX)));
	else
		fputs("null", stdout);
	putchar('}');
}

void finding(struct findings *findings, enum finding_level level, const char *format, ...)
{
	char *text = NULL;
	va_list args;

	va_start(args, format);
	if (vasprintf(&text, format, args) < 0)
		text = NULL;
	va_end(args);
	if (text && !findings->json)
		printable(text);
	if (findings->json)
		put_json(findings, names[level], text ? text : "no memory");
	else
		printf("%s: %s\n", names[level], text ? text : "no memory");
	free(text);
	/* A check that hangs or dies must have said what came before. */
	fflush(stdout);
	findings->count[level]++;
}

int findings_end(struct findings *findings)
{
	const unsigned int *count = findings->count;
	int status = count[FINDING_PROBLEM] ? 2 : count[FINDING_WARNING] ? 1 : 0;

	if (findings->json)
		printf("\n  ],\n  \"ok\": %u,\n  \"warnings\": %u,\n  \"problems\": %u,\n"
		       "  \"status\": %d\n}\n",
		       count[FINDING_OK], count[FINDING_WARNING], count[FINDING_PROBLEM], status);
	else
		printf("%u ok, %u warning%s, %u problem%s\n", count[FINDING_OK],
		       count[FINDING_WARNING], count[FINDING_WARNING] == 1 ? "" : "s",
		       count[FINDING_PROBLEM], count[FINDING_PROBLEM] == 1 ? "" : "s");
	return status;
}

const char *findings_size(char out[FINDINGS_SIZE_LEN], unsigned long long bytes)
{
	static const char *const units[] = {"bytes", "KiB", "MiB", "GiB", "TiB"};
	size_t unit = 0;

	while (unit + 1 < sizeof(units) / sizeof(units[0]) && bytes >= 1024 &&
	       (bytes % 1024 == 0 || bytes >= 10ULL * 1024)) {
		bytes /= 1024;
		unit++;
	}
	snprintf(out, FINDINGS_SIZE_LEN, "%llu %s", bytes, units[unit]);
	return out;
}
