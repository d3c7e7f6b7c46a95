/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Registrations, messages and WRs of one migration: from the shim's statistics where it was in the
 * path, or from a counting preload's report, which is preferred because it sits behind the shim.
 * QEMU itself does not tell these numbers.
 */
#ifndef TOOLS_AB_COUNTS_H
#define TOOLS_AB_COUNTS_H

#include "results.h"

struct counts_files {
	const char *stats;  /* JSON lines of RDMACHUNK_STATS; may not exist */
	const char *counts; /* JSON object of the counting preload; may not exist */
};

void counts_read(const struct counts_files *source, const struct counts_files *destination,
		 struct sample *sample);

#endif
