// SPDX-License-Identifier: GPL-2.0-or-later
#include "report.h"

#include "completion.h"
#include "settings.h"
#include "fault.h"
#include "frames.h"
#include "memory.h"
#include "queue_pair.h"
#include "wire.h"

#include <inttypes.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static void expand_pid(char *out, size_t size, const char *path)
{
	const char *mark = strstr(path, "%p");

	if (mark)
		snprintf(out, size, "%.*s%d%s", (int)(mark - path), path, (int)getpid(), mark + 2);
	else
		snprintf(out, size, "%s", path);
}

static void number(FILE *file, const char *name, uint64_t value)
{
	fprintf(file, "\t\"%s\": %" PRIu64 ",\n", name, value);
}

static void print_report(FILE *file)
{
	struct completion_counts completion;
	struct memory_counts memory;
	struct frame_counts frames;
	int i;

	fab_memory_counts(&memory);
	fab_completion_counts(&completion);
	fab_frame_counts(&frames);
	fprintf(file, "{\n\t\"simulation\": true,\n");
	number(file, "pid", getpid());
	number(file, "live_pds", memory.live_pds);
	number(file, "live_mrs", memory.live_mrs);
	number(file, "live_cqs", completion.live_cqs);
	number(file, "live_channels", completion.live_channels);
	number(file, "live_qps", fab_live_qps());
	number(file, "live_kept_pages", frames.live);
	number(file, "most_mrs", memory.most_mrs);
	number(file, "pinned_bytes", memory.pinned);
	number(file, "most_pinned_bytes", memory.most_pinned);
	number(file, "registered_bytes", memory.registered);
	number(file, "kept_pages", frames.total);
	number(file, "sent_bytes", fab_wire_bytes());
	number(file, "completions", completion.completions);
	number(file, "error_completions", completion.errors);
	number(file, "cq_events", completion.events);
	number(file, "cq_overruns", completion.overruns);
	number(file, "faults_injected", fab_faults_injected());
	fprintf(file, "\t\"calls\": {\n");
	for (i = 0; i < VERB_COUNT; i++)
		fprintf(file, "\t\t\"%s\": %" PRIu64 "%s\n", fab_verb_name(i), fab_verb_calls(i),
			i + 1 < VERB_COUNT ? "," : "");
	fprintf(file, "\t}\n}\n");
}

void fab_report_write(void)
{
	const struct fabric_config *config = fab_config();
	char path[PATH_MAX], temporary[PATH_MAX + 8];
	FILE *file;

	if (!config || !*config->report)
		return;
	pthread_mutex_lock(&lock);
	expand_pid(path, sizeof(path), config->report);
	/* Renamed into place: a reader, or a kill, never sees half a report. */
	snprintf(temporary, sizeof(temporary), "%s.new", path);
	file = fopen(temporary, "we");
	if (file) {
		print_report(file);
		if (fclose(file) == 0)
			rename(temporary, path);
	}
	pthread_mutex_unlock(&lock);
}

/* A shell or a launcher in between has the libraries loaded, too, and nothing to report. */
__attribute__((destructor)) static void at_exit(void)
{
	int i;

	for (i = 0; i < VERB_COUNT; i++) {
		if (fab_verb_calls(i)) {
			fab_report_write();
			return;
		}
	}
}
