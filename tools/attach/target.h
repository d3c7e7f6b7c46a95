/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RDMACHUNK_ATTACH_TARGET_H
#define RDMACHUNK_ATTACH_TARGET_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "util/attach_abi.h"

/* A shared object, or the program, in the memory of a process. */
struct target_module {
	char name[PATH_MAX]; /* as the loader knows it; "" for the program */
	uint64_t bias, dynamic;
};

/* The memory of a process, and what the loader has put there. Reading does not disturb it. */
struct target {
	pid_t pid;
	int mem;
	bool dynamic;		       /* a loader has loaded modules into it */
	struct target_module *modules; /* in the order of loading, the program first */
	size_t count;
	uint64_t vdso; /* address of the kernel's own shared object; 0: none */
};

/*
 * For whom the kernel lets trace the process. 0, to be ended with target_close(); or a
 * negative errno: -EACCES or -EPERM when we may not, -EAGAIN when its loader has been at work
 * for two seconds, which are waited for, -ESRCH.
 */
int target_open(struct target *target, pid_t pid);
void target_close(struct target *target);

/* All of it, or a negative errno. */
int target_read(const struct target *target, uint64_t address, void *out, size_t len);
int target_write(const struct target *target, uint64_t address, const void *data, size_t len);

/* A string, up to its NUL or where it cannot be read any further. */
void target_read_string(const struct target *target, uint64_t address, char *out, size_t size);

/* The modules afresh, as one has been loaded. 0 or a negative errno, -EAGAIN as above. */
int target_reload(struct target *target);

/*
 * The first module whose file has a name that begins so, such as "libc.so."; NULL when there is
 * none.
 */
const struct target_module *target_module(const struct target *target, const char *prefix);

/* The address of what the module defines under this name, or 0. The vdso has no module: NULL. */
uint64_t target_symbol(const struct target *target, const struct target_module *module,
		       const char *name);

/* A copy of the module's code, to be freed: *address is where it is in the process, *len its bytes.
 * NULL when it cannot be read. */
unsigned char *target_text(const struct target *target, const struct target_module *module,
			   uint64_t *address, size_t *len);

/* Whether the library is in there, and in which way. */
enum target_library {
	TARGET_ABSENT,
	TARGET_PRELOADED, /* with the hooks in, by the loader */
	TARGET_INERT,	  /* loaded, the hooks not in */
	TARGET_ATTACHED,
};

/* Would the library be known by this file's name: librdmachunk.so, with whatever behind it? */
bool target_is_library(const char *path);

/*
 * Sets *module to the library's, NULL when it is absent, and *info, which is all zero of a library
 * that does not know how to be attached. Of several that are in there, the one that has its hooks
 * in; else the one that was loaded last.
 */
enum target_library target_library(const struct target *target, const struct target_module **module,
				   struct attach_info *info);

/*
 * A library of this version that is loaded, has its hooks out and can be attached; NULL when there
 * is none. Sets *info as above.
 */
const struct target_module *target_inert(const struct target *target, const char *version,
					 struct attach_info *info);

/*
 * Has the file of a library that is loaded been cut and written again? The kernel takes away then
 * what the loader has written to its pages: its dynamic section has no absolute addresses any more.
 */
bool target_overwritten(const struct target *target);

#endif
