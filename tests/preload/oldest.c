/* SPDX-License-Identifier: GPL-2.0-or-later */

/*
 * dlsym(RTLD_NEXT, name) as glibc had it before 2.36: of several versions of a
 * symbol it finds the oldest (sourceware bug 14932). Preloaded behind the module.
 */
#include <dlfcn.h>
#include <stddef.h>

void *dlsym(void *restrict handle, const char *restrict name)
{
	/* Of libc's functions the first version is another on each architecture. */
	static const char *const versions[] = {
		"IBVERBS_1.0", "IBVERBS_1.1", "IBVERBS_1.8", "RDMACM_1.0", "FAKE_1",
		"GLIBC_2.2",   "GLIBC_2.2.5", "GLIBC_2.10",  "GLIBC_2.17",
	};
	void *address = NULL;

	for (size_t i = 0; !address && i < sizeof(versions) / sizeof(versions[0]); i++)
		address = dlvsym(handle, name, versions[i]);
	return address;
}
