// SPDX-License-Identifier: GPL-2.0-or-later
#include "round.h"

#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "cleanup.h"
#include "counts.h"
#include "member.h"
#include "writer.h"

/*
 * The shim writes its statistics when QEMU destroys the connection, which QEMU does some time after
 * the migration has completed, in a thread that does not hold up its exit.
 */
#define STATS_TIMEOUT 2000

/* A QEMU that has not ended by then after it was told to is not going to. */
#define EXIT_TIMEOUT 20000

/* All that one round needs, so that it can be let go of in one place. */
struct round {
	const struct options *o;
	struct rounds *rounds;
	const struct variant *variant;
	struct vmproc source, destination;
	struct vm_config source_config, destination_config;
	struct migration_config migration;
	struct remote remote;
	char source_preload[2048], destination_preload[2048];
	char image[300]; /* for -bios, or empty */
	int64_t deadline;
};

static void in_child(void)
{
	cleanup_add_self();
	signal(SIGPIPE, SIG_DFL);
}

static void preload_list(char *list, size_t size, const char *shim, const char *count)
{
	snprintf(list, size, "%s%s%s", shim ? shim : "", shim && count ? ":" : "",
		 count ? count : "");
}

/* The counting library comes second: it is to see what gets past the shim. */
static void set_preloads(struct round *r)
{
	const struct options *o = r->o;
	enum preload where = options_preload(o, r->variant);
	const char *dest_lib = o->dest_lib ? o->dest_lib : o->lib;
	bool source, destination;

	source = where == PRELOAD_SOURCE || where == PRELOAD_BOTH;
	destination = where == PRELOAD_DESTINATION || where == PRELOAD_BOTH;
	preload_list(r->source_preload, sizeof(r->source_preload), source ? o->lib : NULL,
		     o->count_lib);
	preload_list(r->destination_preload, sizeof(r->destination_preload),
		     destination ? dest_lib : NULL, o->count_lib);
	r->source_config.preload = r->source_preload;
	r->destination_config.preload = r->destination_preload;
	r->source_config.stats = source;
	r->destination_config.stats = destination;
}

static void copy_list(const char **to, char *const *from)
{
	while (*to)
		to++;
	while (*from)
		*to++ = *from++;
}

static void configure(struct round *r)
{
	const struct options *o = r->o;
	const struct variant *v = r->variant;
	struct vm_config *c = &r->source_config;

	*c = (struct vm_config){
		.binary = v->qemu ? v->qemu : o->qemu,
		.root = v->root ? v->root : o->root,
		.machine = o->machine,
		.command = o->command,
		.prealloc = o->prealloc,
	};
	memcpy(c->extra, o->qemu_args, sizeof(c->extra));
	copy_list(c->env, v->env);
	r->destination_config = *c;
	if (o->dest_qemu)
		r->destination_config.binary = o->dest_qemu;
	if (o->dest_host) {
		r->remote = (struct remote){.ssh = o->ssh, .host = o->dest_host};
		snprintf(r->remote.dir, sizeof(r->remote.dir), "%s/rdmachunk-ab-%ld-%lld",
			 o->ram_dir, (long)getpid(), (long long)wait_now());
		r->destination_config.remote = &r->remote;
		r->destination_config.root = NULL;
	}
	set_preloads(r);
	r->migration =
		(struct migration_config){.transport = options_transport(o, v), .addr = o->address};
	copy_list(r->migration.caps, v->caps);
	/* QEMU's default limit would be measured otherwise; a variant may still set its own. */
	r->migration.params[0] = "max-bandwidth=1099511627776";
	copy_list(r->migration.params, v->params);
}

/* Has the guest's RAM a file that we make? */
static bool has_ram_file(const struct options *o)
{
	return !o->command || vm_args_mention(o->command, "{ram}");
}

/*
 * A built-in guest that never runs has the same RAM at the source in every round, filled once;
 * other guests may change theirs.
 */
static int prepare_source(struct round *r, struct vm_start *start, struct failure *failure)
{
	struct rounds *rounds = r->rounds;

	start->no_ram = !has_ram_file(r->o);
	start->reuse_ram_fd = rounds->ram_fd;
	if (vm_prepare(&r->source, "source", start, failure))
		return -1;
	if (start->no_ram || rounds->ram_fd)
		return 0;
	if (pattern_fill(r->source.ram_fd, start->ram_size, &r->o->pattern, failure))
		return -1;
	if (!r->o->command && !r->o->dirty)
		rounds->ram_fd = dup(r->source.ram_fd);
	if (rounds->ram_fd < 0)
		rounds->ram_fd = 0;
	/* The time for a migration begins now. */
	r->deadline = wait_now() + r->o->timeout;
	return 0;
}

/* The firmware of a guest that writes. */
static int make_image(struct round *r, struct failure *failure)
{
	if (!r->o->dirty)
		return 0;
	snprintf(r->image, sizeof(r->image), "%s/writer.rom", r->rounds->dir);
	return writer_write(r->image, r->o->ram_size, r->o->dirty, failure);
}

static int start_both(struct round *r, struct failure *failure)
{
	struct vm_start start = {
		.dir = r->rounds->dir,
		.ram_dir = r->o->ram_dir,
		.ram_size = r->o->ram_size,
		.paused = !r->o->command && !r->o->dirty,
		.in_child = in_child,
	};

	if (prepare_source(r, &start, failure) || make_image(r, failure))
		return -1;
	start.bios = r->image[0] ? r->image : NULL;
	if (vm_start(&r->source, &r->source_config, &start, failure))
		return -1;
	start.incoming = true;
	/* What comes along is as large as QEMU's own firmware. */
	if (r->o->dest_host)
		start.bios = NULL;
	/* It does not run when it has arrived, or its RAM could not be compared. */
	start.paused = true;
	start.reuse_ram_fd = 0;
	start.no_ram = start.no_ram || r->o->dest_host;
	if (vm_prepare(&r->destination, "destination", &start, failure) ||
	    vm_start(&r->destination, &r->destination_config, &start, failure) ||
	    vm_connect(&r->source, r->deadline, failure))
		return -1;
	return vm_connect(&r->destination, r->deadline, failure);
}

static double milliseconds(struct json_object *info, const char *name)
{
	return member_number(info, name) / 1000;
}

static void take_query(struct round *r, struct sample *sample)
{
	struct json_object *info = migration_query(&r->source, r->deadline);
	struct json_object *ram = member(info, "ram", json_type_object);
	double total = member_number(ram, "total"), data = member_number(ram, "normal-bytes");
	double bytes = (double)r->o->ram_size, seconds;

	if (!info)
		return;
	if (r->o->command && !isnan(total))
		bytes = total;
	sample->value[METRIC_TOTAL] = milliseconds(info, "total-time");
	sample->value[METRIC_SETUP] = milliseconds(info, "setup-time");
	sample->value[METRIC_DOWNTIME] = milliseconds(info, "downtime");
	if (sample->value[METRIC_TOTAL] > 0)
		sample->value[METRIC_THROUGHPUT] = bytes / (1 << 20) / sample->value[METRIC_TOTAL];
	/* QEMU's setup time is part of the total, and nothing is sent in it. */
	seconds = sample->value[METRIC_TOTAL] - sample->value[METRIC_SETUP];
	if (seconds > 0)
		sample->value[METRIC_DATA_RATE] = data * 8 / 1e9 / seconds;
	json_object_put(info);
}

static double difference(double after, double before)
{
	return after < 0 || before < 0 ? NAN : after - before;
}

static int migrate(struct round *r, struct sample *sample, struct failure *failure)
{
	struct migration m;
	double source = vm_cpu_seconds(&r->source), destination = vm_cpu_seconds(&r->destination);

	if (migration_start(&m, &r->migration, &r->source, &r->destination, r->deadline, failure) ||
	    migration_wait_completed(&m, r->deadline, failure))
		return -1;
	sample->value[METRIC_CPU_SOURCE] = difference(vm_cpu_seconds(&r->source), source);
	sample->value[METRIC_CPU_DESTINATION] =
		difference(vm_cpu_seconds(&r->destination), destination);
	take_query(r, sample);
	if (isnan(sample->value[METRIC_TOTAL]))
		return fail(failure, "source: QEMU does not tell the migration's total time");
	return 0;
}

/* Checksums take longer than a comparison, and only they can be had of another host's file. */
static int compare_remote(struct round *r, struct sample *sample, struct failure *failure)
{
	char ours[CHECKSUM_LEN], theirs[CHECKSUM_LEN];

	if (local_checksum(r->source.ram_fd, ours, r->deadline) ||
	    remote_checksum(&r->remote, theirs, r->deadline))
		return 0;
	sample->ram = strcmp(ours, theirs) ? RAM_DIFFERENT : RAM_IDENTICAL;
	return sample->ram == RAM_DIFFERENT
		       ? fail(failure,
			      "RAM differs: its SHA-256 is %s at the source and %s at the "
			      "destination",
			      ours, theirs)
		       : 0;
}

static int compare_ram(struct round *r, struct sample *sample, struct failure *failure)
{
	struct comparison c;

	if (!has_ram_file(r->o))
		return 0;
	if (r->o->dest_host)
		return compare_remote(r, sample, failure);
	if (pattern_compare(r->source.ram_fd, r->destination.ram_fd, r->o->ram_size, &c, failure))
		return -1;
	sample->ram = c.differing_bytes ? RAM_DIFFERENT : RAM_IDENTICAL;
	if (c.differing_bytes)
		return fail(failure, "RAM differs in %llu bytes, first at 0x%llx",
			    (unsigned long long)c.differing_bytes,
			    (unsigned long long)c.first_difference);
	return 0;
}

static void wait_for_stats(const struct round *r, const struct vmproc *vm,
			   const struct vm_config *config)
{
	int64_t deadline = wait_now() + STATS_TIMEOUT;
	struct stat st;

	if (!config->stats || !r->variant->enabled || strcmp(r->migration.transport, "rdma"))
		return;
	if (config->remote) {
		remote_wait_stats(config->remote, STATS_TIMEOUT, r->deadline);
		return;
	}
	/* A line comes with one write, whole. */
	while ((stat(vm->stats, &st) || !st.st_size) && !wait_over(deadline))
		wait_fds(NULL, 0, wait_now() + 5);
}

/* A crash at the end is a failure, too. */
static int end_one(struct vmproc *vm, int64_t timeout, struct failure *failure)
{
	char how[512];

	if (vm_quit(vm, wait_now() + (timeout < EXIT_TIMEOUT ? timeout : EXIT_TIMEOUT), failure))
		return -1;
	if (!vm->exit_status)
		return vm_check_loader(vm, failure);
	vm_describe_end(vm, how, sizeof(how));
	return fail(failure, "after the migration, %s", how);
}

static int end_both(struct round *r, struct failure *failure)
{
	wait_for_stats(r, &r->source, &r->source_config);
	wait_for_stats(r, &r->destination, &r->destination_config);
	if (end_one(&r->source, r->o->timeout, failure))
		return -1;
	return end_one(&r->destination, r->o->timeout, failure);
}

static void take_counts(struct round *r, struct sample *sample)
{
	const struct counts_files source = {r->source.stats, r->source.counts};
	const struct counts_files destination = {r->destination.stats, r->destination.counts};

	counts_read(&source, &destination, sample);
	/* Of its whole life: another host's clocks cannot be read in between. */
	if (r->o->dest_host && r->destination.cpu_seconds >= 0)
		sample->value[METRIC_CPU_DESTINATION] = r->destination.cpu_seconds;
}

/* Why, with the word of a QEMU that is gone: it knows more than who waited for it in vain. */
static void explain(struct round *r, struct sample *sample, const struct failure *failure)
{
	struct vmproc *const vms[] = {&r->source, &r->destination};
	size_t used;
	char how[440];

	sample->status = wait_stop_signal() ? SAMPLE_INTERRUPTED : SAMPLE_FAILED;
	used = (size_t)snprintf(sample->reason, sizeof(sample->reason), "%s",
				wait_stop_signal() ? "interrupted" : failure->text);
	for (size_t i = 0; i < 2 && !wait_stop_signal(); i++) {
		if (!vm_has_ended(vms[i]) || used >= sizeof(sample->reason))
			continue;
		vm_describe_end(vms[i], how, sizeof(how));
		used += (size_t)snprintf(sample->reason + used, sizeof(sample->reason) - used,
					 "; %s", how);
	}
	for (int m = 0; m < METRICS; m++)
		sample->value[m] = NAN;
}

static void release(struct vmproc *vm)
{
	vm_release(vm);
	cleanup_forget(vm->group);
}

static void note_version(char version[RESULT_VERSION_MAX], const struct vmproc *vm)
{
	if (!version[0])
		snprintf(version, RESULT_VERSION_MAX, "%.31s", vm->qmp.version);
}

static void note_versions(const struct round *r, struct result_variant *variant,
			  struct results *results)
{
	note_version(results->qemu_source, &r->source);
	note_version(results->qemu_destination, &r->destination);
	note_version(variant->qemu_source, &r->source);
	note_version(variant->qemu_destination, &r->destination);
}

void round_run(struct rounds *rounds, const struct variant *variant, struct sample *sample,
	       struct results *results)
{
	struct round *r = calloc(1, sizeof(*r));
	struct failure failure = {""};

	if (!r) {
		sample->status = SAMPLE_FAILED;
		snprintf(sample->reason, sizeof(sample->reason), "no memory");
		return;
	}
	*r = (struct round){.o = rounds->options, .rounds = rounds, .variant = variant};
	r->deadline = wait_now() + r->o->timeout;
	configure(r);
	if (start_both(r, &failure) || migrate(r, sample, &failure) ||
	    compare_ram(r, sample, &failure) || end_both(r, &failure))
		explain(r, sample, &failure);
	note_versions(r, &results->settings[sample->variant], results);
	if (sample->status == SAMPLE_OK)
		take_counts(r, sample);
	release(&r->source);
	release(&r->destination);
	free(r);
}

void rounds_end(struct rounds *rounds)
{
	if (rounds->ram_fd > 0)
		close(rounds->ram_fd);
	rounds->ram_fd = 0;
}
