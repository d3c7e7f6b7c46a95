/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/report.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "engine/sessions.h"
#include "util/error_text.h"
#include "util/log.h"
#include "util/monotonic.h"
#include "util/sink.h"

/*
 * Written by hand, because a library in QEMU's process must not bring another
 * with it: every name is ours and every string is of our own making.
 */
struct line {
	char text[4096];
	size_t used;
};

static void put(struct line *line, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void put(struct line *line, const char *format, ...)
{
	va_list args;
	int n;

	va_start(args, format);
	n = vsnprintf(line->text + line->used, sizeof(line->text) - line->used, format, args);
	va_end(args);
	if (n > 0 && (size_t)n < sizeof(line->text) - line->used)
		line->used += (size_t)n;
}

static void put_messages(struct line *line, const char *name, const uint64_t counts[WIRE_TYPES])
{
	const char *separator = "";

	put(line, ", \"%s\": {", name);
	for (unsigned int type = 0; type < WIRE_TYPES; type++) {
		if (!counts[type])
			continue;
		put(line, "%s\"%s\": %" PRIu64, separator, wire_type_name(type), counts[type]);
		separator = ", ";
	}
	put(line, "}");
}

/* One counter of a connection: its name in the line and in the manual page. */
struct counter {
	const char *name;
	uint64_t value;
};

static double seconds_since(const struct timespec *start)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)(now.tv_sec - start->tv_sec) + (double)(now.tv_nsec - start->tv_nsec) / 1e9;
}

static void compose(struct line *line, const struct session *s)
{
	struct conn_figures f;

	conn_figures(s->conn, &f);
	const struct counter counters[] = {
		{"requests_seen", f.messages.requests_seen},
		{"requests_sent", f.messages.requests_sent},
		{"requests_widened", f.messages.requests_widened},
		{"requests_answered", f.messages.requests_answered},
		{"requests_held", f.messages.requests_held},
		{"requests_ahead", f.messages.requests_prefetched},
		{"unregisters_answered", f.messages.unregisters_answered},
		{"registrations_asked", f.mrs.asked},
		{"registrations_made", f.mrs.made},
		{"registrations_ahead", f.mrs.prefetched},
		{"registrations_renewed", f.mrs.renewed},
		{"registration_fallbacks", f.fallbacks},
		{"largest_registration_bytes", f.mrs.largest},
		{"pinned_peak_bytes", f.mrs.pinned_peak},
		{"writes", f.order.writes},
		{"write_bytes", f.order.write_bytes},
		{"write_wrs", f.order.write_wrs},
		{"wrs", f.order.wrs},
		{"doorbells", f.order.doorbells},
		{"doorbells_delegated", s->delegated},
		{"signaled", f.order.signaled},
		{"writes_withheld", f.order.withheld},
		{"fences", f.order.fenced},
		{"zeros", f.messages.zeros_seen},
		{"zeros_merged", f.order.zeros_kept},
		{"zeros_sent", f.order.zeros_sent},
		{"scanned_bytes", atomic_load(&s->scan.bytes)},
		{"scan_cpu_ns", atomic_load(&s->scan.cpu_ns)},
	};

	put(line, "{\"pid\": %ld, \"role\": \"%s\", \"state\": \"%s\", \"peer\": \"%s\"",
	    (long)getpid(), conn_role_name(conn_role(s->conn)),
	    conn_state_name(conn_state(s->conn)), s->peer);
	if (s->passthrough_reason)
		put(line, ", \"reason\": \"%s\"", s->passthrough_reason);
	put(line, ", \"shift\": %u, \"chunk_bytes\": %" PRIu64, f.shift, f.chunk);
	for (size_t i = 0; i < sizeof(counters) / sizeof(counters[0]); i++)
		put(line, ", \"%s\": %" PRIu64, counters[i].name, counters[i].value);
	put_messages(line, "messages_sent", f.messages.sent);
	put_messages(line, "messages_received", f.messages.received);
	put(line, ", \"seconds\": %.6f}\n", seconds_since(&s->started));
}

/* How long exit() may be held up by threads that have a session's lock. */
#define EXIT_NS UINT64_C(500000000)

static struct sink file;
static pthread_once_t file_once = PTHREAD_ONCE_INIT;

/* The process whose connections there are to tell of; a child has its parent's memory. */
static atomic_long owner;

static bool to_stderr(void)
{
	return !strcmp(session_config()->stats, "stderr");
}

static void no_file(const char *path, const char *why)
{
	log_warn("RDMACHUNK_STATS=%.200s: %s; statistics are lost: use the path of a regular file "
		 "that can be written, or stderr",
		 path, why);
}

static void init_file(void)
{
	file.warn = no_file;
	sink_init(&file);
}

void report_begin(struct session *s)
{
	const char *target = session_config()->stats;
	char path[PATH_MAX];

	if (!target)
		return;
	if (!to_stderr()) {
		if (config_expand_path(path, sizeof(path), target, (long)getpid())) {
			no_file(target, error_text(ENAMETOOLONG));
			return;
		}
		pthread_once(&file_once, init_file);
		sink_open(&file, path);
	}
	s->reporter = getpid();
	atomic_store(&owner, (long)s->reporter);
}

void report_session(struct session *s)
{
	struct line line = {.used = 0};
	int saved_errno = errno;

	if (!s->reporter || s->reporter != getpid())
		return;
	s->reporter = 0;
	compose(&line, s);
	if (to_stderr()) {
		log_stderr(line.text, line.used);
	} else {
		sink_put(&file, line.text, line.used);
		sink_close(&file);
	}
	errno = saved_errno;
}

/* Other threads run still, and one of them may never come back with the lock. */
static bool lock_until(struct session *s, uint64_t end)
{
	const struct timespec nap = {.tv_nsec = 1000000};

	while (pthread_mutex_trylock(&s->lock)) {
		if (monotonic_ns() >= end)
			return false;
		nanosleep(&nap, NULL);
	}
	return true;
}

void report_exit(void)
{
	uint64_t end;

	if (atomic_load(&owner) != (long)getpid())
		return;
	end = monotonic_ns() + EXIT_NS;
	for (struct session *s = sessions_next(NULL); s; s = sessions_next(s)) {
		if (!lock_until(s, end)) {
			log_warn("RDMACHUNK_STATS=%.200s: a connection is busy at exit: its "
				 "statistics are lost",
				 session_config()->stats);
			continue;
		}
		report_session(s);
		pthread_mutex_unlock(&s->lock);
	}
}
