/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What was measured, and under which conditions: all that a report is made from. */
#ifndef TOOLS_AB_RESULTS_H
#define TOOLS_AB_RESULTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum metric {
	METRIC_TOTAL,
	METRIC_SETUP,
	METRIC_DOWNTIME,
	METRIC_THROUGHPUT,
	METRIC_DATA_RATE,
	METRIC_REGISTRATIONS_SOURCE,
	METRIC_REGISTRATIONS_DESTINATION,
	METRIC_MESSAGES,
	METRIC_WORK_REQUESTS,
	METRIC_CPU_SOURCE,
	METRIC_CPU_DESTINATION,
	METRICS
};

struct metric_info {
	const char *name;  /* in JSON and CSV, with its unit */
	const char *title; /* for people */
	const char *unit;
	int decimals;
};

extern const struct metric_info metric_info[METRICS];

/* How a value of @metric is written for people; NAN is "-". */
void metric_format(char *text, size_t size, enum metric metric, double value);

enum sample_status { SAMPLE_OK, SAMPLE_FAILED, SAMPLE_INTERRUPTED, SAMPLE_STATUSES };
enum sample_ram { RAM_UNKNOWN, RAM_IDENTICAL, RAM_DIFFERENT, SAMPLE_RAMS };
/* Where an end's counts come from. Of a connection that it let pass through the shim has none. */
enum sample_counts {
	COUNTS_UNKNOWN,
	COUNTS_PASSTHROUGH,
	COUNTS_SHIM,
	COUNTS_PRELOAD,
	SAMPLE_COUNTS
};

extern const char *const sample_status_names[SAMPLE_STATUSES];
extern const char *const sample_ram_names[SAMPLE_RAMS];
extern const char *const sample_counts_names[SAMPLE_COUNTS];

/* One migration. */
struct sample {
	size_t variant;	    /* index */
	unsigned int round; /* from 1 on; warm-up rounds count for themselves */
	bool warmup;
	enum sample_status status;
	enum sample_ram ram;
	enum sample_counts counts_source, counts_destination;
	double value[METRICS]; /* NAN: unknown */
	char reason[512];      /* why it failed, else empty */
};

#define RESULT_VARIANTS_MAX 16
#define RESULT_NAME_MAX	    96

#define RESULT_VERSION_MAX 32

/* What one of the variants was; all empty where an older report does not tell. */
struct result_variant {
	char text[256];	  /* as it was given */
	char library[16]; /* where the library was loaded: source, destination, both or none */
	char transport[8];
	char qemu_source[RESULT_VERSION_MAX], qemu_destination[RESULT_VERSION_MAX];
};

struct results {
	char created[32]; /* UTC, ISO 8601 */
	char title[160], note[320];
	char transport[8], address[80], destination_host[160];
	/* Versions, of the first variant; empty: not known yet. */
	char qemu_source[RESULT_VERSION_MAX], qemu_destination[RESULT_VERSION_MAX];
	char command[1024]; /* somebody's own; empty: the built-in guest */
	char library[256], count_library[256];
	char link[80];	   /* the RDMA link; empty: not known, or not used */
	double link_gbit;  /* its rate in Gbit/s; NAN: not known */
	double dirty_rate; /* what the built-in guest writes, bytes per second; 0: it is paused */
	uint64_t ram_size, seed;
	double zero_fraction;
	unsigned int sparse, rounds, warmup;
	bool prealloc;
	char stopped[64]; /* why not all rounds were made, else empty */
	char variants[RESULT_VARIANTS_MAX][RESULT_NAME_MAX];
	struct result_variant settings[RESULT_VARIANTS_MAX];
	size_t n_variants;
	struct sample *samples;
	size_t n_samples, size_samples;
};

/* A sample whose values are all unknown. */
struct sample sample_new(size_t variant, unsigned int round, bool warmup);

/* Append a copy. Returns 0, or -1 without memory. */
int results_add(struct results *results, const struct sample *sample);

/* The measured, not warm-up, sample of @variant in @round, or NULL. */
const struct sample *results_find(const struct results *results, size_t variant,
				  unsigned int round);

/* Index of the variant with this name, or n_variants. */
size_t results_variant(const struct results *results, const char *name);

/* Measured and warm-up samples with that status. */
size_t results_count(const struct results *results, enum sample_status status);

void results_free(struct results *results);

#endif
