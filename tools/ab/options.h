/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The command line of rdmachunk-ab. */
#ifndef TOOLS_AB_OPTIONS_H
#define TOOLS_AB_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "pattern.h"
#include "results.h"
#include "variant.h"

/* Bytes of an address, with the null byte. */
#define OPTIONS_ADDRESS 80

/* Strings are argv's, but for those in arrays. */
struct options {
	struct variant variants[RESULT_VARIANTS_MAX];
	size_t n_variants;
	enum preload preload;
	char lib[1024], address[OPTIONS_ADDRESS];
	const char *dest_lib, *count_lib;
	const char *transport, *qemu, *dest_qemu, *root, *machine;
	const char *qemu_args[VM_LIST_MAX];
	const char *dest_host, *ssh;
	const char *const *command; /* somebody's own; NULL: the built-in guest */
	uint64_t ram_size;	    /* bytes */
	struct pattern pattern;
	bool prealloc;
	uint64_t dirty; /* bytes a second that the built-in guest writes to; 0: it is paused */
	const char *ram_dir;
	unsigned int rounds, warmup;
	int64_t timeout; /* milliseconds for one migration */
	const char *json, *csv, *markdown, *chart, *output;
	const char *title, *note, *report;
	bool quiet;
};

/*
 * Read the command line. Ends the process for --help and --version (status 0) and, with a message,
 * when it makes no sense (status 2).
 */
void options_parse(struct options *options, int argc, char **argv);

/* The ends at which the library is loaded for @variant. */
enum preload options_preload(const struct options *options, const struct variant *variant);

/* "rdma" or "tcp". */
const char *options_transport(const struct options *options, const struct variant *variant);

/* Does any variant migrate over RDMA? */
bool options_use_rdma(const struct options *options);

void options_free(struct options *options);

#endif
