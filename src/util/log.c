/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "util/log.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "util/guest_name.h"
#include "util/sink.h"

/* Bytes of a line at most, its newline and the NUL after it among them. */
#define LOG_LINE_LEN 768

/* For a standard error that nobody reads: about a thread's turn on a busy machine. */
#define PATIENCE_MS 20

/* An enum config_log_level. Threads look at both while others open or close the log. */
static atomic_int log_level = CONFIG_LOG_OFF;
static atomic_bool to_file;
static struct sink file;
static bool initialised;

/*
 * Whoever logs may hold a session's lock, and all of QEMU waits for that when the
 * pipe behind standard error is full. So wait for the reader for a moment, once.
 */
void log_stderr(const char *text, size_t len)
{
	static atomic_bool stuck;
	struct pollfd err = {.fd = STDERR_FILENO, .events = POLLOUT};
	int saved_errno = errno;
	ssize_t n;

	while (len) {
		/* With nobody at the other end a write would raise SIGPIPE. */
		if (poll(&err, 1, atomic_load(&stuck) ? 0 : PATIENCE_MS) <= 0 ||
		    (err.revents & (POLLERR | POLLNVAL))) {
			atomic_store(&stuck, true);
			break;
		}
		atomic_store(&stuck, false);
		/* A pipe that can be written to takes this much. */
		n = write(STDERR_FILENO, text, len < PIPE_BUF ? len : PIPE_BUF);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break; /* there is nobody to tell */
		text += n;
		len -= (size_t)n;
	}
	errno = saved_errno;
}

static bool is_leap(unsigned int year)
{
	return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

void log_time(char out[LOG_TIME_LEN], const struct timespec *when)
{
	static const int lengths[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
	int64_t days = when->tv_sec / 86400;
	unsigned int seconds = (unsigned int)(when->tv_sec % 86400), year = 1970, month = 0;
	int length;

	for (; days >= (length = 365 + is_leap(year)); year++)
		days -= length;
	for (; days >= (length = lengths[month] + (month == 1 && is_leap(year))); month++)
		days -= length;
	/* The remainders tell the compiler how long these are. */
	snprintf(out, LOG_TIME_LEN, "%04u-%02u-%02uT%02u:%02u:%02u.%03uZ", year % 10000u,
		 (month + 1) % 100u, (unsigned int)days % 100u + 1, seconds / 3600u % 100u,
		 seconds / 60u % 60u, seconds % 60u,
		 (unsigned int)(when->tv_nsec / 1000000) % 1000u);
}

/* What each line begins with. Returns its length. */
static size_t put_header(char *line, size_t room)
{
	const char *guest = guest_name();
	char when[LOG_TIME_LEN];
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	log_time(when, &now);
	return (size_t)snprintf(line, room, "%s %s%srdmachunk-" PACKAGE_VERSION "[%ld]: ", when,
				guest, guest[0] ? " " : "", (long)getpid());
}

static void put_line(bool file_wanted, const char *format, va_list args)
{
	char line[LOG_LINE_LEN];
	int saved_errno = errno;
	size_t used = put_header(line, sizeof(line));
	int n = vsnprintf(line + used, sizeof(line) - used - 1, format, args);

	if (n > 0) {
		used += (size_t)n < sizeof(line) - used - 1 ? (size_t)n : sizeof(line) - used - 2;
		line[used++] = '\n';
		if (file_wanted)
			sink_put(&file, line, used);
		else
			log_stderr(line, used);
	}
	errno = saved_errno;
}

static void no_file(const char *path, const char *why)
{
	log_always("RDMACHUNK_LOG_FILE=%.200s: %s; logging to standard error: use the path of a "
		   "regular file that can be written",
		   path, why);
}

static void open_file(const char *name)
{
	char path[PATH_MAX];

	if (!name)
		return;
	if (config_expand_path(path, sizeof(path), name, (long)getpid())) {
		log_always("RDMACHUNK_LOG_FILE=%.64s...: path too long; logging to standard error",
			   name);
		return;
	}
	file.warn = no_file;
	file.instead = log_stderr;
	if (!initialised)
		sink_init(&file);
	initialised = true;
	sink_open(&file, path);
	atomic_store(&to_file, true);
}

void log_open(const struct config *cfg)
{
	open_file(cfg->log_file);
	/* Whoever sees the level sees the file. */
	atomic_store(&log_level, (int)cfg->log_level);
}

void log_close(void)
{
	atomic_store(&log_level, CONFIG_LOG_OFF);
	if (atomic_exchange(&to_file, false))
		sink_close(&file);
}

void log_always(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	put_line(false, format, args);
	va_end(args);
}

bool log_is(enum config_log_level level)
{
	return atomic_load(&log_level) >= (int)level;
}

void log_line(enum config_log_level level, const char *format, ...)
{
	va_list args;

	if (!log_is(level))
		return;
	va_start(args, format);
	put_line(atomic_load(&to_file), format, args);
	va_end(args);
}
