/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/report.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "util/log.h"

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
	const struct conn_counters *c = &s->conn.counters;
	const struct transmit_counters *t = &s->conn.transmit.counters;
	const struct counter counters[] = {
		{"requests_seen", c->requests_seen},
		{"requests_sent", c->requests_sent},
		{"requests_widened", c->requests_widened},
		{"requests_answered", c->requests_answered},
		{"requests_held", c->requests_held},
		{"requests_ahead", c->requests_ahead},
		{"unregisters_answered", c->unregisters_answered},
		{"registrations_asked", s->counters.asked},
		{"registrations_made", s->counters.made},
		{"registrations_ahead", s->counters.ahead},
		{"registrations_renewed", s->counters.renewed},
		{"registration_fallbacks", s->conn.policy.fallbacks},
		{"largest_registration_bytes", s->counters.largest},
		{"pinned_peak_bytes", s->counters.pinned_peak},
		{"writes", t->writes},
		{"write_bytes", t->write_bytes},
		{"write_wrs", t->write_wrs},
		{"wrs", t->wrs},
		{"doorbells", t->doorbells},
		{"doorbells_delegated", s->counters.delegated},
		{"signaled", t->signaled},
		{"writes_withheld", t->withheld},
		{"fences", t->fenced},
		{"zeros", c->zeros_seen},
		{"zeros_merged", t->zeros_kept},
		{"zeros_sent", t->zeros_sent},
	};

	put(line, "{\"pid\": %ld, \"role\": \"%s\", \"state\": \"%s\", \"peer\": \"%s\"",
	    (long)getpid(), conn_role_name(s->conn.role), conn_state_name(s->conn.state), s->peer);
	if (s->passthrough_reason)
		put(line, ", \"reason\": \"%s\"", s->passthrough_reason);
	put(line, ", \"shift\": %u, \"chunk_bytes\": %" PRIu64, s->conn.options.shift,
	    s->conn.source.chunk_size);
	for (size_t i = 0; i < sizeof(counters) / sizeof(counters[0]); i++)
		put(line, ", \"%s\": %" PRIu64, counters[i].name, counters[i].value);
	put_messages(line, "messages_sent", c->sent);
	put_messages(line, "messages_received", c->received);
	put(line, ", \"seconds\": %.6f}\n", seconds_since(&s->started));
}

static int open_target(const char *target, char *path, size_t len)
{
	if (!strcmp(target, "stderr"))
		return STDERR_FILENO;
	if (config_expand_path(path, len, target, (long)getpid())) {
		errno = ENAMETOOLONG;
		return -1;
	}
	return open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
}

void report_session(const struct session *s)
{
	const char *target = session_config()->stats;
	int saved_errno = errno;
	struct line line = {.used = 0};
	char path[PATH_MAX];
	int fd;

	/* A candidate that never connected was no migration connection. */
	if (!target || s->conn.role == CONN_NO_ROLE)
		return;
	compose(&line, s);
	fd = open_target(target, path, sizeof(path));
	if (fd < 0 || write(fd, line.text, line.used) < 0)
		log_warn("RDMACHUNK_STATS=%s: %s", target, strerror(errno));
	if (fd >= 0 && fd != STDERR_FILENO)
		close(fd);
	errno = saved_errno;
}
