/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RDMACHUNK_HOOK_ATTACH_H
#define RDMACHUNK_HOOK_ATTACH_H

#include <stdbool.h>

#include "util/attach_abi.h"

/*
 * rdmachunk(1) has QEMU's main thread call this one once the library is loaded. Puts the
 * hooks in, with these settings, or takes them out; what came of it is in the request.
 * Returns request->result. errno is kept. Refused are a setting that is not allowed, an
 * ABI that is not known, hooks that are in already, by the loader's doing or ours, and
 * taking them out while there is a migration connection.
 */
int rdmachunk_attach(struct attach_request *request);

extern struct attach_info rdmachunk_info;

/*
 * A migration connection is about to begin: are all hooks in? Those that have been lost since the
 * library was attached are put in again. True where it was preloaded. errno is kept. Thread safe.
 */
bool attach_renew(void);

#endif
