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
#include "util/guest_name.h"
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

/* A string of the user's, with no control characters. */
static void put_string(struct line *line, const char *string)
{
	put(line, "\"");
	for (; *string; string++)
		put(line, "%s%c", *string == '"' || *string == '\\' ? "\\" : "", *string);
	put(line, "\"");
}

/* How the migration ended, as far as can be seen here. */
static const char *outcome(const struct session *s, const struct conn_figures *f, bool disconnected)
{
	if (conn_state(s->conn) == CONN_FAILED)
		return "failed";
	/* QEMU may say ERROR before it disconnects (migration/rdma.c, qemu_rdma_cleanup), but
	 * does not always where it is cancelled: without one it may be complete or not. */
	if (s->peer_error || f->messages.sent[WIRE_ERROR])
		return "aborted";
	if (!disconnected)
		return "unfinished";
	return conn_state(s->conn) == CONN_ACTIVE ? "closed" : "disconnected";
}

/* What every line has. */
static void begin_line(struct line *line, const struct about *about, const char *state)
{
	const char *guest = guest_name();

	put(line, "{\"pid\": %ld, \"version\": \"" PACKAGE_VERSION "\"", (long)getpid());
	if (guest[0]) {
		put(line, ", \"guest\": ");
		put_string(line, guest);
	}
	put(line, ", \"role\": \"%s\", \"state\": \"%s\", \"peer\": \"%s\"",
	    conn_role_name(about->role), state, about->peer);
}

static void end_line(struct line *line, const char *how, double seconds)
{
	put(line, ", \"outcome\": \"%s\", \"seconds\": %.6f}\n", how, seconds);
}

void report_counters(const struct session *s, const struct conn_figures *f,
		     uint64_t counter[FIGURES_COUNTERS])
{
	const uint64_t counters[FIGURES_COUNTERS] = {
		[FIGURES_REQUESTS_SEEN] = f->messages.requests_seen,
		[FIGURES_REQUESTS_SENT] = f->messages.requests_sent,
		[FIGURES_REQUESTS_WIDENED] = f->messages.requests_widened,
		[FIGURES_REQUESTS_ANSWERED] = f->messages.requests_answered,
		[FIGURES_REQUESTS_HELD] = f->messages.requests_held,
		[FIGURES_REQUESTS_AHEAD] = f->messages.requests_prefetched,
		[FIGURES_UNREGISTERS_ANSWERED] = f->messages.unregisters_answered,
		[FIGURES_REGISTRATIONS_ASKED] = f->mrs.asked,
		[FIGURES_REGISTRATIONS_MADE] = f->mrs.made,
		[FIGURES_REGISTRATIONS_AHEAD] = f->mrs.prefetched,
		[FIGURES_REGISTRATIONS_RENEWED] = f->mrs.renewed,
		[FIGURES_REGISTRATION_FALLBACKS] = f->fallbacks,
		[FIGURES_LARGEST_REGISTRATION_BYTES] = f->mrs.largest,
		[FIGURES_PINNED_PEAK_BYTES] = f->mrs.pinned_peak,
		[FIGURES_WRITES] = f->order.writes,
		[FIGURES_WRITE_BYTES] = f->order.write_bytes,
		[FIGURES_WRITE_WRS] = f->order.write_wrs,
		[FIGURES_WRS] = f->order.wrs,
		[FIGURES_DOORBELLS] = f->order.doorbells,
		[FIGURES_DOORBELLS_DELEGATED] = s->delegated,
		[FIGURES_SIGNALED] = f->order.signaled,
		[FIGURES_WRITES_WITHHELD] = f->order.withheld,
		[FIGURES_FENCES] = f->order.fenced,
		[FIGURES_ZEROS] = f->messages.zeros_seen,
		[FIGURES_ZEROS_MERGED] = f->order.zeros_kept,
		[FIGURES_ZEROS_SENT] = f->order.zeros_sent,
		[FIGURES_SCANNED_BYTES] = atomic_load(&s->scan.bytes),
		[FIGURES_SCAN_CPU_NS] = atomic_load(&s->scan.cpu_ns),
	};

	memcpy(counter, counters, sizeof(counters));
}

static void put_counters(struct line *line, const struct session *s, const struct conn_figures *f)
{
	uint64_t counter[FIGURES_COUNTERS];

	report_counters(s, f, counter);
	for (size_t i = 0; i < FIGURES_COUNTERS; i++)
		put(line, ", \"%s\": %" PRIu64, figures_counter_names[i], counter[i]);
	put_messages(line, "messages_sent", f->messages.sent);
	put_messages(line, "messages_received", f->messages.received);
}

static void compose(struct line *line, const struct session *s, const struct conn_figures *f)
{
	begin_line(line, &s->about, conn_state_name(conn_state(s->conn)));
	if (s->passthrough_reason)
		put(line, ", \"reason\": \"%s\"", s->passthrough_reason);
	put(line, ", \"shift\": %u, \"chunk_bytes\": %" PRIu64, f->shift, f->chunk);
	put_counters(line, s, f);
}

/* The line of the log. */
static void say(const struct session *s, const struct conn_figures *f, const char *how,
		double seconds)
{
	unsigned long long bytes = f->order.write_bytes, made = f->mrs.made;
	const char *role = conn_role_name(s->about.role), *peer = about_peer(&s->about);

	if (conn_state(s->conn) == CONN_PASSTHROUGH)
		log_info("%s of a migration, peer %s: %s after %.3f s", role, peer, how, seconds);
	else if (s->about.role == CONN_SOURCE)
		log_info("%s of a migration, peer %s: %s after %.3f s, %llu bytes (%.2f Gbit/s), "
			 "%llu registrations",
			 role, peer, how, seconds, bytes,
			 seconds > 0 ? (double)bytes * 8e-9 / seconds : 0.0, made);
	else
		/* The adapter writes, and nobody here counts. */
		log_info("%s of a migration, peer %s: %s after %.3f s, %llu registrations", role,
			 peer, how, seconds, made);
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

void report_begin(struct about *about)
{
	const char *target = session_config()->stats;
	char path[PATH_MAX];

	__atomic_store_n(&about->reporter, getpid(), __ATOMIC_RELAXED);
	atomic_store(&owner, (long)getpid());
	if (!target || to_stderr())
		return;
	if (config_expand_path(path, sizeof(path), target, (long)getpid())) {
		no_file(target, error_text(ENAMETOOLONG));
		return;
	}
	pthread_once(&file_once, init_file);
	sink_open(&file, path);
}

/* Is it to be told of, by this process? */
static bool is_ours(const struct about *about)
{
	return __atomic_load_n(&about->reporter, __ATOMIC_RELAXED) == getpid();
}

/* That happens once. */
static bool is_due(struct about *about)
{
	bool due = is_ours(about);

	if (due)
		__atomic_store_n(&about->reporter, 0, __ATOMIC_RELAXED);
	return due;
}

static void deliver(struct line *line)
{
	if (to_stderr()) {
		log_stderr(line->text, line->used);
	} else {
		sink_put(&file, line->text, line->used);
		sink_close(&file);
	}
}

void report_session(struct session *s, bool disconnected)
{
	struct line line = {.used = 0};
	int saved_errno = errno;
	struct conn_figures f;
	const char *how;
	double seconds;

	if (!is_due(&s->about))
		return;
	seconds = about_seconds(&s->about);
	conn_figures(s->conn, &f);
	how = outcome(s, &f, disconnected);
	say(s, &f, how, seconds);
	if (session_config()->stats) {
		compose(&line, s, &f);
		end_line(&line, how, seconds);
		deliver(&line);
	}
	errno = saved_errno;
}

void report_observed(struct about *about, bool disconnected)
{
	const char *how = disconnected ? "disconnected" : "unfinished";
	struct line line = {.used = 0};
	int saved_errno = errno;
	double seconds;

	if (!is_due(about))
		return;
	seconds = about_seconds(about);
	log_info("%s of a migration, peer %s, left alone: %s after %.3f s",
		 conn_role_name(about->role), about_peer(about), how, seconds);
	if (session_config()->stats) {
		begin_line(&line, about, "off");
		end_line(&line, how, seconds);
		deliver(&line);
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

	if (atomic_load(&owner) != (long)getpid() ||
	    (!session_config()->stats && !log_is(CONFIG_LOG_INFO)))
		return;
	end = monotonic_ns() + EXIT_NS;
	for (struct session *s = sessions_next(NULL); s; s = sessions_next(s)) {
		/* A parent's may have been locked when it forked: here it is for ever. */
		if (!is_ours(&s->about))
			continue;
		if (!lock_until(s, end)) {
			if (session_config()->stats)
				log_warn(
					"RDMACHUNK_STATS=%.200s: a connection is busy at exit: its "
					"statistics are lost",
					session_config()->stats);
			continue;
		}
		report_session(s, false);
		pthread_mutex_unlock(&s->lock);
	}
}
