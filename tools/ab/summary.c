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

static enum verdict judge(const struct summary *summary, bool same)
{
	const struct stats_location *r = &summary->ratio;

	if (same && summary->pairs > 1)
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
	bool same = true;

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
		same = same && value == other;
	}
	add_range(&summary, values);
	if (!variant)
		summary.verdict = summary.rounds ? VERDICT_FIRST : VERDICT_UNKNOWN;
	else if (summary.pairs &&
		 !stats_ratio(ours, first, summary.pairs, SUMMARY_CONFIDENCE, &summary.ratio))
		summary.verdict = judge(&summary, same);
	return summary;
}

bool summary_has_interval(const struct summary *summary)
{
	return summary->verdict != VERDICT_FIRST && summary->verdict != VERDICT_UNKNOWN &&
	       summary->ratio.confidence >= SUMMARY_CONFIDENCE;
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
			 "%s: no significant difference "
			 "(%s to %s, %.1f %% confidence, %zu rounds)",
			 what, low, high, s.ratio.confidence * 100, s.pairs);
		break;
	case VERDICT_TOO_FEW:
		snprintf(text, size,
			 "%s: %s, but %zu %s cannot show a significant difference; make %d or more",
			 what, estimate, s.pairs, s.pairs == 1 ? "round" : "rounds",
			 STATS_PAIRS_MIN);
		break;
	case VERDICT_SAME:
		snprintf(text, size, "%s: the same in every round", what);
		break;
	default:
		snprintf(text, size, "%s: no round in which both were measured", what);
	}
}

static enum sample_counts counts_of(const struct sample *s, bool destination)
{
	return destination ? s->counts_destination : s->counts_source;
}

/* "shim", or "shim in 9 of 10 rounds, unknown in 1". */
static void counts_of_end(const struct results *results, size_t variant, bool destination,
			  char *text, size_t size)
{
	size_t n[SAMPLE_COUNTS] = {0}, all = 0, used = 0;

	for (size_t i = 0; i < results->n_samples; i++) {
		const struct sample *s = &results->samples[i];

		if (s->variant != variant || s->status != SAMPLE_OK || s->warmup)
			continue;
		n[counts_of(s, destination)]++;
		all++;
	}
	text[0] = '\0';
	for (int from = SAMPLE_COUNTS - 1; from >= 0; from--) {
		if (!n[from] || used >= size)
			continue;
		used += (size_t)snprintf(text + used, size - used, "%s%s", used ? ", " : "",
					 sample_counts_names[from]);
		if (n[from] < all && used < size)
			used += (size_t)snprintf(text + used, size - used, " in %zu of %zu rounds",
						 n[from], all);
	}
}

static void counts_from(const struct results *results, size_t variant, char *text, size_t size)
{
	char source[160], destination[160];

	counts_of_end(results, variant, false, source, sizeof(source));
	counts_of_end(results, variant, true, destination, sizeof(destination));
	if (!source[0])
		snprintf(text, size, "nothing measured");
	else if (!strcmp(source, destination))
		snprintf(text, size, "%s at both ends", source);
	else
		snprintf(text, size, "%s at the source, %s at the destination", source,
			 destination);
}

/* One that is not known is not another one. */
static bool differ(const char *a, const char *b)
{
	return *a && *b && strcmp(a, b);
}

static bool versions_differ(const struct results *r)
{
	const struct result_variant *s = r->settings;

	for (size_t v = 1; v < r->n_variants; v++)
		if (differ(s[v].qemu_source, s[0].qemu_source) ||
		    differ(s[v].qemu_destination, s[0].qemu_destination))
			return true;
	return false;
}

void summary_variant(const struct results *results, size_t variant, char *text, size_t size)
{
	const struct result_variant *v = &results->settings[variant];
	char what[300] = "", library[80] = "", qemu[80] = "", counts[400], transport[32] = "";

	if (strcmp(v->text, results->variants[variant]) && v->text[0])
		snprintf(what, sizeof(what), "%s; ", v->text);
	if (!strcmp(v->library, "none"))
		snprintf(library, sizeof(library), "without the library; ");
	else if (!strcmp(v->library, "both"))
		snprintf(library, sizeof(library), "the library at both ends; ");
	else if (v->library[0])
		snprintf(library, sizeof(library), "the library at the %s; ", v->library);
	if (v->transport[0] && strcmp(v->transport, results->transport))
		snprintf(transport, sizeof(transport), "over %s; ",
			 !strcmp(v->transport, "tcp") ? "TCP" : v->transport);
	if (!strcmp(v->transport, "tcp") && library[0] && strcmp(v->library, "none"))
		snprintf(library, sizeof(library), "the library, which does nothing over TCP; ");
	if (versions_differ(results))
		snprintf(qemu, sizeof(qemu), "QEMU %s to %s; ",
			 v->qemu_source[0] ? v->qemu_source : "?",
			 v->qemu_destination[0] ? v->qemu_destination : "?");
	counts_from(results, variant, counts, sizeof(counts));
	snprintf(text, size, "%s%s%s%scounts: %s", what, transport, library, qemu, counts);
}

static void guest_condition(const struct results *r, char *text, size_t size)
{
	unsigned long long mib = (unsigned long long)(r->ram_size >> 20);
	char sparse[48] = "", dirty[64] = "", memory[240];

	if (r->sparse > 1)
		snprintf(sparse, sizeof(sparse), ", one page of %u with data", r->sparse);
	if (r->dirty_rate > 0)
		snprintf(dirty, sizeof(dirty), ", running and writing %g MiB/s",
			 r->dirty_rate / (1 << 20));
	snprintf(memory, sizeof(memory), "%llu MiB, %g %% of them zero%s, seed %llu%s%s", mib,
		 r->zero_fraction * 100, sparse, (unsigned long long)r->seed,
		 r->prealloc ? ", allocated" : "", dirty);
	if (!r->command[0])
		snprintf(text, size, "guest: %s", memory);
	else if (strstr(r->command, "{ram}"))
		snprintf(text, size, "guest: %s; {ram}: %s", r->command, memory);
	else
		snprintf(text, size, "guest: %s", r->command);
}

static void qemu_condition(const struct results *r, char *text, size_t size)
{
	const char *source = r->qemu_source[0] ? r->qemu_source : "?";
	const char *destination = r->qemu_destination[0] ? r->qemu_destination : "?";
	bool same = !strcmp(source, destination);
	char link[128] = "";

	if (versions_differ(r))
		source = destination = "several versions, see below", same = true;
	if (r->link[0] && isnan(r->link_gbit))
		snprintf(link, sizeof(link), ", link %s", r->link);
	else if (r->link[0])
		snprintf(link, sizeof(link), ", link %s of %g Gbit/s", r->link, r->link_gbit);
	snprintf(text, size, "QEMU: %s%s%s, %s to %s%s%s%s%s", source, same ? "" : " to ",
		 same ? "" : destination, r->transport, r->address,
		 r->destination_host[0] ? " (on " : "", r->destination_host,
		 r->destination_host[0] ? ")" : "", link);
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
