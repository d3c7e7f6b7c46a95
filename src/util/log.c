/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "util/log.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static enum config_log_level log_level = CONFIG_LOG_OFF;
static int log_fd = STDERR_FILENO;

static void put_line(int fd, const char *format, va_list args)
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
		/* There is nobody to tell when even this fails. */
		if (write(fd, line, used) < 0)
			errno = saved_errno;
	}
	errno = saved_errno;
}

void log_open(const struct config *cfg)
{
	char path[PATH_MAX];
	int fd;

	log_level = cfg->log_level;
	if (!cfg->log_file)
		return;
	if (config_expand_path(path, sizeof(path), cfg->log_file, (long)getpid())) {
		log_always("RDMACHUNK_LOG_FILE=%.64s...: path too long; logging to standard error",
			   cfg->log_file);
		return;
	}
	fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
	if (fd < 0) {
		log_always("RDMACHUNK_LOG_FILE=%s: %s; logging to standard error", path,
			   strerror(errno));
		return;
	}
	log_fd = fd;
}

void log_always(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	put_line(STDERR_FILENO, format, args);
	va_end(args);
}

void log_line(enum config_log_level level, const char *format, ...)
{
	va_list args;

	if (log_level < level)
		return;
	va_start(args, format);
	put_line(log_fd, format, args);
	va_end(args);
}
