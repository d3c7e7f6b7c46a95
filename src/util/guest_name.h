/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RDMACHUNK_UTIL_GUEST_NAME_H
#define RDMACHUNK_UTIL_GUEST_NAME_H

#include <stddef.h>

/* Room for a name; a longer one is cut. */
#define GUEST_NAME_LEN 128

/*
 * The name of this process's guest, as QEMU's option -name has it; "" when there is none. It
 * is read from /proc/self/cmdline at the first call, and has nothing in it that a terminal
 * would act on, and no broken UTF-8.
 */
const char *guest_name(void);

/*
 * The same from a command line of `size` bytes, each argument with a NUL after it, to `out`. The
 * last -name or --name counts: "NAME", "NAME,process=x", "guest=NAME,debug-threads=on"; two
 * commas in a row stand for one (QEMU's util/qemu-option.c, opts_do_parse and
 * get_opt_name_value). An argument of another option that looks like this is taken for it.
 */
void guest_name_parse(char out[GUEST_NAME_LEN], const char *args, size_t size);

#endif
