/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the samples say: medians, ratios to the first variant, and whether these mean anything. */
#ifndef TOOLS_AB_SUMMARY_H
#define TOOLS_AB_SUMMARY_H

#include <stdbool.h>
#include <stddef.h>

#include "results.h"
#include "stats.h"

#define SUMMARY_CONFIDENCE 0.95

enum verdict {
	VERDICT_FIRST,	 /* the variant that others are compared to */
	VERDICT_UNKNOWN, /* no values, or zeros, which have no ratio */
	VERDICT_TOO_FEW, /* rounds, for an interval of SUMMARY_CONFIDENCE */
	VERDICT_NONE,	 /* no significant difference */
	VERDICT_LESS,	 /* than the first variant, and the whole interval says so */
	VERDICT_MORE,
	VERDICT_SAME, /* every round of both has the same value */
	VERDICTS
};

extern const char *const verdict_names[VERDICTS];

/* One metric of one variant, over measured rounds that succeeded. */
struct summary {
	size_t rounds;		     /* with a value */
	double median, min, max;     /* NAN without any */
	size_t pairs;		     /* rounds in which the first variant has a value, too */
	struct stats_location ratio; /* to the first variant; valid unless FIRST or UNKNOWN */
	enum verdict verdict;
};

struct summary summarize(const struct results *results, size_t variant, enum metric metric);

/* An interval of SUMMARY_CONFIDENCE: a narrower one would be taken for that. */
bool summary_has_interval(const struct summary *summary);

/* Does any variant have a value of it? */
bool summary_has_metric(const struct results *results, enum metric metric);

/* A sentence, without newline, on the total time of @variant against the first. */
void summary_sentence(const struct results *results, size_t variant, char *text, size_t size);

/*
 * What @variant was, as far as its name does not tell, and where its counts come from, for people:
 * without newline or full stop.
 */
void summary_variant(const struct results *results, size_t variant, char *text, size_t size);

/* The conditions: one line of the guest, one of QEMU and transport, one of rounds. */
#define SUMMARY_CONDITIONS 3
void summary_condition(const struct results *results, int which, char *text, size_t size);

/* How ratios and intervals come about. */
extern const char summary_method[];

#endif
