// SPDX-License-Identifier: GPL-2.0-or-later
#include "table.h"

#include <math.h>
#include <string.h>

#include "summary.h"

#define NAME_WIDTH 20

void table_wrap(FILE *f, const char *text, int indent)
{
	int column = 0;

	while (*text) {
		int word = (int)strcspn(text, " ");

		if (column && column + 1 + word > TABLE_COLUMNS) {
			fprintf(f, "\n%*s", indent, "");
			column = indent;
		} else if (column) {
			fputc(' ', f);
			column++;
		}
		fprintf(f, "%.*s", word, text);
		column += word;
		text += word;
		text += strspn(text, " ");
	}
	fputc('\n', f);
}

/* A name that is too long keeps its end, where long ones mostly differ. */
static void put_name(FILE *f, const char *name)
{
	size_t len = strlen(name);

	if (len <= NAME_WIDTH)
		fprintf(f, "  %-*s", NAME_WIDTH, name);
	else
		fprintf(f, "  %.8s..%s", name, name + len - (NAME_WIDTH - 10));
}

static void put_ratio(FILE *f, const struct summary *s, bool colour)
{
	bool supported = s->verdict == VERDICT_LESS || s->verdict == VERDICT_MORE;
	char interval[32] = "too few rounds";

	if (s->verdict == VERDICT_FIRST) {
		fputs("      1", f);
		return;
	}
	if (s->verdict == VERDICT_UNKNOWN) {
		fputs("      -", f);
		return;
	}
	if (summary_has_interval(s))
		snprintf(interval, sizeof(interval), "%.3f..%.3f", s->ratio.low, s->ratio.high);
	fprintf(f, " %s%6.3f%s  %s%s", colour && supported ? "\033[1m" : "", s->ratio.estimate,
		colour && supported ? "\033[0m" : "", interval, supported ? " *" : "");
}

static void put_row(FILE *f, const struct results *results, size_t variant, enum metric metric,
		    bool colour)
{
	struct summary s = summarize(results, variant, metric);
	char median[32], min[32], max[32], range[72];

	metric_format(median, sizeof(median), metric, s.median);
	metric_format(min, sizeof(min), metric, s.min);
	metric_format(max, sizeof(max), metric, s.max);
	snprintf(range, sizeof(range), "%s%s%s", min, s.rounds ? ".." : "", s.rounds ? max : "");
	put_name(f, results->variants[variant]);
	fprintf(f, " %10s  %-20s", median, range);
	put_ratio(f, &s, colour);
	fputc('\n', f);
}

static void put_metric(FILE *f, const struct results *results, enum metric metric, bool colour)
{
	const struct metric_info *info = &metric_info[metric];

	fprintf(f, "%s%s%s", info->title, *info->unit ? " (" : "", info->unit);
	if (metric == METRIC_DATA_RATE && results->link[0] && !isnan(results->link_gbit))
		fprintf(f, "; the link: %g", results->link_gbit);
	fputs(*info->unit ? ")\n" : "\n", f);
	for (size_t v = 0; v < results->n_variants; v++)
		put_row(f, results, v, metric, colour);
}

static void put_unknown_metrics(FILE *f, const struct results *results)
{
	static const char heading[] = "unknown for all:";
	char list[400];

	snprintf(list, sizeof(list), "%s", heading);

	for (int m = 0; m < METRICS; m++) {
		size_t used = strlen(list);

		if (!summary_has_metric(results, (enum metric)m))
			snprintf(list + used, sizeof(list) - used, "%s%s",
				 used == strlen(heading) ? " " : "; ", metric_info[m].title);
	}
	if (strlen(list) > strlen(heading))
		table_wrap(f, list, 2);
}

static void put_failures(FILE *f, const struct results *results)
{
	bool heading = false;
	char line[800];

	for (size_t i = 0; i < results->n_samples; i++) {
		const struct sample *s = &results->samples[i];

		if (s->status == SAMPLE_OK)
			continue;
		if (!heading)
			fputs("\nNot measured, and in no number above:\n", f);
		heading = true;
		snprintf(line, sizeof(line), "  %s %u, %s: %s", s->warmup ? "warm-up" : "round",
			 s->round, results->variants[s->variant], s->reason);
		fputs("  ", f);
		table_wrap(f, line + 2, 4);
	}
}

/* Of all that was migrated, warm-up too: bytes either arrived or did not. */
static void put_ram(FILE *f, const struct results *results)
{
	size_t identical = 0, ok = 0, different = 0;

	for (size_t i = 0; i < results->n_samples; i++) {
		ok += results->samples[i].status == SAMPLE_OK;
		identical += results->samples[i].ram == RAM_IDENTICAL;
		different += results->samples[i].ram == RAM_DIFFERENT;
	}
	if (different)
		fprintf(f, "RAM DIFFERED after %zu migrations.\n", different);
	if (!ok)
		return;
	if (identical == ok)
		fprintf(f, "RAM of both ends was identical after each of %zu migrations.\n", ok);
	else
		fprintf(f,
			"RAM was seen to be identical after %zu of %zu migrations; "
			"the others could not be compared.\n",
			identical, ok);
}

void table_write(FILE *f, const struct results *results, bool colour)
{
	char text[1400];

	if (results->title[0])
		table_wrap(f, results->title, 2);
	for (int i = 0; i < SUMMARY_CONDITIONS; i++) {
		summary_condition(results, i, text, sizeof(text));
		table_wrap(f, text, 2);
	}
	if (results->note[0])
		table_wrap(f, results->note, 2);
	fprintf(f, "\n%-*s %10s  %-20s  ratio  interval\n", NAME_WIDTH + 2, "", "median", "range");
	for (int m = 0; m < METRICS; m++)
		if (summary_has_metric(results, (enum metric)m))
			put_metric(f, results, (enum metric)m, colour);
	put_unknown_metrics(f, results);
	fputc('\n', f);
	for (size_t v = 1; v < results->n_variants; v++) {
		summary_sentence(results, v, text, sizeof(text));
		table_wrap(f, text, 2);
	}
	if (results->n_variants > 1) {
		snprintf(text, sizeof(text),
			 "Ratios are to %s; * marks those whose interval, of at least 95 %% "
			 "confidence, does not contain 1. %c%s.",
			 results->variants[0], 'R', summary_method + 1);
		table_wrap(f, text, 2);
	}
	for (size_t v = 0; v < results->n_variants; v++) {
		char what[1000];

		summary_variant(results, v, what, sizeof(what));
		snprintf(text, sizeof(text), "%s: %s.", results->variants[v], what);
		table_wrap(f, text, 2);
	}
	put_ram(f, results);
	put_failures(f, results);
}
