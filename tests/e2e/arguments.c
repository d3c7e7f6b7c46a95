// SPDX-License-Identifier: GPL-2.0-or-later
#include "arguments.h"

struct vm_config vm_config_with(const struct vm_config *config, const char *const *more)
{
	struct vm_config with = *config;
	size_t n = 0;

	while (with.extra[n])
		n++;
	for (; *more && n < VM_LIST_MAX - 1; more++)
		with.extra[n++] = *more;
	with.extra[n] = NULL;
	return with;
}
