/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A file of results of the A/B tool, which may be somebody else's, and the reports made from it. */
#include <math.h>

#include "ab/chart.h"
#include "ab/csv.h"
#include "ab/json.h"
#include "ab/markdown.h"
#include "ab/table.h"
#include "memfile.h"

/* A report, the caller's. */
struct text {
	char *text;
	size_t size;
};

typedef int writer(FILE *f, const struct results *results);

static struct text report(writer *write_report, const struct results *results)
{
	struct text text = {NULL, 0};
	FILE *f = open_memstream(&text.text, &text.size);

	ENSURE(f && !write_report(f, results));
	fclose(f);
	return text;
}

static int write_table(FILE *f, const struct results *results)
{
	table_write(f, results, false);
	return 0;
}

static int write_chart(FILE *f, const struct results *results)
{
	return chart_script(f, results, "chart");
}

/* Nothing that a terminal would act on, and all in a line of its own. */
static size_t lines_of(const struct text *text, const char *allowed)
{
	size_t lines = 0;

	for (size_t i = 0; i < text->size; i++) {
		unsigned char c = (unsigned char)text->text[i];

		ENSURE((c >= ' ' && c != 0x7f) || (c && strchr(allowed, c)));
		lines += c == '\n';
	}
	return lines;
}

/* RFC 4180: as many fields in each record, and a record for each sample. */
static void check_csv(const struct results *results)
{
	struct text csv = report(csv_write, results);
	size_t fields = 0, records = 0, wanted = 0;
	bool quoted = false;

	for (size_t i = 0; i < csv.size; i++) {
		if (csv.text[i] == '"')
			quoted = !quoted;
		if (quoted || (csv.text[i] != ',' && csv.text[i] != '\n'))
			continue;
		fields++;
		if (csv.text[i] == ',')
			continue;
		wanted = wanted ? wanted : fields;
		ENSURE(fields == wanted);
		fields = 0;
		records++;
	}
	ENSURE(!quoted && !fields && records == results->n_samples + 1);
	free(csv.text);
}

static void check_results(const struct results *r)
{
	ENSURE(r->n_variants > 0 && r->n_variants <= RESULT_VARIANTS_MAX);
	for (size_t i = 0; i < r->n_samples; i++) {
		const struct sample *s = &r->samples[i];

		ENSURE(s->variant < r->n_variants && s->round > 0);
		ENSURE((unsigned int)s->status < SAMPLE_STATUSES);
		ENSURE((unsigned int)s->ram < SAMPLE_RAMS);
		ENSURE((unsigned int)s->counts_source < SAMPLE_COUNTS);
		ENSURE((unsigned int)s->counts_destination < SAMPLE_COUNTS);
		for (int m = 0; m < METRICS; m++)
			ENSURE(isnan(s->value[m]) || isfinite(s->value[m]));
	}
}

static void check_reports(const struct results *results)
{
	struct text table = report(write_table, results);
	struct text markdown = report(markdown_write, results);
	struct text chart = report(write_chart, results);

	lines_of(&table, "\n");
	lines_of(&markdown, "\n");
	lines_of(&chart, "\n");
	free(table.text);
	free(markdown.text);
	free(chart.text);
	check_csv(results);
}

/* Writes them as JSON, and reads that into `*again`. */
static struct text written(const struct results *results, struct results *again)
{
	struct text json = report(json_write, results);
	struct memfile file = memfile_new(json.text, json.size);
	struct failure failure = {""};

	ENSURE(!json_read(file.path, again, &failure));
	close(file.fd);
	return json;
}

/* Numbers are written shorter than they are, once. Nothing changes after that. */
static void check_round_trip(const struct results *results)
{
	struct results second, third, fourth;
	struct text json = written(results, &second), same = written(&second, &third);
	struct text again = written(&third, &fourth);

	ENSURE(same.size == again.size && !memcmp(same.text, again.text, same.size));
	ENSURE(second.n_samples == results->n_samples && second.seed == results->seed &&
	       second.rounds == results->rounds && second.ram_size == results->ram_size &&
	       !strcmp(second.title, results->title) && !strcmp(second.command, results->command));
	free(json.text);
	free(same.text);
	free(again.text);
	results_free(&second);
	results_free(&third);
	results_free(&fourth);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct memfile file = memfile_new(data, size);
	struct failure failure = {""};
	struct results results;

	if (json_read(file.path, &results, &failure)) {
		ENSURE(failure.text[0] && !results.samples && !results.n_samples);
	} else {
		check_results(&results);
		check_reports(&results);
		check_round_trip(&results);
		results_free(&results);
	}
	close(file.fd);
	return 0;
}
