/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RDMACHUNK_HOOK_GOT_H
#define RDMACHUNK_HOOK_GOT_H

#include <stddef.h>

/*
 * Hooks in global offset tables, where the module has been loaded into a process that
 * runs already. The tables changed are that of the program, those of QEMU's own modules,
 * and librdmacm's for ibv_close_device, as it closes devices by itself. No others: what
 * another interposer calls must not come back to us.
 *
 * Pages that the loader has made read-only are writable while they are changed.
 */
struct got_hook {
	const char *name;
	void *hook; /* our function of that name */
	/* Set by got_find(): what a call went to before. NULL: nobody calls it. */
	void *next;
};

/*
 * Set `next` of each hook: what the slots of that name hold; that of a function that has
 * not been called yet, where the loader binds late, is looked up. Changes nothing else.
 * Returns the number of slots, of which those hold a hook that are counted in *ours.
 * Thread safe.
 */
size_t got_find(struct got_hook *hooks, size_t count, size_t *ours);

/*
 * Put the hooks in the place of their `next`. A slot that holds something else is left alone.
 * Returns the number of slots changed, or a negative errno: then none is. One caller at a time.
 */
int got_put_in(const struct got_hook *hooks, size_t count);

/*
 * Put those in that are not there: the loader, which was binding a function for another thread
 * when its slot got the hook, has written over it; or QEMU has loaded a module since. Returns the
 * number of slots that hold a hook, or a negative errno. One caller at a time.
 */
int got_renew(const struct got_hook *hooks, size_t count);

/* The opposite of got_put_in(). */
int got_take_out(const struct got_hook *hooks, size_t count);

#endif
