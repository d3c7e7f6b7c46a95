/* SPDX-License-Identifier: GPL-2.0-or-later */

/*
 * Stands in for the library in a process that rdmachunk attaches to: puts no hooks in, and takes
 * STUB_MS milliseconds for that. It says what STUB_RESULT is, 0 or a negative errno.
 */
#include <stdio.h>
#include <time.h>

#include "util/attach_abi.h"

#ifndef STUB_MS
#define STUB_MS 0
#endif

#ifndef STUB_RESULT
#define STUB_RESULT 0
#endif

#define EXPORT __attribute__((visibility("default")))

EXPORT const char rdmachunk_version[] = "stub";
EXPORT struct attach_info rdmachunk_info = {
	.abi = ATTACH_ABI,
	.size = sizeof(rdmachunk_info),
	.version = "stub",
	.settings_len = 1,
};

EXPORT int rdmachunk_attach(struct attach_request *r)
{
	const struct timespec work = {.tv_nsec = STUB_MS * 1000000L};

	nanosleep(&work, NULL);
	r->slots = 1;
	r->result = STUB_RESULT;
	snprintf(r->message, sizeof(r->message), "the stub says so");
	r->done = 1;
	return r->result;
}
