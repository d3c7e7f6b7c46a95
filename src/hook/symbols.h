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

/*
 * The definition of `name` that the loader would have taken had the module not
 * been there: the next one in look-up order, whoever has it; NULL when there is
 * none. For functions that exist in one version only: with glibc before 2.36 it
 * is the oldest version of several. Takes the loader's lock and no other,
 * allocates only where dlsym(3) itself does, keeps errno. Thread safe.
 */
void *symbols_next(const char *name);

#endif
