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

/*
 * The module has been loaded into a process that ran already: what is next comes from the
 * process's own scope from now on, where the module is not. To be called before any hook
 * can be.
 */
void symbols_attach(void);

/* The real function of this name is `function`, as a caller's table had it. One that is
 * not in the table of real functions is passed over. */
void symbols_set_next(const char *name, void *function);

/* What the loader would bind a call of the program's to, by a name which is one of a hook: with
 * the right one of several twins, our own if the module was preloaded. NULL when there is none. */
void *symbols_find(const char *name);

#endif
