// SPDX-License-Identifier: GPL-2.0-or-later
/* rdmachunk-ab: compares ways of migrating a guest. See options.c for how it is used. */
#include <errno.h>
#include <math.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include "cleanup.h"
#include "json.h"
#include "link.h"
#include "options.h"
#include "output.h"
#include "progress.h"
#include "round.h"
#include "schedule.h"
#include "wait.h"

/* So many failures in a row, and a variant is not tried any more. */
#define FAILURES_MAX 3

enum exit_status { EXIT_MEASURED = 0, EXIT_SOME_FAILED = 1, EXIT_NOT_STARTED = 2 };

static int die(const char *what, const char *why)
{
	fprintf(stderr, "rdmachunk-ab: %s: %s\n", what, why);
	return EXIT_NOT_STARTED;
}

/* The guardian knows the name before there is anything of that name. */
static int make_directory(char *dir, size_t size)
{
	const char *tmp = getenv("TMPDIR");
	uint64_t random;

	if (getrandom(&random, sizeof(random), 0) != sizeof(random))
		return errno;
	snprintf(dir, size, "%s/rdmachunk-ab-%016llx", tmp && *tmp == '/' ? tmp : "/tmp",
		 (unsigned long long)random);
	cleanup_add_path(dir);
	return mkdir(dir, 0700) ? errno : 0;
}

/* Both ends' RAM has to fit: a destination that finds no room is ended by a signal. */
static int check_space(const struct options *o)
{
	uint64_t need = o->ram_size * (o->dest_host ? 1 : 2), have;
	struct statvfs fs;
	char why[200];

	if (o->command && !vm_args_mention(o->command, "{ram}"))
		return 0;
	if (statvfs(o->ram_dir, &fs))
		return die(o->ram_dir, strerror(errno));
	have = (uint64_t)fs.f_bavail * fs.f_frsize;
	/* A tmpfs without a limit says that it has no blocks at all. */
	if (!fs.f_blocks || have >= need)
		return 0;
	snprintf(
		why, sizeof(why),
		"%llu MiB are needed for RAM files, and %llu MiB are free; use --size or --ram-dir",
		(unsigned long long)(need >> 20), (unsigned long long)(have >> 20));
	return die(o->ram_dir, why);
}

/* With the size that is meant: which file it is and at which end does not matter. */
static void join_command(char *text, size_t size, const struct options *o)
{
	const struct vm_line line = {.ram = "{ram}", .end = "{end}", .ram_size = o->ram_size};
	size_t used = 0;

	text[0] = '\0';
	for (const char *const *word = o->command; word && *word && used < size; word++) {
		char *expanded = vm_args_expand(*word, &line);

		used += (size_t)snprintf(text + used, size - used, "%s%s", used ? " " : "",
					 expanded ? expanded : *word);
		free(expanded);
	}
}

static void describe_variant(struct result_variant *described, const struct variant *v,
			     const struct options *o)
{
	snprintf(described->text, sizeof(described->text), "%s", v->text);
	snprintf(described->transport, sizeof(described->transport), "%s", options_transport(o, v));
	snprintf(described->library, sizeof(described->library), "%s",
		 variant_preload_name(options_preload(o, v)));
}

static void name_results(struct results *r, const struct options *o)
{
	if (o->title)
		snprintf(r->title, sizeof(r->title), "%s", o->title);
	if (o->note)
		snprintf(r->note, sizeof(r->note), "%s", o->note);
}

static void describe(struct results *r, const struct options *o, const struct link *link)
{
	time_t now = time(NULL);
	struct tm tm;

	*r = (struct results){
		.ram_size = o->ram_size,
		.seed = o->pattern.seed,
		.zero_fraction = o->pattern.zero_fraction,
		.sparse = o->pattern.sparse,
		.prealloc = o->prealloc,
		.dirty_rate = (double)o->dirty,
		.rounds = o->rounds,
		.warmup = o->warmup,
		.n_variants = o->n_variants,
	};
	if (gmtime_r(&now, &tm))
		strftime(r->created, sizeof(r->created), "%Y-%m-%dT%H:%M:%SZ", &tm);
	name_results(r, o);
	snprintf(r->link, sizeof(r->link), "%s", link->name);
	r->link_gbit = link->gbit;
	snprintf(r->transport, sizeof(r->transport), "%s", o->transport);
	snprintf(r->address, sizeof(r->address), "%s", o->address);
	snprintf(r->destination_host, sizeof(r->destination_host), "%s",
		 o->dest_host ? o->dest_host : "");
	snprintf(r->library, sizeof(r->library), "%.255s", o->lib);
	snprintf(r->count_library, sizeof(r->count_library), "%.255s",
		 o->count_lib ? o->count_lib : "");
	join_command(r->command, sizeof(r->command), o);
	for (size_t i = 0; i < o->n_variants; i++) {
		snprintf(r->variants[i], RESULT_NAME_MAX, "%s", o->variants[i].name);
		describe_variant(&r->settings[i], &o->variants[i], o);
	}
}

static void tell_turn(const struct turn *turn, const struct results *r, char *text, size_t size)
{
	if (turn->warmup)
		snprintf(text, size, "warm-up %u of %u, %s", turn->round, r->warmup,
			 r->variants[turn->variant]);
	else
		snprintf(text, size, "round %u of %u, %s", turn->round, r->rounds,
			 r->variants[turn->variant]);
}

static void tell_result(const struct turn *turn, const struct results *r, const struct sample *s,
			char *text, size_t size)
{
	char value[32];
	size_t used;

	tell_turn(turn, r, text, size);
	used = strlen(text);
	metric_format(value, sizeof(value), METRIC_TOTAL, s->value[METRIC_TOTAL]);
	if (s->status == SAMPLE_OK)
		snprintf(text + used, size - used, ": %s s", value);
	else
		snprintf(text + used, size - used, ": %s", s->reason);
}

static void note_stop(struct results *r)
{
	snprintf(r->stopped, sizeof(r->stopped), "stopped by %s",
		 wait_stop_signal() == SIGINT	 ? "SIGINT"
		 : wait_stop_signal() == SIGTERM ? "SIGTERM"
						 : "SIGHUP");
}

/* One turn, recorded. Returns 0, or an errno value when it cannot be. */
static int take_turn(struct rounds *rounds, const struct turn *turn, struct progress *progress,
		     struct results *r, unsigned int *failures)
{
	struct sample sample = sample_new(turn->variant, turn->round, turn->warmup);
	char text[800];

	tell_turn(turn, r, text, sizeof(text));
	progress_now(progress, text);
	if (*failures > FAILURES_MAX) {
		/* Said once already. */
		progress->done++;
		return 0;
	}
	if (*failures == FAILURES_MAX) {
		sample.status = SAMPLE_FAILED;
		snprintf(sample.reason, sizeof(sample.reason),
			 "not tried any more after %d failures in a row", FAILURES_MAX);
	} else {
		round_run(rounds, &rounds->options->variants[turn->variant], &sample, r);
	}
	*failures = sample.status == SAMPLE_FAILED ? *failures + 1 : 0;
	tell_result(turn, r, &sample, text, sizeof(text));
	progress_done(progress, text, sample.status == SAMPLE_FAILED);
	return results_add(r, &sample) ? ENOMEM : 0;
}

static void redraw(void *progress)
{
	progress_again(progress);
}

static int measure(const struct options *o, const char *dir, struct results *r)
{
	const struct schedule schedule = {o->n_variants, o->warmup, o->rounds};
	struct rounds rounds = {.options = o, .dir = dir};
	unsigned int failures[RESULT_VARIANTS_MAX] = {0};
	struct progress progress;
	bool kept = true;
	int ret = 0;

	snprintf(r->stopped, sizeof(r->stopped), "the run has not ended");
	progress_start(&progress, stderr, schedule_turns(&schedule), o->quiet);
	wait_set_tick(redraw, &progress);
	for (size_t i = 0; i < schedule_turns(&schedule) && !ret && !wait_stop_signal(); i++) {
		struct turn turn = schedule_turn(&schedule, i);

		ret = take_turn(&rounds, &turn, &progress, r, &failures[turn.variant]);
		kept = kept && !output_keep(o, r);
	}
	wait_set_tick(NULL, NULL);
	progress_end(&progress);
	rounds_end(&rounds);
	r->stopped[0] = '\0';
	if (wait_stop_signal())
		note_stop(r);
	return ret;
}

/* What would be measured for nothing is said before, not after minutes. */
static int check_link(const struct options *o, struct link *link)
{
	struct failure failure = {""};

	*link = (struct link){.gbit = NAN};
	if (!options_use_rdma(o) || !link_find(link, o->address, &failure))
		return 0;
	fprintf(stderr,
		"rdmachunk-ab: %s: rdmachunk --check tells what to do; --transport tcp needs no RDMA\n",
		failure.text);
	return EXIT_NOT_STARTED;
}

static void warn_of_tcp(const struct options *o)
{
	for (size_t i = 0; i < o->n_variants; i++) {
		const struct variant *v = &o->variants[i];

		if (v->enabled && options_preload(o, v) != PRELOAD_NONE &&
		    !strcmp(options_transport(o, v), "tcp"))
			fprintf(stderr,
				"rdmachunk-ab: variant %s: the library does nothing over TCP\n",
				v->name);
	}
}

static int run(const struct options *o, struct results *results)
{
	struct link link;
	char dir[240];
	int ret;

	if (output_prepare(o))
		return EXIT_NOT_STARTED;
	ret = check_link(o, &link);
	if (ret)
		return ret;
	warn_of_tcp(o);
	ret = check_space(o);
	if (ret)
		return ret;
	ret = cleanup_start();
	if (ret)
		return die("cannot start a guardian", strerror(ret));
	output_guard(o);
	/* After the guardian, which is not to share it. */
	ret = wait_catch_signals();
	if (ret)
		return die("cannot start", strerror(ret));
	ret = make_directory(dir, sizeof(dir));
	if (ret)
		return die(dir, strerror(ret));
	signal(SIGPIPE, SIG_IGN);
	describe(results, o, &link);
	ret = measure(o, dir, results);
	return ret ? die("cannot go on", strerror(ret)) : 0;
}

/* Nothing at all was measured, though there is a link. */
static void hint(const struct options *o)
{
	if (options_use_rdma(o))
		fputs("rdmachunk-ab: no migration over RDMA succeeded: rdmachunk --check tells "
		      "whether this host can; --transport tcp needs no RDMA\n",
		      stderr);
}

int main(int argc, char **argv)
{
	struct results results = {0};
	struct failure failure = {""};
	struct options options;
	int ret;

	options_parse(&options, argc, argv);
	if (options.report) {
		if (json_read(options.report, &results, &failure))
			return die("--report", failure.text);
		name_results(&results, &options);
		ret = output_prepare(&options) || output_write(&options, &results)
			      ? EXIT_NOT_STARTED
			      : 0;
		results_free(&results);
		options_free(&options);
		return ret;
	}
	ret = run(&options, &results);
	if (!ret && output_write(&options, &results))
		ret = EXIT_NOT_STARTED;
	if (!ret && results_count(&results, SAMPLE_FAILED))
		ret = EXIT_SOME_FAILED;
	if (ret == EXIT_SOME_FAILED && !results_count(&results, SAMPLE_OK))
		hint(&options);
	cleanup_finish();
	if (wait_stop_signal())
		ret = 128 + wait_stop_signal();
	results_free(&results);
	options_free(&options);
	return ret;
}
