/* SPDX-License-Identifier: GPL-2.0-or-later */
/* QEMU's command line: that of the built-in small guest, or somebody's own with what we add. */
#ifndef TOOLS_AB_VMARGS_H
#define TOOLS_AB_VMARGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "failure.h"

#define VM_LIST_MAX 32
#define VM_ARGS_MAX 256

/* A list of arguments; owns its strings. Starts as zeros; ends with NULL at any time. */
struct vm_args {
	char *v[VM_ARGS_MAX + 1];
	size_t n;
};

/* What the command line is made from. Strings are not owned. */
struct vm_line {
	const char *binary;
	const char *machine;	  /* -machine's value without memory-backend */
	const char *memory;	  /* its memory backend without id and size; NULL: a shared file */
	const char *const *extra; /* more arguments; NULL ends the list; may be NULL */
	const char *const *command; /* whole command in place of the built-in guest, or NULL */
	const char *end;	    /* "source" or "destination" */
	const char *ram;	    /* path of the RAM file */
	uint64_t ram_size;	    /* bytes */
	const char *chardev;	    /* for QMP, without an id, such as "socket,fd=3" */
	const char *bios;	    /* an image for -bios, or NULL */
	bool prealloc;		    /* of the built-in guest: all pages are there from the start */
	bool incoming, paused;	    /* -incoming defer, -S */
};

/*
 * Append the command line to @args. In a command of somebody's own {ram}, {size} (bytes) and {end}
 * are replaced, wherever they stand.
 */
int vm_args_build(struct vm_args *args, const struct vm_line *line, struct failure *failure);

/* @text with these replaced; to be freed by the caller; NULL: no memory. */
char *vm_args_expand(const char *text, const struct vm_line *line);

int vm_args_add(struct vm_args *args, const char *text, struct failure *failure);

void vm_args_free(struct vm_args *args);

/* Does any argument of @command contain @placeholder, such as "{ram}"? */
bool vm_args_mention(const char *const *command, const char *placeholder);

#endif
