/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RDMACHUNK_LAUNCHER_FINDINGS_H
#define RDMACHUNK_LAUNCHER_FINDINGS_H

#include <stdbool.h>

enum finding_level {
	FINDING_OK,
	FINDING_WARNING,
	FINDING_PROBLEM,
};

/* What --check has said so far. Starts as zeros, but for `json`. */
struct findings {
	bool json; /* one JSON object, in place of lines */
	unsigned int count[FINDING_PROBLEM + 1];
};

/*
 * Print one finding on standard output and count it: a line "ok: ...", "warning: ..." or
 * "problem: ...", or a member of the JSON object's array. The text of a warning or a problem ends
 * in "; fix: " and what to do about it.
 */
void finding(struct findings *findings, enum finding_level level, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/*
 * Print the counts, and end the JSON object. Returns the exit status: 0 when all was ok, 1 when
 * the worst was a warning, 2 when it was a problem.
 */
int findings_end(struct findings *findings);

/* Room for a size as findings_size() writes it. */
#define FINDINGS_SIZE_LEN 32

/* `bytes` for people, such as "512 MiB"; rounded down to the unit. Returns `out`. */
const char *findings_size(char out[FINDINGS_SIZE_LEN], unsigned long long bytes);

#endif
