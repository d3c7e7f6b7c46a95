/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RDMACHUNK_UTIL_LOG_H
#define RDMACHUNK_UTIL_LOG_H

#include <stddef.h>

#include "util/config.h"

/*
 * One line per call, in one write(2), to standard error or the log file; never
 * to standard output, never fatal, errno kept. Nobody waits for the file, see
 * util/sink.h, nor longer than a moment for standard error. Thread safe.
 */

/* Until this is called nothing is printed. A log file that cannot be opened is
 * reported on standard error, which then takes the log. */
void log_open(const struct config *cfg);

/* Nothing is printed any more; log_open() may follow. */
void log_close(void);

/* Print whatever the level: for what the user must learn about bad settings. */
void log_always(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Print when the configured level is at least `level`. */
void log_line(enum config_log_level level, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* To standard error as it is. What does not go out at once, or soon, is lost. */
void log_stderr(const char *text, size_t len);

#define log_error(...) log_line(CONFIG_LOG_ERROR, __VA_ARGS__)
#define log_warn(...)  log_line(CONFIG_LOG_WARN, __VA_ARGS__)
#define log_info(...)  log_line(CONFIG_LOG_INFO, __VA_ARGS__)
#define log_debug(...) log_line(CONFIG_LOG_DEBUG, __VA_ARGS__)

#endif
