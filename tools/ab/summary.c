// SPDX-License-Identifier: GPL-2.0-or-later
#include "summary.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *const verdict_names[VERDICTS] = {
	[VERDICT_FIRST] = "first",
	[VERDICT_UNKNOWN] = "unknown",
	[VERDICT_TOO_FEW] = "too few rounds",
	[VERDICT_NONE] = "no difference supported",
	[VERDICT_LESS] = "less",
	[VERDICT_MORE] = "more",
	[VERDICT_SAME] = "same",
};

const char summary_method[] =
	"ratio: Hodges-Lehmann estimate over rounds (paired, logarithms); interval: exact Wilcoxon "
	"signed rank";

static double value_of(const struct results *results, size_t variant, unsigned int round,
		       enum metric metric)
{
	const struct sample *s = results_find(results, variant, round);

	return s && s->status == SAMPLE_OK ? s->value[metric] : NAN;
}

static void add_range(struct summary *summary, double *values)
{
	size_t n = summary->rounds;

	summary->median = summary->min = summary->max = NAN;
	if (!n)
		return;
	summary->median = stats_median(values, n); /* which sorts them */
	summary->min = values[0];
	summary->max = values[n - 1];
}

static enum verdict judge(const struct summary *summary)
{
	const struct stats_location *r = &summary->ratio;

	if (r->low == 1 && r->high == 1 && summary->pairs > 1)
		return VERDICT_SAME;
	if (r->confidence < SUMMARY_CONFIDENCE)
		return VERDICT_TOO_FEW;
	if (r->high < 1)
		return VERDICT_LESS;
	return r->low > 1 ? VERDICT_MORE : VERDICT_NONE;
}

static unsigned int last_round(const struct results *results)
{
	unsigned int last = 0;

	for (size_t i = 0; i < results->n_samples; i++)
		if (!results->samples[i].warmup && results->samples[i].round > last)
			last = results->samples[i].round;
	return last < STATS_PAIRS_MAX ? last : STATS_PAIRS_MAX;
}

struct summary summarize(const struct results *results, size_t variant, enum metric metric)
{
	double values[STATS_PAIRS_MAX], ours[STATS_PAIRS_MAX], first[STATS_PAIRS_MAX];
	struct summary summary = {.verdict = VERDICT_UNKNOWN};
	unsigned int last = last_round(results);

	for (unsigned int round = 1; round <= last; round++) {
		double value = value_of(results, variant, round, metric);
		double other = value_of(results, 0, round, metric);

		if (isnan(value))
			continue;
		values[summary.rounds++] = value;
		if (isnan(other))
			continue;
		ours[summary.pairs] = value;
		first[summary.pairs++] = other;
	}
	add_range(&summary, values);
	if (!variant)
		summary.verdict = summary.rounds ? VERDICT_FIRST : VERDICT_UNKNOWN;
	else if (summary.pairs &&
		 !stats_ratio(ours, first, summary.pairs, SUMMARY_CONFIDENCE, &summary.ratio))
		summary.verdict = judge(&summary);
	return summary;
}

bool summary_has_metric(const struct results *results, enum metric metric)
{
	for (size_t i = 0; i < results->n_samples; i++)
		if (results->samples[i].status == SAMPLE_OK && !results->samples[i].warmup &&
		    !isnan(results->samples[i].value[metric]))
			return true;
	return false;
}

/* "22.1 % less", "3.0 % more". */
static void change(char *text, size_t size, double ratio)
{
	double percent = (ratio - 1) * 100;

	snprintf(text, size, "%.1f %% %s", fabs(percent), percent < 0 ? "less" : "more");
}

void summary_sentence(const struct results *results, size_t variant, char *text, size_t size)
{
	struct summary s = summarize(results, variant, METRIC_TOTAL);
	char estimate[32], low[32], high[32], what[64 + 2 * RESULT_NAME_MAX];

	snprintf(what, sizeof(what), "%s against %s, total time", results->variants[variant],
		 results->variants[0]);
	change(estimate, sizeof(estimate), s.ratio.estimate);
	change(low, sizeof(low), s.ratio.low);
	change(high, sizeof(high), s.ratio.high);
	switch (s.verdict) {
	case VERDICT_LESS:
	case VERDICT_MORE:
		snprintf(text, size, "%s: %s (%s to %s, %.1f %% confidence, %zu rounds)", what,
			 estimate, low, high, s.ratio.confidence * 100, s.pairs);
		break;
	case VERDICT_NONE:
		snprintf(text, size,
			 "%s: the rounds do not support a difference "
			 "(%s to %s, %.1f %% confidence, %zu rounds)",
			 what, low, high, s.ratio.confidence * 100, s.pairs);
		break;
	case VERDICT_TOO_FEW:
		snprintf(text, size,
			 "%s: %s, but %zu %s cannot support a difference; make %d or more", what,
			 estimate, s.pairs, s.pairs == 1 ? "round" : "rounds", STATS_PAIRS_MIN);
		break;
	case VERDICT_SAME:
		snprintf(text, size, "%s: the same in every round", what);
		break;
	default:
		snprintf(text, size, "%s: no round in which both were measured", what);
	}
}

void summary_counts_from(const struct results *results, size_t variant, char *text, size_t size)
{
	const struct sample *found = NULL;
	const char *source, *destination;

	for (size_t i = 0; i < results->n_samples; i++) {
		const struct sample *s = &results->samples[i];

		if (s->variant == variant && s->status == SAMPLE_OK && !s->warmup)
			found = s;
	}
	if (!found) {
		snprintf(text, size, "nothing measured");
		return;
	}
	source = sample_counts_names[found->counts_source];
	destination = sample_counts_names[found->counts_destination];
	if (!strcmp(source, destination))
		snprintf(text, size, "%s at both ends", source);
	else
		snprintf(text, size, "%s at the source, %s at the destination", source,
			 destination);
}

static void guest_condition(const struct results *r, char *text, size_t size)
{
	unsigned long long mib = (unsigned long long)(r->ram_size >> 20);
	char sparse[48] = "";

	if (r->command[0]) {
		snprintf(text, size, "guest: %s", r->command);
		return;
	}
	if (r->sparse > 1)
		snprintf(sparse, sizeof(sparse), ", one page of %u with data", r->sparse);
	snprintf(text, size, "guest: %llu MiB, %g %% of them zero%s, seed %llu%s", mib,
		 r->zero_fraction * 100, sparse, (unsigned long long)r->seed,
		 r->prealloc ? ", allocated" : "");
}

static void qemu_condition(const struct results *r, char *text, size_t size)
{
	const char *source = r->qemu_source[0] ? r->qemu_source : "?";
	const char *destination = r->qemu_destination[0] ? r->qemu_destination : "?";
	bool same = !strcmp(source, destination);

	snprintf(text, size, "QEMU: %s%s%s, %s to %s%s%s%s", source, same ? "" : " to ",
		 same ? "" : destination, r->transport, r->address,
		 r->destination_host[0] ? " (on " : "", r->destination_host,
		 r->destination_host[0] ? ")" : "");
}

void summary_condition(const struct results *results, int which, char *text, size_t size)
{
	if (which == 0)
		guest_condition(results, text, size);
	else if (which == 1)
		qemu_condition(results, text, size);
	else
		snprintf(text, size, "rounds: %u after %u of warm-up%s%s", results->rounds,
			 results->warmup, results->stopped[0] ? "; not all were made: " : "",
			 results->stopped);
}
