/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One migration between two new QEMUs, measured. */
#ifndef TOOLS_AB_ROUND_H
#define TOOLS_AB_ROUND_H

#include "migration.h"
#include "options.h"
#include "results.h"
#include "variant.h"

/* What rounds have in common. */
struct rounds {
	const struct options *options;
	const char *dir; /* for logs */
	int ram_fd;	 /* the source's RAM, filled once for all rounds, or 0 */
};

/*
 * Migrate once in the way of @variant. Fills *sample but for variant, round and warmup, whatever
 * happens: that it failed is in there. QEMU's versions go to @results.
 */
void round_run(struct rounds *rounds, const struct variant *variant, struct sample *sample,
	       struct results *results);

/* Close what is kept from round to round. */
void rounds_end(struct rounds *rounds);

#endif
