/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RDMACHUNK_LAUNCHER_FINDINGS_H
#define RDMACHUNK_LAUNCHER_FINDINGS_H

enum finding_level {
	FINDING_OK,
	FINDING_WARNING,
	FINDING_PROBLEM,
};

/* What --check has said so far. Starts as zeros. */
struct findings {
	unsigned int count[FINDING_PROBLEM + 1];
};

/*
 * Print one finding as a line of standard output, "ok: ...", "warning: ..." or "problem: ...", and
 * count it. The text of a warning or a problem ends in "; mend: " and what to do about it.
 */
void finding(struct findings *findings, enum finding_level level, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* The exit status: 0 when all was ok, 1 when the worst was a warning, 2 when it was a problem. */
int findings_status(const struct findings *findings);

/* Room for a size as findings_size() writes it. */
#define FINDINGS_SIZE_LEN 32

/* `bytes` for people, such as "512 MiB"; rounded down to the unit. Returns `out`. */
const char *findings_size(char out[FINDINGS_SIZE_LEN], unsigned long long bytes);

#endif
