/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One way of migrating that is to be compared with others. */
#ifndef TOOLS_AB_VARIANT_H
#define TOOLS_AB_VARIANT_H

#include <stdbool.h>
#include <stddef.h>

#include "failure.h"
#include "vmargs.h"

enum preload { PRELOAD_DEFAULT, PRELOAD_NONE, PRELOAD_SOURCE, PRELOAD_DESTINATION, PRELOAD_BOTH };

/* Lists end with NULL; their strings belong to the variant. */
struct variant {
	char name[96];
	char text[256];		       /* as it was given */
	bool shim;		       /* the library is preloaded at the ends that @preload says */
	bool tcp;		       /* over TCP, whatever the command line says */
	bool enabled;		       /* nothing it has been told turns it off */
	enum preload preload;	       /* PRELOAD_DEFAULT: what the command line says for all */
	char *env[VM_LIST_MAX - 4];    /* NAME=VALUE, for both ends */
	char *params[VM_LIST_MAX - 4]; /* migration parameters of both ends, NAME=VALUE */
	char *caps[VM_LIST_MAX - 4];   /* migration capabilities of both ends */
	char *qemu, *root;	       /* in place of --qemu and --qemu-root, or NULL */
};

/* How @text is to be written, for the help text. */
extern const char variant_help[];

/*
 * Read a variant such as "shift=25,env:RDMACHUNK_LOG=info". Returns 0, or -1 with a failure text
 * and nothing to free.
 */
int variant_parse(const char *text, struct variant *variant, struct failure *failure);

/* The name of an end, "source", "destination", "both" or "none"; PRELOAD_DEFAULT: unknown. */
enum preload variant_preload(const char *text);

/* The other way round; PRELOAD_DEFAULT: "". */
const char *variant_preload_name(enum preload preload);

void variant_free(struct variant *variant);

#endif
