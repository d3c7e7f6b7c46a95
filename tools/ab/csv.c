// SPDX-License-Identifier: GPL-2.0-or-later
#include "csv.h"

#include <math.h>
#include <string.h>

static void put_text(FILE *f, const char *text)
{
	if (!strpbrk(text, ",\"\r\n")) {
		fputs(text, f);
		return;
	}
	fputc('"', f);
	for (; *text; text++) {
		if (*text == '"')
			fputc('"', f);
		fputc(*text, f);
	}
	fputc('"', f);
}

static void put_sample(FILE *f, const struct results *results, const struct sample *s)
{
	put_text(f, results->variants[s->variant]);
	fprintf(f, ",%u,%d,%s,%s,%s,%s", s->round, s->warmup, sample_status_names[s->status],
		sample_ram_names[s->ram], sample_counts_names[s->counts_source],
		sample_counts_names[s->counts_destination]);
	for (int m = 0; m < METRICS; m++)
		if (isnan(s->value[m]))
			fputc(',', f);
		else
			fprintf(f, ",%.9g", s->value[m]);
	fputc(',', f);
	put_text(f, s->reason);
	fputs("\r\n", f);
}

int csv_write(FILE *f, const struct results *results)
{
	fputs("variant,round,warmup,status,ram,counts_source,counts_destination", f);
	for (int m = 0; m < METRICS; m++)
		fprintf(f, ",%s", metric_info[m].name);
	fputs(",reason\r\n", f);
	for (size_t i = 0; i < results->n_samples; i++)
		put_sample(f, results, &results->samples[i]);
	return fflush(f) || ferror(f) ? -1 : 0;
}
