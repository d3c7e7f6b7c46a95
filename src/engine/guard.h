/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RDMACHUNK_ENGINE_GUARD_H
#define RDMACHUNK_ENGINE_GUARD_H

#include <stdbool.h>

/*
 * libibverbs and librdmacm call each other and themselves through the symbols
 * we export (ibv_reg_mr() calls ibv_reg_mr_iova2() that way), so a hook that is
 * entered from within a hook on the same thread, or from a thread of ours, must
 * pass straight on.
 */
extern _Thread_local unsigned int guard_depth;

static inline bool guard_enter(void)
{
	return guard_depth++ == 0;
}

static inline void guard_leave(void)
{
	guard_depth--;
}

#endif
