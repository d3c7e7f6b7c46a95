// SPDX-License-Identifier: GPL-2.0-or-later
#include "markdown.h"

#include <stdbool.h>
#include <string.h>

#include "summary.h"

static void put_text(FILE *f, const char *text)
{
	for (; *text; text++) {
		if (strchr("|*_`<[\\", *text))
			fputc('\\', f);
		fputc(*text, f);
	}
}

static void put_row(FILE *f, const struct results *results, size_t variant, enum metric metric)
{
	const struct metric_info *info = &metric_info[metric];
	struct summary s = summarize(results, variant, metric);
	char median[32], min[32], max[32];

	metric_format(median, sizeof(median), metric, s.median);
	metric_format(min, sizeof(min), metric, s.min);
	metric_format(max, sizeof(max), metric, s.max);
	fprintf(f, "| %s%s%s | ", variant ? "" : info->title, variant || !*info->unit ? "" : ", ",
		variant ? "" : info->unit);
	put_text(f, results->variants[variant]);
	if (s.rounds)
		fprintf(f, " | %s | %s to %s |", median, min, max);
	else
		fputs(" | - | - |", f);
	if (s.verdict == VERDICT_FIRST)
		fputs(" 1 | |\n", f);
	else if (s.verdict == VERDICT_UNKNOWN)
		fputs(" - | |\n", f);
	else if (summary_has_interval(&s))
		fprintf(f, " %.3f%s | %.3f to %.3f |\n", s.ratio.estimate,
			s.verdict == VERDICT_LESS || s.verdict == VERDICT_MORE ? " \\*" : "",
			s.ratio.low, s.ratio.high);
	else
		fprintf(f, " %.3f | too few rounds |\n", s.ratio.estimate);
}

static void put_failures(FILE *f, const struct results *results)
{
	bool heading = false;

	for (size_t i = 0; i < results->n_samples; i++) {
		const struct sample *s = &results->samples[i];

		if (s->status == SAMPLE_OK)
			continue;
		if (!heading)
			fputs("\nNot measured, and in no number above:\n\n", f);
		heading = true;
		fprintf(f, "- %s %u, ", s->warmup ? "warm-up" : "round", s->round);
		put_text(f, results->variants[s->variant]);
		fputs(": ", f);
		put_text(f, s->reason);
		fputc('\n', f);
	}
}

int markdown_write(FILE *f, const struct results *results)
{
	char text[1400];

	if (results->title[0]) {
		fputs("**", f);
		put_text(f, results->title);
		fputs("**\n\n", f);
	}
	fprintf(f, "| | variant | median | range | ratio to ");
	put_text(f, results->variants[0]);
	fputs(" | interval |\n|---|---|--:|--:|--:|--:|\n", f);
	for (int m = 0; m < METRICS; m++)
		for (size_t v = 0; v < results->n_variants; v++)
			if (summary_has_metric(results, (enum metric)m))
				put_row(f, results, v, (enum metric)m);
	fputc('\n', f);
	for (size_t v = 1; v < results->n_variants; v++) {
		summary_sentence(results, v, text, sizeof(text));
		fputs("- ", f);
		put_text(f, text);
		fputc('\n', f);
	}
	for (int i = 0; i < SUMMARY_CONDITIONS; i++) {
		summary_condition(results, i, text, sizeof(text));
		fputs("- ", f);
		put_text(f, text);
		fputc('\n', f);
	}
	for (size_t v = 0; v < results->n_variants; v++) {
		summary_variant(results, v, text, sizeof(text));
		fputs("- ", f);
		put_text(f, results->variants[v]);
		fputs(": ", f);
		put_text(f, text);
		fputc('\n', f);
	}
	fprintf(f, "- %s; \\* where an interval of at least 95 %% does not contain 1\n",
		summary_method);
	if (results->note[0]) {
		fputs("- ", f);
		put_text(f, results->note);
		fputc('\n', f);
	}
	put_failures(f, results);
	return fflush(f) || ferror(f) ? -1 : 0;
}
