/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "world.h"

#include <stdarg.h>
#include <stdio.h>

void world_trace(const struct world *w, const char *who, const char *format, ...)
{
	va_list args;

	if (__builtin_expect(!w->trace, 1))
		return;
	printf("%6u %-8s ", w->steps, who);
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	putchar('\n');
}

bool world_fault(struct world *w, enum fault fault)
{
	if (w->settings.fault != fault || !w->fault_due || w->fault_fired)
		return false;
	world_trace(w, "fault", "now");
	w->fault_fired = true;
	return true;
}
