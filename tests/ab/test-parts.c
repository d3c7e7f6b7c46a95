// SPDX-License-Identifier: GPL-2.0-or-later
/* The parts of rdmachunk-ab that need no QEMU: statistics, schedule, variants, patterns, bar. */
#include <fcntl.h>
#include <math.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/resource.h>

#include "ab/counts.h"
#include "ab/pattern.h"
#include "ab/progress.h"
#include "ab/results.h"
#include "ab/schedule.h"
#include "ab/stats.h"
#include "ab/summary.h"
#include "ab/variant.h"

static int passed, failed;

static void check(bool ok, const char *what)
{
	printf("%s %s\n", ok ? "ok" : "FAIL", what);
	if (ok)
		passed++;
	else
		failed++;
}

static bool near(double a, double b, double tolerance)
{
	return fabs(a - b) <= tolerance;
}

/*
 * Hollander, Wolfe, Chicken, "Nonparametric Statistical Methods", 3rd ed., 2014, Table 3.1 and
 * Examples 3.1, 3.3 and 3.4: Hamilton depression scale factor IV of nine patients. T+ = 5 has
 * P = .020; the estimate is -.46, and the 96.1 % interval (-.786, -.010).
 */
static void test_hollander_wolfe(void)
{
	static const double x[] = {1.83, .50, 1.62, 2.48, 1.68, 1.88, 1.55, 3.06, 1.30};
	static const double y[] = {.878, .647, .598, 2.05, 1.06, 1.29, 1.06, 3.14, 1.29};
	struct stats_location l = {0};
	double z[9];

	for (int i = 0; i < 9; i++)
		z[i] = y[i] - x[i];
	check(near(stats_signed_rank_cdf(9, 5), .0195, .00005), "Hollander and Wolfe, example 3.1");
	check(!stats_location(z, 9, .95, &l) && near(l.estimate, -.46, .0005),
	      "Hollander and Wolfe, example 3.3");
	check(near(l.low, -.786, .0005) && near(l.high, -.010, .0005) &&
		      near(l.confidence, .961, .0005),
	      "Hollander and Wolfe, example 3.4");
}

/*
 * Darwin's cross- and self-fertilized maize, eighths of an inch, as in Fisher, "The Design of
 * Experiments", 1935, section 17. R's wilcox.test gives V = 96 and p-value = 0.04126.
 */
static void test_darwin(void)
{
	static const double d[] = {49, -67, 8, 16, 6, 23, 28, 41, 14, 29, 56, 24, 75, 60, -48};
	struct stats_location l = {0};

	check(near(2 * stats_signed_rank_cdf(15, 120 - 96), .04126, .000005), "Darwin's maize, P");
	check(!stats_location(d, 15, .95, &l) && l.low > 0 && l.confidence >= .95,
	      "Darwin's maize, interval without 0");
}

/*
 * The largest T with a two-sided P of at most 5 %, from Wilcoxon and Wilcox, "Some Rapid
 * Approximate Statistical Procedures", 1964, table 2.
 */
static void test_critical_values(void)
{
	static const struct {
		size_t n, t;
	} table[] = {{6, 0},   {7, 2},	 {8, 3},   {9, 5},   {10, 8},
		     {12, 13}, {15, 25}, {20, 52}, {25, 89}, {30, 137}};
	bool ok = true;

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
		ok = ok && 2 * stats_signed_rank_cdf(table[i].n, table[i].t) <= .05 &&
		     2 * stats_signed_rank_cdf(table[i].n, table[i].t + 1) > .05;
	check(ok, "critical values of the signed rank statistic");
}

static void test_few_values(void)
{
	static const double v[] = {1.1, 1.2, 1.3, 1.4, 1.5, 1.6};
	static const double zero[] = {1, 0};
	struct stats_location l = {0};
	double even[] = {4, 1, 3, 2}, odd[] = {3, 1, 2};

	check(!stats_location(v, 1, .95, &l) && l.confidence == 0, "one value has no interval");
	check(!stats_location(v, 5, .95, &l) && near(l.confidence, .9375, 1e-9) && l.low == 1.1 &&
		      l.high == 1.5,
	      "five values give 93.75 % at most");
	check(!stats_location(v, STATS_PAIRS_MIN, .95, &l) && l.confidence >= .95,
	      "six values give 95 %");
	check(stats_location(v, 0, .95, &l) && stats_ratio(v, zero, 2, .95, &l),
	      "no values, or a zero in a ratio, are refused");
	check(stats_median(even, 4) == 2.5 && stats_median(odd, 3) == 2, "medians");
}

/* Every round has every variant once; over enough rounds each has every place equally often. */
static void test_schedule(void)
{
	const struct schedule s = {.variants = 3, .warmup = 1, .rounds = 6};
	unsigned int places[3][3] = {{0}};
	bool ok = schedule_turns(&s) == 21;

	for (size_t i = 0; i < schedule_turns(&s); i++) {
		struct turn turn = schedule_turn(&s, i);

		ok = ok && turn.warmup == (i < 3) && turn.round == (i < 3 ? 1 : i / 3);
		if (!turn.warmup)
			places[turn.variant][i % 3]++;
	}
	for (int v = 0; v < 3; v++)
		for (int p = 0; p < 3; p++)
			ok = ok && places[v][p] == 2;
	check(ok, "the order is balanced");
}

static bool refuses(const char *text)
{
	struct failure failure = {""};
	struct variant v;

	if (variant_parse(text, &v, &failure)) {
		printf("  %s\n", failure.text);
		return true;
	}
	variant_free(&v);
	return false;
}

static void test_variants(void)
{
	struct failure failure = {""};
	struct variant v;

	check(!variant_parse("shift=25,preload=both,env:A=b,,c,qmp:x=1,pin-all,label=name", &v,
			     &failure) &&
		      v.shim && v.enabled && v.preload == PRELOAD_BOTH &&
		      !strcmp(v.env[0], "RDMACHUNK_SHIFT=25") && !strcmp(v.env[1], "A=b,c") &&
		      !strcmp(v.params[0], "x=1") && !strcmp(v.caps[0], "rdma-pin-all") &&
		      !strcmp(v.name, "name"),
	      "a variant with all kinds of settings");
	variant_free(&v);
	check(!variant_parse("off", &v, &failure) && v.shim && !v.enabled, "off");
	variant_free(&v);
	check(!variant_parse("param=1G", &v, &failure) && !v.shim &&
		      !strcmp(v.params[0], "x-rdma-chunk-size=1G"),
	      "param");
	variant_free(&v);
	check(!variant_parse("shim,env:RDMACHUNK_AHEAD=off", &v, &failure) && v.enabled,
	      "a variable by its old name");
	variant_free(&v);
	check(refuses("shim,env:RDMACHUNK_PREFETCH=1") && refuses("shim,env:RDMACHUNK_AHEAD=1") &&
		      refuses("shim,env:RDMACHUNK_PREFETCH=on,env:RDMACHUNK_AHEAD=off"),
	      "bad values of either name, and two that contradict each other, are refused");
	check(refuses("shift=19") && refuses("size=3M") && refuses("shift=25,size=1M") &&
		      refuses("nonsense") && refuses("") && refuses("preload=left") &&
		      refuses("label=") && refuses("shim,env:RDMACHUNK_SHFT=1") &&
		      refuses("env:RDMACHUNK_SHIFT=25") && refuses("shim,env:LD_PRELOAD=/x.so"),
	      "bad variants are refused");
}

static void test_bar(void)
{
	static const int columns[] = {10, 20, 40, 79, 80, 81, 200};
	char text[256];
	bool ok = true;

	for (size_t i = 0; i < sizeof(columns) / sizeof(columns[0]); i++) {
		progress_bar(text, sizeof(text), columns[i], 5, 22, 83,
			     "round 2 of 10, a variant with a rather long name");
		ok = ok && strlen(text) < (size_t)columns[i];
	}
	check(ok, "the bar fits every width");
	progress_bar(text, sizeof(text), 80, 11, 22, 83, "round 2 of 10, stock");
	check(!strcmp(text, "[############............] 11/22  1:23 left  round 2 of 10, stock"),
	      "the bar at 80 columns");
}

/* The process may not write beyond 4 MiB: like a full file system, in the middle of the file. */
static void test_no_space(void)
{
	const struct rlimit limit = {4 << 20, RLIM_INFINITY};
	const struct rlimit none = {RLIM_INFINITY, RLIM_INFINITY};
	struct pattern pattern = {.seed = 1, .zero_fraction = 0.25};
	struct failure failure = {""};
	FILE *f = tmpfile();
	int fd = fileno(f);

	signal(SIGXFSZ, SIG_IGN);
	setrlimit(RLIMIT_FSIZE, &limit);
	check(pattern_fill(fd, 8 << 20, &pattern, &failure) && failure.text[0],
	      "a RAM file without room is a failure, not a signal");
	setrlimit(RLIMIT_FSIZE, &none);
	fclose(f);
}

static uint64_t allocated(int fd)
{
	unsigned char buf[4096];
	uint64_t n = 0;

	for (off_t at = 0; pread(fd, buf, sizeof(buf), at) == sizeof(buf); at += sizeof(buf))
		for (size_t i = 0; i < sizeof(buf); i++)
			if (buf[i]) {
				n++;
				break;
			}
	return n;
}

static void test_pattern(void)
{
	struct pattern sparse = {.seed = 1, .zero_fraction = 0.5, .sparse = 16};
	struct pattern full = {.seed = 2};
	struct comparison c = {0};
	struct failure failure = {""};
	FILE *f = tmpfile(), *g = tmpfile();

	check(!pattern_fill(fileno(f), 8 << 20, &sparse, &failure) &&
		      allocated(fileno(f)) == 4 * 256 / 16,
	      "half of the MiBs, one page of 16");
	check(!pattern_fill(fileno(f), 8 << 20, &full, &failure) &&
		      allocated(fileno(f)) == 8 * 256 &&
		      !pattern_fill(fileno(g), 8 << 20, &full, &failure) &&
		      !pattern_compare(fileno(f), fileno(g), 8 << 20, &c, &failure) &&
		      !c.differing_bytes,
	      "the same seed gives the same RAM");
	check(pwrite(fileno(g), "", 1, 12345) == 1 &&
		      !pattern_compare(fileno(f), fileno(g), 8 << 20, &c, &failure) &&
		      c.differing_bytes == 1 && c.first_difference == 12345,
	      "one byte that differs is found");
	fclose(f);
	fclose(g);
}

/* A round counts for a ratio only if both were measured in it. */
static void test_pairs(void)
{
	struct results r = {.n_variants = 2, .variants = {"a", "b"}};
	struct summary s;

	for (unsigned int round = 1; round <= 7; round++)
		for (size_t v = 0; v < 2; v++) {
			struct sample sample = sample_new(v, round, false);

			sample.value[METRIC_TOTAL] = v ? 2.0 : 1.0 + round;
			if (round == 3 && v)
				sample.status = SAMPLE_FAILED;
			results_add(&r, &sample);
		}
	s = summarize(&r, 1, METRIC_TOTAL);
	check(s.rounds == 6 && s.pairs == 6, "failed rounds are in no pair");
	check(summarize(&r, 1, METRIC_SETUP).verdict == VERDICT_UNKNOWN, "no values, no verdict");
	results_free(&r);
}

/* Two variants, the second's time as long as the first's but in @differing rounds. */
static void add_rounds(struct results *r, unsigned int rounds, unsigned int differing)
{
	for (unsigned int round = 1; round <= rounds; round++)
		for (size_t v = 0; v < 2; v++) {
			struct sample sample = sample_new(v, round, false);

			sample.value[METRIC_TOTAL] = v && round <= differing ? 9 : 5;
			sample.counts_source = v && round > 1 ? COUNTS_SHIM : COUNTS_UNKNOWN;
			results_add(r, &sample);
		}
}

static void test_verdicts(void)
{
	struct results r = {.n_variants = 2, .variants = {"a", "b"}};
	struct summary s;
	char text[1400];

	add_rounds(&r, 14, 0);
	check(summarize(&r, 1, METRIC_TOTAL).verdict == VERDICT_SAME, "every round the same");
	results_free(&r);
	add_rounds(&r, 14, 1);
	s = summarize(&r, 1, METRIC_TOTAL);
	check(s.ratio.low == 1 && s.ratio.high == 1 && s.verdict == VERDICT_NONE,
	      "one round of 14 that differs is not the same in every round");
	summary_variant(&r, 1, text, sizeof(text));
	check(!strcmp(text, "counts: shim in 13 of 14 rounds, unknown in 1 of 14 rounds at the "
			    "source, unknown at the destination"),
	      "where counts come from, when not always from the same");
	results_free(&r);
	add_rounds(&r, 2, 1);
	s = summarize(&r, 1, METRIC_TOTAL);
	check(s.ratio.confidence == 0.5 && !summary_has_interval(&s),
	      "an interval of two rounds is not shown as one of 95 %");
	results_free(&r);
}

static void write_stats(const char *path, const char *text)
{
	FILE *f = fopen(path, "w");
	bool written = f && fputs(text, f) >= 0;

	if (f && fclose(f))
		written = false;
	if (!written)
		check(false, "a file of statistics can be written");
}

/* What the shim has said of QEMU's writes is not what went to the adapter. */
static void test_counts(void)
{
	char stats[] = "/tmp/test-parts-XXXXXX";
	const struct counts_files source = {stats, "/nonexistent"},
				  none = {"/nonexistent", "/nonexistent"};
	struct sample sample = sample_new(0, 1, false);
	int fd = mkstemp(stats);

	check(fd >= 0, "a temporary file");
	write_stats(stats,
		    "{\"role\": \"source\", \"state\": \"active\", "
		    "\"registrations_made\": 5, \"writes\": 103, \"write_wrs\": 7, \"wrs\": 20, "
		    "\"messages_sent\": {\"compress\": 3, \"register_request\": 10}, "
		    "\"messages_received\": {\"ready\": 9}}\n");
	counts_read(&source, &none, &sample);
	check(sample.counts_source == COUNTS_SHIM && sample.value[METRIC_WORK_REQUESTS] == 20 &&
		      sample.value[METRIC_REGISTRATIONS_SOURCE] == 5 &&
		      sample.value[METRIC_MESSAGES] == 22,
	      "work requests are those that were posted");
	write_stats(stats, "{\"role\": \"source\", \"state\": \"passthrough\", "
			   "\"registrations_made\": 0, \"wrs\": 0, \"messages_sent\": {}, "
			   "\"messages_received\": {}}\n");
	counts_read(&source, &none, &sample);
	check(sample.counts_source == COUNTS_PASSTHROUGH &&
		      isnan(sample.value[METRIC_WORK_REQUESTS]) &&
		      isnan(sample.value[METRIC_REGISTRATIONS_SOURCE]),
	      "a connection that passed through was not counted");
	close(fd);
	unlink(stats);
}

int main(void)
{
	test_hollander_wolfe();
	test_darwin();
	test_critical_values();
	test_few_values();
	test_schedule();
	test_variants();
	test_bar();
	test_no_space();
	test_pattern();
	test_pairs();
	test_verdicts();
	test_counts();
	printf("%d passed, %d failed, 0 skipped\n", passed, failed);
	return failed || !passed;
}
