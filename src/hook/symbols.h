/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RDMACHUNK_HOOK_SYMBOLS_H
#define RDMACHUNK_HOOK_SYMBOLS_H

#include "engine/verbs.h"

/*
 * The real functions, looked up when a hook is first called rather than in a
 * constructor: other libraries' constructors may call them before ours has run.
 * What is not there yet is looked for again at the next call: a program may load
 * libibverbs first and librdmacm later. Thread safe. A function that is not
 * there is NULL in the result.
 */
const struct verbs_calls *symbols_resolve(void);

#endif
