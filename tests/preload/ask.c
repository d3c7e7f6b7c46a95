/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "ask.h"

#include <dlfcn.h>
#include <stdio.h>

#include "peer.h"

void *ask_open(const char *path)
{
	void *library = dlopen(path, RTLD_NOW);

	if (!library)
		fprintf(stderr, "%s\n", dlerror());
	return library;
}

int ask_with(void *library, enum attach_action action, const char *settings, size_t len)
{
	int (*entry)(struct attach_request *) = dlsym(library, ATTACH_ENTRY);
	struct attach_request request = {
		.abi = ATTACH_ABI,
		.action = action,
		.settings = (uintptr_t)settings,
		.settings_len = (uint32_t)len,
	};

	must(entry);
	entry(&request);
	must(request.done);
	if (request.result)
		fprintf(stderr, "%s\n", request.message);
	return request.result;
}

int ask(void *library, enum attach_action action)
{
	static const char none[1];

	return ask_with(library, action, none, sizeof(none));
}
