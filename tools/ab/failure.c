// SPDX-License-Identifier: GPL-2.0-or-later
#include "failure.h"

#include <stdarg.h>
#include <stdio.h>

int fail(struct failure *failure, const char *format, ...)
{
	va_list args;

	if (failure->text[0])
		return -1;
	va_start(args, format);
	vsnprintf(failure->text, sizeof(failure->text), format, args);
	va_end(args);
	for (char *p = failure->text; *p; p++)
		if (*p == '\n' || *p == '\r')
			*p = ' ';
	return -1;
}
