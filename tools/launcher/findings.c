/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "findings.h"

#include <stdarg.h>
#include <stdio.h>

void finding(struct findings *findings, enum finding_level level, const char *format, ...)
{
	static const char *const names[] = {
		[FINDING_OK] = "ok",
		[FINDING_WARNING] = "warning",
		[FINDING_PROBLEM] = "problem",
	};
	va_list args;

	printf("%s: ", names[level]);
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	putchar('\n');
	/* A check that hangs or dies must have said what came before. */
	fflush(stdout);
	findings->count[level]++;
}

int findings_status(const struct findings *findings)
{
	if (findings->count[FINDING_PROBLEM])
		return 2;
	return findings->count[FINDING_WARNING] ? 1 : 0;
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
