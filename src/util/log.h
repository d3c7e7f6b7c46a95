/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RDMACHUNK_UTIL_LOG_H
#define RDMACHUNK_UTIL_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <time.h>

#include "util/config.h"

/*
 * One line per call, in one write(2), to standard error or the log file; never
 * to standard output, never fatal, errno kept. A line is as QEMU's own with
 * "-msg timestamp=on,guest-name=on" (util/error-report.c, vreport):
 *
 *      2026-11-29T03:41:49.123Z GUEST rdmachunk-VERSION[PID]: message
 *
 * without GUEST when QEMU has no -name, and a long message is cut. Nobody waits for the file, see
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

/* Is that so? For what would take time to compose. */
bool log_is(enum config_log_level level);

/* Room for log_time(). */
#define LOG_TIME_LEN 32

/* A time of CLOCK_REALTIME, from 1970 on, as lines have it: ISO 8601, UTC. Takes no lock and reads
 * no file, which gmtime_r() does. */
void log_time(char out[LOG_TIME_LEN], const struct timespec *when);

/* To standard error as it is. What does not go out at once, or soon, is lost. */
void log_stderr(const char *text, size_t len);

#define log_error(...) log_line(CONFIG_LOG_ERROR, __VA_ARGS__)
#define log_warn(...)  log_line(CONFIG_LOG_WARN, __VA_ARGS__)
#define log_info(...)  log_line(CONFIG_LOG_INFO, __VA_ARGS__)
#define log_debug(...) log_line(CONFIG_LOG_DEBUG, __VA_ARGS__)

#endif
