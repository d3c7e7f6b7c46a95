/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "util/log.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "util/sink.h"

/* For a standard error that nobody reads: about a thread's turn on a busy machine. */
#define PATIENCE_MS 20

static enum config_log_level log_level = CONFIG_LOG_OFF;
static struct sink file;
static bool to_file, initialised;

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

static void put_line(bool file_wanted, const char *format, va_list args)
{
	static const char prefix[] = "rdmachunk: ";
	char line[512];
	size_t used = sizeof(prefix) - 1;
	int saved_errno = errno;
	int n;

	memcpy(line, prefix, used);
	n = vsnprintf(line + used, sizeof(line) - used - 1, format, args);
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

void log_open(const struct config *cfg)
{
	char path[PATH_MAX];

	log_level = cfg->log_level;
	if (!cfg->log_file)
		return;
	if (config_expand_path(path, sizeof(path), cfg->log_file, (long)getpid())) {
		log_always("RDMACHUNK_LOG_FILE=%.64s...: path too long; logging to standard error",
			   cfg->log_file);
		return;
	}
	file.warn = no_file;
	file.instead = log_stderr;
	if (!initialised)
		sink_init(&file);
	initialised = true;
	sink_open(&file, path);
	to_file = true;
}

void log_close(void)
{
	log_level = CONFIG_LOG_OFF;
	if (to_file)
		sink_close(&file);
	to_file = false;
}

void log_always(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	put_line(false, format, args);
	va_end(args);
}

void log_line(enum config_log_level level, const char *format, ...)
{
	va_list args;

	if (log_level < level)
		return;
	va_start(args, format);
	put_line(to_file, format, args);
	va_end(args);
}
