/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "fake.h"

#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

bool fake_recording(void)
{
	return getenv("FAKE_LOG") != NULL;
}

/* Opened anew each time: a test may fork, and may run before main(). */
void fake_record(const char *format, ...)
{
	const char *path = getenv("FAKE_LOG");
	char line[256];
	va_list args;
	int fd, n;

	if (!path)
		return;
	va_start(args, format);
	n = vsnprintf(line, sizeof(line) - 1, format, args);
	va_end(args);
	line[n++] = '\n';
	fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
	if (fd < 0 || write(fd, line, (size_t)n) != n)
		abort();
	close(fd);
}
