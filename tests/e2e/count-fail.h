/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Fault injection for the counting preload, from the environment variable RDMACOUNT_FAIL:
 * rules separated by commas, each
 *
 *	FUNCTION:CONDITION[:errno=NAME]
 *
 * where FUNCTION is ibv_reg_mr, post_send or thread (the shim creates one), CONDITION is over=BYTES
 * (registrations larger than that), nth=N (the Nth call of the process, from 1) or from=N (the Nth
 * call and all later ones), and NAME is ENOMEM (the default), EINVAL, EFAULT, EPERM, EAGAIN, EIO or
 * a number.
 */
#ifndef TESTS_E2E_COUNT_FAIL_H
#define TESTS_E2E_COUNT_FAIL_H

#include <stddef.h>

enum fail_function { FAIL_REG_MR, FAIL_POST_SEND, FAIL_THREAD, FAIL_FUNCTIONS };

/*
 * The errno value that this call shall fail with, or 0. Counts the call. @bytes is the length of
 * the registration, 0 for the others. A rule that cannot be understood ends the process with a
 * message: a test whose fault is never injected must not pass.
 */
int fail_check(enum fail_function function, size_t bytes);

#endif
