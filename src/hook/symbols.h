/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RDMACHUNK_HOOK_SYMBOLS_H
#define RDMACHUNK_HOOK_SYMBOLS_H

#include "engine/verbs.h"

/*
 * The real functions, looked up at the first call of any hook rather than in a
 * constructor: other libraries' constructors may call them before ours has run.
 * Thread safe. A function that is not there is NULL in the result.
 */
const struct verbs_calls *symbols_resolve(void);

#endif
