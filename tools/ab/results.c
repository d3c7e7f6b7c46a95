// SPDX-License-Identifier: GPL-2.0-or-later
#include "results.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const struct metric_info metric_info[METRICS] = {
	[METRIC_TOTAL] = {"total_seconds", "total time", "s", 3},
	[METRIC_SETUP] = {"setup_seconds", "setup time", "s", 3},
	[METRIC_DOWNTIME] = {"downtime_seconds", "downtime", "s", 3},
	[METRIC_THROUGHPUT] = {"throughput_mib_per_second", "throughput", "MiB/s", 1},
	[METRIC_DATA_RATE] = {"data_gbit_per_second", "data rate", "Gbit/s", 3},
	[METRIC_REGISTRATIONS_SOURCE] = {"registrations_source", "registrations, source", "", 0},
	[METRIC_REGISTRATIONS_DESTINATION] = {"registrations_destination",
					      "registrations, destination", "", 0},
	[METRIC_MESSAGES] = {"messages", "control messages", "", 0},
	[METRIC_WORK_REQUESTS] = {"work_requests", "WRs sent by the source", "", 0},
	[METRIC_CPU_SOURCE] = {"cpu_seconds_source", "CPU time, source", "s", 3},
	[METRIC_CPU_DESTINATION] = {"cpu_seconds_destination", "CPU time, destination", "s", 3},
};

const char *const sample_status_names[SAMPLE_STATUSES] = {
	[SAMPLE_OK] = "ok",
	[SAMPLE_FAILED] = "failed",
	[SAMPLE_INTERRUPTED] = "interrupted",
};

const char *const sample_ram_names[SAMPLE_RAMS] = {
	[RAM_UNKNOWN] = "unknown",
	[RAM_IDENTICAL] = "identical",
	[RAM_DIFFERENT] = "different",
};

const char *const sample_counts_names[SAMPLE_COUNTS] = {
	[COUNTS_UNKNOWN] = "unknown",
	[COUNTS_PASSTHROUGH] = "passthrough",
	[COUNTS_SHIM] = "shim",
	[COUNTS_PRELOAD] = "counting preload",
};

void metric_format(char *text, size_t size, enum metric metric, double value)
{
	if (isnan(value))
		snprintf(text, size, "-");
	/* The median of an even number of counts. */
	else if (!metric_info[metric].decimals && value != floor(value))
		snprintf(text, size, "%.1f", value);
	else
		snprintf(text, size, "%.*f", metric_info[metric].decimals, value);
}

struct sample sample_new(size_t variant, unsigned int round, bool warmup)
{
	struct sample sample = {.variant = variant, .round = round, .warmup = warmup};

	for (int m = 0; m < METRICS; m++)
		sample.value[m] = NAN;
	return sample;
}

int results_add(struct results *results, const struct sample *sample)
{
	if (results->n_samples == results->size_samples) {
		size_t size = results->size_samples * 2 + 16;
		struct sample *more = realloc(results->samples, size * sizeof(*more));

		if (!more)
			return -1;
		results->samples = more;
		results->size_samples = size;
	}
	results->samples[results->n_samples++] = *sample;
	return 0;
}

const struct sample *results_find(const struct results *results, size_t variant, unsigned int round)
{
	for (size_t i = 0; i < results->n_samples; i++) {
		const struct sample *s = &results->samples[i];

		if (s->variant == variant && s->round == round && !s->warmup)
			return s;
	}
	return NULL;
}

size_t results_variant(const struct results *results, const char *name)
{
	size_t i;

	for (i = 0; i < results->n_variants; i++)
		if (!strcmp(results->variants[i], name))
			break;
	return i;
}

size_t results_count(const struct results *results, enum sample_status status)
{
	size_t n = 0;

	for (size_t i = 0; i < results->n_samples; i++)
		n += results->samples[i].status == status;
	return n;
}

void results_free(struct results *results)
{
	free(results->samples);
	results->samples = NULL;
	results->n_samples = results->size_samples = 0;
}
